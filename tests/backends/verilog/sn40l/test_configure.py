"""What units, switches and the control network of a section are told, replayed from the words alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from penstock.backends.verilog.sn40l import Compiled
from penstock.backends.verilog.sn40l.configure import CONTROL_UNIT, TOKENS
from penstock.backends.verilog.sn40l.mesh import AGCU, BITMOD, LOCAL, OPPOSITE, PCU, PMU, SMALL, SMALL_BITMOD
from penstock.backends.verilog.sn40l.packing import HIDDEN, regions
from penstock.backends.verilog.sn40l.place import kind_of, place
from penstock.backends.verilog.sn40l.route import SWITCH_UNIT, link_loads
from penstock.backends.verilog.sn40l.traffic import traffic
from penstock.blocks import Block, placed, quantized
from penstock.ir.errors import InputError, PlanError
from penstock.ir.fabric import Buffer, Compute, Gemm, Load, Quantized, Rows, Store
from penstock.ir.targets import load
from penstock.sim.rtl.sn40l_pcu.registers import Configuration

Words = dict[int, dict[int, int]]


@pytest.fixture(scope="module")
def block(bert_block: Callable[..., Block]) -> Block:
    return bert_block(tokens=16, width=48, heads=3, inner=96, tiles=3)


@pytest.fixture(scope="module")
def compiled(block: Block) -> Compiled:
    return placed("block", block.stages, load("sn40l-small"), seed=0)[0]


@pytest.fixture(scope="module")
def words(compiled: Compiled) -> Words:
    told: Words = {}
    for unit, address, data in compiled.config():
        assert 0 <= data < 1 << 32
        told.setdefault(unit, {})[address] = data
    return told


def test_every_unit_has_a_node_of_its_kind(compiled: Compiled) -> None:
    assert [len(SMALL.of_kind(kind)) for kind in (PCU, PMU, AGCU)] == [16, 16, 16]
    nodes = list(compiled.nodes.values())
    assert len(set(nodes)) == len(nodes)
    for unit in compiled.section.units:
        assert SMALL.kinds[compiled.nodes[unit.name]] == kind_of(unit)
    with pytest.raises(PlanError, match="pcus"):
        place(compiled.section, type(SMALL)(2, 6, (0,)))


def test_quantized_layers_are_placed_where_arrays_are_and_told_of_their_weights(block: Block) -> None:
    scheme = "int6"
    compiled, _ = placed("block", quantized(block, scheme).stages, load("sn40l-small"), 0, scheme)
    assert compiled.mesh == SMALL_BITMOD
    assert [len(SMALL_BITMOD.of_kind(kind)) for kind in (PCU, BITMOD, PMU, AGCU)] == [4, 12, 16, 16]
    kinds = {name: SMALL_BITMOD.kinds[node] for name, node in compiled.nodes.items()}
    assert {kinds[unit.name] for unit in compiled.section.of_kind(Quantized)} == {BITMOD}
    assert {kinds[unit.name] for unit in compiled.section.of_kind(Gemm)} == {PCU}
    assert Counter(kinds[unit.name] for unit in compiled.section.of_kind(Rows)) == {PCU: 2, BITMOD: 1}
    assert len(set(compiled.nodes.values())) == len(compiled.nodes)
    told: Words = {}
    for node, address, data in compiled.config():
        told.setdefault(node, {})[address] = data
    for unit in compiled.section.of_kind(Quantized):
        assert isinstance(unit, Quantized)
        it = Configuration.from_words(told[compiled.nodes[unit.name]])
        assert (it.weights, it.specials, it.depth, it.rows) == (2, 0, 1, 16)
        assert it.tiles * 8 == unit.depth, "of the one group"
        assert it.packets == unit.tiles * 16


def test_packets_reach_their_destinations_and_nobody_else(compiled: Compiled, words: Words) -> None:
    neighbours = {node: dict(SMALL.neighbours(node)) for node in range(48)}
    for name, flow in compiled.section.flows.items():
        number, reached, seen = compiled.routes[name].number, [], set()
        todo = [(compiled.nodes[flow.source.unit], LOCAL)]
        while todo:
            node, port = todo.pop()
            assert (node, port) not in seen, f"{name} comes twice"
            seen.add((node, port))
            data = words[SWITCH_UNIT + node][flow.plane << 9 | port << 6 | number]
            assert data & 63 == number
            for leaves in range(5):
                if data >> 6 + leaves & 1 and leaves == LOCAL:
                    reached.append(node)
                elif data >> 6 + leaves & 1:
                    todo.append((neighbours[node][leaves], OPPOSITE[leaves]))
        assert sorted(reached) == sorted(compiled.nodes[end.unit] for end in flow.destinations)


def test_no_link_carries_more_than_the_heaviest_flow(compiled: Compiled) -> None:
    most = max(traffic(compiled.section).values())
    loads = link_loads(compiled.routes, compiled.section)
    assert max(load for (plane, _, _), load in loads.items() if plane == 0) <= most


def test_registers_of_pcus_say_what_the_section_says(compiled: Compiled, words: Words) -> None:
    section = compiled.section
    for unit in section.units:
        if not isinstance(unit, Compute):
            continue
        told = Configuration.from_words(words[compiled.nodes[unit.name]])
        assert told.units == section.tiles
        assert told.packets == unit.packets
        assert told.flow == compiled.routes[unit.out].number
        assert told.plane == section.flows[unit.out].plane
        for queue, flow in zip(told.queues, unit.inputs, strict=False):
            assert queue is not None
            assert (queue.flow, queue.plane) == (compiled.routes[flow].number, section.flows[flow].plane)
        room = sum(
            len(end.readers) if isinstance(end := section.by_name[each.unit], Buffer) else 1
            for each in section.flows[unit.out].destinations
        )
        assert len(told.credits) == room
        assert all(each.initial in (2, 32) for each in told.credits)


def test_every_counter_of_room_hears_of_it_from_who_makes_it(compiled: Compiled, words: Words) -> None:
    heard = {sink: data & 0x7FFF for sink, data in words[CONTROL_UNIT].items() if data >> 15 & 1}
    of_sink = Counter(sink // TOKENS for sink in heard)
    section = compiled.section
    for unit in section.units:
        counters = 0
        for flow in unit.outputs:
            for end in section.flows[flow].destinations:
                other = section.by_name[end.unit]
                counters += len(other.readers) if isinstance(other, Buffer) else 1
        assert of_sink[compiled.nodes[unit.name]] == counters, unit.name
    # A queue's pop goes to the one unit that fills it.
    assert all(count == 1 for count in Counter(heard.values()).values())


def test_walks_of_pmus_visit_the_buffers_words(compiled: Compiled, words: Words) -> None:
    """The address generator replayed: counters with extents and strides, from unit to unit."""
    for unit in compiled.section.units:
        if not isinstance(unit, Buffer):
            continue
        told = words[compiled.nodes[unit.name]]
        contexts = [(0, unit.into, 64)] + [
            (1, reader.walk, 32 * number) for number, reader in enumerate(unit.readers)
        ]
        for awaits, walk, base in contexts:
            assert told[base] >> 11 & 7 == awaits
            assert told[base] & 1
            assert told[base + 5] == 3
            extents = [told[base + 16 + at] for at in range(5)]
            strides = [_signed(told[base + 24 + at]) for at in range(5)]
            first = np.zeros(1, np.int64)
            for extent, stride in zip(extents, strides, strict=True):
                first = (np.arange(extent)[:, None] * stride + first).ravel()
            lanes = first[:, None] + np.arange(8) * _signed(told[base + 2])
            expected = walk.addresses()
            both = np.concatenate([expected, expected + unit.words])
            assert np.array_equal(lanes, both)
            assert lanes.min() >= told[base + 3]
            assert lanes.max() < told[base + 4]


def test_rows_and_columns_of_a_buffer_meet_every_bank_once(compiled: Compiled, words: Words) -> None:
    for unit in compiled.section.units:
        if not isinstance(unit, Buffer):
            continue
        told = words[compiled.nodes[unit.name]]
        walks = [(64, unit.into), *((32 * at, reader.walk) for at, reader in enumerate(unit.readers))]
        for base, walk in walks:
            assert told[base + 8] >> 4 & 1
            lanes = walk.addresses()
            banks = (lanes % 8 + (lanes // 8 >> (told[base + 8] & 15))) % 8
            assert all(len(set(each)) == 8 for each in banks)


def test_descriptors_move_what_the_units_ask_for(compiled: Compiled, words: Words) -> None:
    for unit in compiled.section.units:
        if not isinstance(unit, Load | Store):
            continue
        told = words[compiled.nodes[unit.name]]
        once = isinstance(unit, Load) and unit.once
        assert told[256 + 4] == unit.unit_vectors * 32
        assert told[256 + 5] == 1 << 16 | (1 if once else 3)
        stride = told[256 + (6 if isinstance(unit, Load) else 8)]
        assert stride == unit.stride_vectors * 32
        assert told[64] | (told[65] & 63) << 32 == compiled.addresses[unit.region]
        assert told[66] >= unit.unit_vectors * 32
        assert told[65] >> 28 & 3 == (1 if isinstance(unit, Load) else 2)


def test_weights_lie_in_the_order_they_are_multiplied(block: Block, compiled: Compiled) -> None:
    memory = regions(compiled.section, block.raised.params, block.recorded.arrays)
    name, region = next(
        each for each in compiled.section.regions.items() if each[1].kind == "weights" and each[1].bias
    )
    weight, bias = (block.raised.params[each or ""] for each in (region.tensor, region.bias))
    depth = region.depth[1] - region.depth[0]
    vectors = memory[name].reshape(-1, 1 + depth, 8)
    for tile, (head, *rows) in enumerate(vectors):
        n = region.columns[0] + 8 * tile
        assert np.array_equal(head, bias[n : n + 8])
        assert np.array_equal(np.stack(rows, axis=1), weight[n : n + 8, slice(*region.depth)])
    mask = memory["mask"].reshape(3, 16)
    assert np.array_equal(mask == HIDDEN, ~block.recorded.arrays["mask"].reshape(3, 16))


def test_inputs_of_another_shape_are_refused(block: Block, compiled: Compiled) -> None:
    given = block.recorded.arrays
    with pytest.raises(InputError, match="x has shape"):
        regions(compiled.section, block.raised.params, {**given, "x": given["x"][:1]})
    with pytest.raises(InputError, match="no input 'mask'"):
        regions(compiled.section, block.raised.params, {"x": given["x"]})


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word
