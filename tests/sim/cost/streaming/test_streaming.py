"""Sections: prices beside sums made by hand, units beside all ways to give them out, and laws."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError, TargetError
from penstock.ir.targets import load
from penstock.sim.cost.streaming import (
    Edge,
    Fabric,
    Graph,
    How,
    Operator,
    Pricer,
    Section,
    TooLarge,
    Use,
    needed,
    off_chip_bytes,
    pace,
)

FABRIC = Fabric("toy", pcus=4, pmus=8, streams=4, pmu_bytes=100, pmu_bytes_per_s=1e6, bytes_per_s=1000.0)


SECONDS = st.one_of(st.just(0.0), st.floats(0.001, 9.0))


def chain(*seconds: float, weight: int = 0, length: int = 10, tensor: int = 100) -> Graph:
    """x → operator → … → y, tile by tile; the first also reads a weight whole where there is one."""
    tensors = [tensor] * (len(seconds) + 1) + ([weight] if weight else [])
    operators = []
    for at, each in enumerate(seconds):
        uses = [Use(at, How.TILED)]
        if weight and at == 0:
            uses.append(Use(len(seconds) + 1, How.WHOLE))
        operators.append(Operator(f"op{at}", each, tuple(uses), at + 1))
    names = tuple(f"t{at}" for at in range(len(tensors)))
    return Graph(
        "toy", tuple(operators), names, tuple(tensors), frozenset({len(seconds)}), length, sum(seconds)
    )


def price(graph: Graph, members: list[int], tiles: int, fabric: Fabric = FABRIC) -> Section:
    found = Pricer(graph, fabric).price(members, tiles)
    assert isinstance(found, Section), found
    return found


def test_a_chain_takes_load_stages_and_store_at_the_pace_of_the_slowest() -> None:
    """Of 4 PCUs the longer operator gets 3: 9/3 s for 10 tiles, and 3 tiles more to fill."""
    found = price(chain(9.0, 3.0), [0, 1], 10)
    assert (found.pcus, found.fill_tiles, found.tile_s) == (4, 3, pytest.approx(0.3))
    assert found.seconds == pytest.approx((10 + 3) * 0.3)
    assert (found.read_bytes, found.written_bytes, found.held_bytes) == (100, 100, 0)
    assert found.bound == "pcu"


def test_a_section_without_work_is_as_slow_as_its_streams() -> None:
    """Four streams of a kB/s together: two tensors of 10 bytes a tile, two streams each."""
    found = price(chain(0.0), [0], 10)
    assert (found.bound, found.streams) == ("stream", 4)
    assert found.tile_s == pytest.approx(10 / 500)


def test_weights_are_held_where_they_fit_and_that_is_faster() -> None:
    held = price(chain(0.4, weight=400), [0], 10)
    assert (held.held_bytes, held.read_bytes) == (400, 500)
    assert held.seconds == pytest.approx(
        400 / 1000 + (10 + 2) * 10 / 500
    )  # two streams for a tile of ten bytes
    hidden = price(chain(100.0, weight=400), [0], 10)  # loading them for every tile is hidden by the work
    assert (hidden.held_bytes, hidden.read_bytes) == (0, 100 + 10 * 400)
    large = price(chain(0.4, weight=4000), [0], 10)
    assert (large.held_bytes, large.read_bytes) == (0, 100 + 10 * 4000)


def test_a_tensor_needed_whole_that_is_made_here_makes_its_reader_wait() -> None:
    graph = chain(4.0, 4.0)
    wait = replace(graph.operators[1], uses=(Use(1, How.WHOLE),))
    slow = replace(graph, operators=(graph.operators[0], wait))
    grow = replace(graph, operators=(graph.operators[0], replace(wait, uses=(Use(1, How.GROWING),))))
    assert price(graph, [0, 1], 10).fill_tiles == price(grow, [0, 1], 10).fill_tiles == 3
    assert price(slow, [0, 1], 10).fill_tiles == 1 + 10 + 1


def test_a_tensor_that_skips_stages_is_kept_for_them() -> None:
    """x + f(g(x)): x's buffer holds a tile for every stage it waits."""
    graph = chain(1.0, 1.0, 1.0, tensor=2000)  # tiles of two PMUs
    last = replace(graph.operators[2], uses=(Use(2, How.TILED), Use(0, How.TILED)))
    skipping = replace(graph, operators=(*graph.operators[:2], last))
    plain, kept = (price(each, [0, 1, 2], 10, replace(FABRIC, pmus=100)) for each in (graph, skipping))
    assert plain.pmus == 2 * (2 + 2 + 2)
    assert kept.pmus == 2 * (4 + 2 + 2)


@pytest.mark.parametrize(
    ("fabric", "what"),
    [({"pcus": 1}, "PCUs"), ({"pmus": 1}, "PMUs"), ({"streams": 1}, "streams")],
)
def test_what_does_not_fit_says_what_is_lacking(fabric: dict[str, int], what: str) -> None:
    found = Pricer(chain(1.0, 1.0), replace(FABRIC, **fabric)).price([0, 1], 10)
    assert isinstance(found, TooLarge)
    assert found.what == what
    assert found.need > found.have


@settings(max_examples=80, deadline=None)
@given(
    st.lists(SECONDS, min_size=1, max_size=4),
    st.integers(0, 5),
    st.lists(st.integers(1, 3), min_size=4, max_size=4),
)
def test_units_are_given_out_as_well_as_can_be(work: list[float], spare: int, least: list[int]) -> None:
    floor = np.array(least[: len(work)], float)
    units = int(floor.sum()) + spare
    ways = itertools.product(*(range(int(low), units + 1) for low in floor))
    best = min(max(w / k for w, k in zip(work, way, strict=True)) for way in ways if sum(way) <= units)
    found = pace(np.array(work), floor, units)
    assert found == pytest.approx(best)
    assert needed(np.array(work), floor, found).sum() <= units


GRAPHS = st.builds(
    lambda seconds, weight, tensor: chain(*seconds, weight=weight, tensor=tensor),
    st.lists(SECONDS, min_size=1, max_size=4),
    st.integers(0, 900),
    st.integers(1, 500),
)


@settings(max_examples=80, deadline=None)
@given(
    GRAPHS,
    st.integers(1, 10),
    st.sampled_from(["pcus", "pmus", "bytes_per_s", "pmu_bytes", "pmu_bytes_per_s"]),
)
def test_more_of_anything_is_never_slower(graph: Graph, tiles: int, what: str) -> None:
    members = list(range(len(graph.operators)))
    more = replace(FABRIC, **{what: getattr(FABRIC, what) * 2})
    small, large = (Pricer(graph, fabric).price(members, tiles) for fabric in (FABRIC, more))
    if isinstance(small, Section):
        assert isinstance(large, Section)
        assert large.seconds <= small.seconds * (1 + 1e-9)


@settings(max_examples=80, deadline=None)
@given(GRAPHS, st.integers(1, 10))
def test_a_section_stays_within_its_means_and_above_its_bounds(graph: Graph, tiles: int) -> None:
    found = Pricer(graph, FABRIC).price(list(range(len(graph.operators))), tiles)
    if isinstance(found, Section):
        assert found.pcus <= FABRIC.pcus
        assert found.pmus <= FABRIC.pmus
        assert found.streams <= FABRIC.streams
        assert found.seconds >= sum(each.seconds for each in graph.operators) / FABRIC.pcus * (1 - 1e-9)
        assert found.seconds >= found.off_chip_bytes / FABRIC.bytes_per_s * (1 - 1e-9)


def test_only_what_crosses_a_border_is_moved() -> None:
    edges = [Edge(10, None, ("a",)), Edge(6, "a", ("b", "c")), Edge(6, "b", ("c",)), Edge(2, "c", ())]
    assert off_chip_bytes(edges, {"a": 0, "b": 0, "c": 0}) == 10 + 2
    assert off_chip_bytes(edges, {"a": 0, "b": 1, "c": 2}) == 10 + 3 * 6 + 2 * 6 + 2
    assert off_chip_bytes(edges, {"a": 0, "b": 1, "c": 1}) == 10 + 2 * 6 + 2


def test_a_fabric_is_read_from_the_target() -> None:
    node, socket = Fabric.of(load("sn40l-node")), Fabric.of(load("sn40l-socket"))
    assert (socket.pcus, socket.pmus, socket.pmu_bytes) == (1040, 1040, 512 * 1024)
    assert (node.pcus, node.pmus, node.streams) == (8 * 1040, 8 * 1040, 8 * socket.streams)
    for name in ("sn40l-node", "sn40l-socket", "sn40l-small"):
        target = load(name)
        assert Fabric.of(target).pmus * Fabric.of(target).pmu_bytes == target.find_tier("sram").capacity_bytes


def test_nonsense_is_refused() -> None:
    with pytest.raises(TargetError, match="no PCUs and PMUs"):
        Fabric.of(load("tpu-v4i"))
    with pytest.raises(InputError, match="without units"):
        replace(FABRIC, pcus=0)
    with pytest.raises(InputError, match="a launch of -1"):
        replace(FABRIC, launch_s=-1.0)
    with pytest.raises(InputError, match="11 tiles of a rank of 10"):
        Pricer(chain(1.0), FABRIC).price([0], 11)
