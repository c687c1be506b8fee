"""The accelerator's cycle model: laws of any chain; tests/sim/rtl holds it against the RTL."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.bitmod_format import Mode
from penstock.ir.errors import InputError
from penstock.sim.cost.axi import Reader, ReadPort, Writer, bursts
from penstock.sim.cost.bitmod import BitmodArray, linear_cycles
from penstock.sim.cost.bitmod_accel import Accelerator, Layer, chain_cycles

ACCELERATOR = Accelerator(BitmodArray(rows=4, cols=4, max_tokens=8, max_groups=3), 16, 64)


def layer(tokens: int, channels: int, inputs: int, mode: Mode = Mode.FP, **other: Any) -> Layer:
    return Layer(tokens, channels, inputs, mode, 0x1_0000, 0x20_0040, 0x40_0004, **other)


LAYERS = st.lists(
    st.builds(
        layer,
        st.integers(1, 20),
        st.integers(1, 13),
        st.integers(1, 384),
        st.sampled_from(Mode),
        fence=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
ACCELERATORS = st.builds(
    lambda rows, cols, tiles, grid, burst, spare: Accelerator(
        BitmodArray(rows, cols, rows * grid[0] * tiles, 3, *grid), burst, burst + spare
    ),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 3),
    st.sampled_from([(1, 1, 4), (2, 1, 4), (1, 3, 2), (2, 2, 8), (4, 4, 4)]),
    st.integers(1, 40),
    st.integers(0, 60),
)


@settings(deadline=None)
@given(ACCELERATORS, LAYERS, st.integers(1, 200))
def test_parts_add_up_bytes_are_conserved_and_nothing_is_faster_than_its_peaks(
    accelerator: Accelerator, layers: list[Layer], latency: int
) -> None:
    found = chain_cycles(accelerator, layers, latency=latency)
    assert sum(each.cycles for each in found.layers) == found.total
    assert 0 < found.core < found.total
    assert found.descriptor_bytes == 64 * len(layers)
    read = found.descriptor_bytes
    for each, wanted in zip(found.layers, layers, strict=True):
        alone = linear_cycles(
            accelerator.array, wanted.tokens, wanted.channels, wanted.inputs, mode=wanted.mode
        )
        assert each.weight_bytes == 8 * alone.weight_words
        assert each.activation_bytes == 8 * alone.activation_words
        assert each.result_bytes == 4 * wanted.tokens * wanted.channels
        assert each.compute == alone.compute
        assert each.compute < each.core <= each.cycles
        assert 0 < each.utilisation <= 1
        read += each.weight_bytes + each.activation_bytes
    assert found.total > read // 8, "a beat a cycle is all the port carries"


@settings(deadline=None)
@given(ACCELERATORS, LAYERS, st.integers(1, 120), st.integers(0, 80))
def test_a_slower_memory_is_never_faster(
    accelerator: Accelerator, layers: list[Layer], latency: int, more: int
) -> None:
    """Of one layer; in a chain, requests of two readers may change places, for a few cycles at most."""
    fast, slow = (
        chain_cycles(accelerator, layers[:1], latency=each).total for each in (latency, latency + more)
    )
    assert fast <= slow
    fast, slow = (chain_cycles(accelerator, layers, latency=each).total for each in (latency, latency + more))
    assert fast <= slow + 64 * len(layers)


@settings(deadline=None)
@given(LAYERS, st.integers(1, 120))
def test_a_fence_and_a_longer_chain_are_never_faster(layers: list[Layer], latency: int) -> None:
    open_, fenced = (
        chain_cycles(ACCELERATOR, [replace(each, fence=fence) for each in layers], latency=latency).total
        for fence in (False, True)
    )
    assert open_ <= fenced + 64 * len(layers)
    if len(layers) > 1:
        assert chain_cycles(ACCELERATOR, layers[:-1], latency=latency).total < open_ + 64


def test_a_memory_without_delay_leaves_the_closed_form_of_the_array() -> None:
    """A layer that computes longer than it loads; activations share the port with weights of two tiles."""
    array = BitmodArray(4, 4, 64, 3)
    found = chain_cycles(Accelerator(array, 16, 64), [layer(64, 64, 384)], latency=1)
    alone = linear_cycles(array, 64, 64, 384)
    shared = 2 * 4 * 28 + 64
    assert alone.total < found.core < alone.total + shared + 60
    assert found.core < found.total < found.core + 40


def test_chunks_read_their_weights_again() -> None:
    once, twice = (chain_cycles(ACCELERATOR, [layer(tokens, 8, 256)], latency=9) for tokens in (8, 9))
    assert twice.layers[0].weight_bytes == 2 * once.layers[0].weight_bytes


def test_writing_back_bounds_what_a_slow_memory_lets_the_array_do() -> None:
    """Eight bursts unanswered at most: with one result a token tile, so many tokens per round trip."""
    array = BitmodArray(1, 1, 8, 1)
    latency = 4000
    found = chain_cycles(Accelerator(array), [layer(8, 64, 128)], latency=latency)
    assert found.total > 8 * 64 / 8 * latency


@pytest.mark.parametrize(
    ("layers", "latency", "message"),
    [
        ([], 1, "no layers"),
        ([layer(1, 1, 1)], 0, "after 0 cycles"),
        ([layer(1, 1, 1), layer(0, 1, 1)], 1, "no layer of 0 tokens"),
        ([layer(1, -1, 1)], 1, "no layer of"),
        ([layer(1, 1, 385)], 1, "4 groups"),
    ],
)
def test_impossible_chains_are_refused(layers: list[Layer], latency: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chain_cycles(ACCELERATOR, layers, latency=latency)


@given(st.integers(0, 4096), st.integers(1, 2000), st.integers(1, 256))
def test_bursts_cover_a_transfer_within_pages(start: int, words: int, most: int) -> None:
    address, beats = 8 * start, list(bursts(8 * start, words, most))
    assert sum(beats) == words
    for each in beats:
        assert 1 <= each <= most
        assert address % 4096 + 8 * each <= 4096
        address += 8 * each


def test_a_burst_arrives_after_the_latency_a_beat_a_cycle() -> None:
    """Taken in 3, asked for from 4, in the port's register in 6, first beat 10 later, visible in 17."""
    reader, left = Reader(64, 16), []
    reader.command(3, 0, 20, lambda cycle: left.append(cycle))
    reader.want(20, 0, left.append)
    ReadPort((reader,), 10).run(lambda: len(left) == 2)
    assert left == [3, 17 + 19]


def test_an_early_burst_leaves_the_bus_to_a_later_one_and_readers_take_turns() -> None:
    first, second = Reader(64, 16), Reader(64, 16)
    ends: dict[str, int] = {}
    for name, reader in (("first", first), ("second", second)):
        reader.command(0, 0, 32, lambda _: None)
        reader.want(32, 0, lambda cycle, name=name: ends.__setitem__(name, cycle))
    ReadPort((first, second), 5).run(lambda: len(ends) == 2)
    assert ends["first"] - ends["second"] in (16, -16)
    assert max(ends.values()) == 2 + 1 + 5 + 64


def test_the_write_engine_waits_for_answers() -> None:
    writer = Writer(16, 100)
    taken = [writer.write(0, 4 * step, 1) for step in range(9)]
    assert [after - before for before, after in pairwise(taken)] == [3] * 8
    assert writer.write(0, 0, 1) > taken[0] + 100
