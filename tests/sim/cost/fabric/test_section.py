"""The cycle model of a section: what more bandwidth, more tiles and more work do to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.blocks import Block
from penstock.ir.fabric import VECTOR_BYTES, Buffer, Gemm, Rows, Section
from penstock.ir.targets import load
from penstock.ir.targets.fabric import Machine
from penstock.passes.stages import map_stages
from penstock.sim.cost.fabric import FabricCosts, section_cycles

MACHINE = Machine.of(load("sn40l-small"))
COSTS = FabricCosts(MACHINE.hbm_bytes_per_cycle, MACHINE.ddr_bytes_per_cycle)


@pytest.fixture(scope="module")
def section(bert_block: Callable[..., Block]) -> Section:
    block = bert_block(tokens=32, width=64, heads=2, inner=192, tiles=4)
    return map_stages("block", block.stages, MACHINE, 4)


def test_more_bandwidth_is_never_slower(section: Section) -> None:
    totals = [
        section_cycles(section, FabricCosts(rate, 8.0)).total for rate in (4, 8, 16, 32, 64, 72, 256, 1e6)
    ]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] > 2 * totals[-1]


def test_tiles_add_a_period_each(section: Section) -> None:
    found = [section_cycles(replace(section, tiles=tiles), COSTS) for tiles in (1, 2, 6, 7, 8)]
    totals = [each.total for each in found]
    assert totals == sorted(totals)
    slowest = max(found[-1].ends, key=lambda name: found[-1].ends[name][-1])
    assert totals[-1] - totals[-2] <= 1.5 * found[-1].period, slowest
    assert found[0].period == found[0].total


def test_no_pcu_works_longer_than_the_run_nor_less_than_its_products(section: Section) -> None:
    found = section_cycles(section, COSTS)
    for unit in section.units:
        if isinstance(unit, Gemm):
            assert found.busy[unit.name] == 4 * unit.tiles * unit.steps * unit.row_tiles
        if isinstance(unit, Gemm | Rows):
            assert 0 < found.shares[unit.name] <= 1
            ends = found.ends[unit.name]
            assert len(ends) == 4
            assert list(ends) == sorted(ends)


def test_the_memory_bounds_a_run_from_below(section: Section) -> None:
    slow = FabricCosts(2.0, 8.0)
    weights = sum(region.vectors * 32 for region in section.regions.values() if region.kind == "weights")
    assert section_cycles(section, slow).total >= 4 * weights / slow.hbm_bytes_per_cycle


@given(tiles=st.integers(1, 5), rate=st.floats(2, 400), far=st.sampled_from((0, 2, 30)))
@settings(max_examples=8)
def test_every_unit_is_through_in_order_and_never_before_its_bytes_have_come(
    section: Section, tiles: int, rate: float, far: int
) -> None:
    section = replace(section, tiles=tiles)
    links = {name: {end.unit: far for end in flow.destinations} for name, flow in section.flows.items()}
    found = section_cycles(section, FabricCosts(rate, 8.0), links=links)
    for ends in found.ends.values():
        assert len(ends) == tiles
        assert list(ends) == sorted(ends)
    weights = sum(region.vectors for region in section.regions.values() if region.kind == "weights")
    assert found.total >= tiles * weights * VECTOR_BYTES / rate
    assert found.total >= max(found.busy.values())
    for buffer in (unit for unit in section.units if isinstance(unit, Buffer)):
        filler = section.flows[buffer.write].source.unit
        for reader in buffer.readers:
            for end in section.flows[reader.flow].destinations:
                pairs = zip(found.ends[filler], found.ends[end.unit], strict=True)
                assert all(made + 2 * far < taken for made, taken in pairs), (
                    "nobody reads what is not written"
                )


def test_weights_in_ddr_take_its_bandwidth(section: Section) -> None:
    far = {name for name, region in section.regions.items() if region.kind == "weights"}
    near = section_cycles(section, COSTS).total
    away = section_cycles(section, COSTS, far).total
    assert away > 1.5 * near
    assert away < section_cycles(section, FabricCosts(8.0, 8.0)).total, "all else is still in HBM"
    moved = 4 * sum(section.regions[name].vectors for name in far) * VECTOR_BYTES
    assert moved / 8.0 <= away <= 1.1 * moved / 8.0


def test_longer_flows_take_longer_and_a_hop_a_hand_over_is_not_more(section: Section) -> None:
    """A hop more of each flow: at most two a hand-over from unit to unit, and no less cycles in all."""
    totals = []
    for far in (0, 1, 4, 16):
        links = {name: {end.unit: far for end in flow.destinations} for name, flow in section.flows.items()}
        totals.append(section_cycles(section, COSTS, links=links).total)
    assert totals == sorted(totals)
    assert totals[0] < totals[1] <= totals[0] + 2 * len(section.units) * section.tiles
