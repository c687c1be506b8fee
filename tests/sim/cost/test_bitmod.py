"""The BitMoD cycle model; tests/rtl and tests/sim/rtl hold it against the RTL, cycle for cycle."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.ir.bitmod_format import Mode
from penstock.ir.errors import InputError
from penstock.sim.cost.bitmod import BitmodArray, linear_cycles

ARRAY = BitmodArray(rows=8, cols=8, max_tokens=128, max_groups=12)


# Steps, with four lanes, and weight words of a group of 128.
GROUPS = {Mode.FP: (64, 9), Mode.INT6: (96, 13), Mode.INT8: (128, 17)}


def stepped(array: BitmodArray, tokens: int, channels: int, inputs: int, mode: Mode) -> int:
    """The same count, by walking from tile to tile instead of in closed form."""
    groups = -(-inputs // 128)
    group_steps, group_words = GROUPS[mode]
    total = 0
    for first in range(0, tokens, array.max_tokens):
        count = min(array.max_tokens, tokens - first)
        steps = -(-count // array.all_rows) * groups * group_steps * 4 // array.lanes
        loaded, ends = 2, [0, 0]
        begin = 2 + count * groups * 32
        for channel in range(0, channels, array.all_cols):
            words = min(array.all_cols, channels - channel) * (1 + group_words * groups)
            loaded = max(loaded, ends[-2]) + words
            begin = max(begin, loaded, ends[-1])
            ends.append(begin + steps)
        lag = array.col_tiles - 1 + int(array.row_tiles > 1)
        total += ends[-1] + 17 + lag + (count - 1) % array.all_rows + 1
    return total


@pytest.mark.parametrize(
    "array",
    [
        ARRAY,
        BitmodArray(1, 16, 3, 2),
        BitmodArray(4, 2, 8, 2),
        BitmodArray(2, 64, 2, 2, lanes=2),
        BitmodArray(2, 3, 8, 2, row_tiles=2, col_tiles=2, lanes=8),
    ],
)
@pytest.mark.parametrize("tokens", [1, 3, 8, 17, 300])
@pytest.mark.parametrize("channels", [1, 8, 15, 16, 17, 40, 129])
@pytest.mark.parametrize("inputs", [1, 128, 200])
@pytest.mark.parametrize("mode", Mode)
def test_the_closed_form_is_the_walk_from_tile_to_tile(
    array: BitmodArray, tokens: int, channels: int, inputs: int, mode: Mode
) -> None:
    cycles = linear_cycles(array, tokens, channels, inputs, mode=mode)
    assert cycles.total == stepped(array, tokens, channels, inputs, mode)


def test_the_parts_add_up_and_the_array_is_never_more_than_full() -> None:
    for shape in [(1, 1, 1), (128, 384, 384), (5, 19, 300), (1000, 64, 1536)]:
        cycles = linear_cycles(ARRAY, *shape)
        assert cycles.total == cycles.compute + cycles.load + cycles.weight_stalls + cycles.drain
        assert 0 < cycles.utilisation <= 1
        assert min(cycles.compute, cycles.load, cycles.drain) > 0
        assert cycles.weight_stalls >= 0
        assert cycles.macs == shape[0] * shape[1] * shape[2]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_larger_layer_never_takes_fewer_cycles(axis: int) -> None:
    def shape(size: int) -> list[int]:
        return [size if index == axis else 24 for index in range(3)]

    totals = [linear_cycles(ARRAY, *shape(size)).total for size in range(1, 300)]
    assert all(before <= after for before, after in pairwise(totals))


@pytest.mark.parametrize(("mode", "rate"), [(Mode.FP, 2), (Mode.INT6, 4 / 3), (Mode.INT8, 1)])
def test_a_full_array_multiplies_at_the_papers_rate(mode: Mode, rate: float) -> None:
    """Weights per element and cycle (section IV-B), approached as loading becomes small beside computing."""
    cycles = linear_cycles(ARRAY, 128, 4096, 1536, mode=mode)
    assert cycles.macs / cycles.compute / 64 == pytest.approx(rate)
    assert cycles.utilisation > 0.95


ARRAYS = st.builds(
    lambda rows, cols, down, across, chunk, lanes: BitmodArray(
        rows, cols, rows * down * chunk, 4, down, across, lanes
    ),
    st.integers(1, 8),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([2, 4, 8]),
)
SHAPES = st.tuples(st.integers(1, 200), st.integers(1, 200), st.integers(1, 512))


@given(ARRAYS, SHAPES, st.sampled_from(Mode))
def test_tiles_cost_their_hops_and_nothing_else(
    array: BitmodArray, shape: tuple[int, int, int], mode: Mode
) -> None:
    """Against one tile of all rows and columns: a cycle a hop, once a chunk of tokens."""
    assume(array.all_rows + 16 <= 256 // array.lanes)  # else one tile of so many rows could not drain
    tiled = linear_cycles(array, *shape, mode=mode)
    assert tiled.total == stepped(array, *shape, mode)
    single = replace(array, rows=array.all_rows, cols=array.all_cols, row_tiles=1, col_tiles=1)
    chunks = -(-shape[0] // array.max_tokens)
    hops = array.col_tiles - 1 + (array.row_tiles > 1)
    whole = linear_cycles(single, *shape, mode=mode)
    assert tiled == replace(
        whole,
        total=whole.total + chunks * hops,
        drain=whole.drain + chunks * hops,
        utilisation=tiled.utilisation,
    )


@given(ARRAYS, SHAPES, st.sampled_from(Mode))
def test_more_lanes_tiles_or_room_never_take_longer(
    array: BitmodArray, shape: tuple[int, int, int], mode: Mode
) -> None:
    before = linear_cycles(array, *shape, mode=mode)
    assert before.total == before.compute + before.load + before.weight_stalls + before.drain
    assert 0 < before.utilisation <= 1
    assert (
        linear_cycles(replace(array, max_tokens=array.max_tokens * 2), *shape, mode=mode).total
        <= before.total
    )
    drains = array.rows + array.row_tiles + array.col_tiles + 14 <= 128 // array.lanes
    if array.lanes < 8 and drains and array.all_rows <= 128 // array.lanes:
        more = linear_cycles(replace(array, lanes=array.lanes * 2), *shape, mode=mode)
        assert more.total <= before.total
        assert more.compute * 2 == before.compute


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"lanes": 3}, "2, 4, 8"),
        ({"row_tiles": 0}, "at least 1"),
        ({"max_tokens": 12}, "multiple of 8"),
        ({"row_tiles": 3}, "multiple of 24"),
        ({"rows": 49, "max_tokens": 49}, "cannot drain"),
        ({"rows": 17, "max_tokens": 17, "lanes": 8}, "cannot drain"),
        ({"row_tiles": 8, "lanes": 8}, "cannot drain"),
    ],
)
def test_arrays_the_rtl_refuses_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BitmodArray(**sizes)


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1537)])
def test_impossible_layers_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError):
        linear_cycles(ARRAY, *shape)
