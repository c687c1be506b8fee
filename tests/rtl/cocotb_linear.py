"""Runs inside the simulator: bitmod_linear of any small size: ragged layers, stalls, resets, infinities."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from penstock.backends.verilog.images import activation_words, weight_words
from penstock.passes.quantize import quantize
from penstock.sim.cost.bitmod import BitmodArray, linear_cycles
from penstock.sim.rtl import bitmod_oracle

SMALL = {"rows": 2, "cols": 3, "max_tokens": 4, "max_groups": 2}
ARRAY = BitmodArray(**json.loads(os.environ.get("BITMOD_ARRAY", json.dumps(SMALL))))
SHAPES = [
    (1, 1, 1),
    (2, 3, 128),
    (3, 4, 129),
    (4, 6, 256),
    (5, 7, 200),
    (9, 3, 256),
    (4, 1, 128),
    (1, 13, 256),
    (6, 9, 17),
    (3, 5, 140),
    (33, 2, 128),
]
SCHEMES = ("bitmod4", "int8", "bitmod3", "int6", "int5")
PATIENCE = 60_000


class Layer:
    """Random operands of one layer and what must come out."""

    def __init__(self, tokens: int, channels: int, inputs: int, seed: int, scheme: str = "bitmod4") -> None:
        numbers = np.random.default_rng(seed)
        self.shape = tokens, channels, inputs
        self.acts = (numbers.standard_normal((tokens, inputs)) * 4).astype(np.float16)
        self.weights = quantize(numbers.standard_t(3, (channels, inputs)), scheme)
        self.bias = numbers.standard_normal(channels).astype(np.float32)

    def streams(self) -> tuple[list[int], list[int]]:
        """Activation words, and weight words once per chunk of tokens."""
        chunks = -(-self.shape[0] // ARRAY.max_tokens)
        acts = activation_words(self.acts, self.weights.groups)
        return [int(word) for word in acts], [
            int(word) for word in weight_words(self.weights, self.bias)
        ] * chunks

    def expected(self) -> NDArray[np.float32]:
        return bitmod_oracle.linear(self.weights, self.acts, self.bias, lanes=ARRAY.lanes)


async def reset(dut: Any) -> None:
    dut.mode_i.value = 1
    for name in ("start_i", "act_valid_i", "weight_valid_i", "out_ready_i"):
        getattr(dut, name).value = 0
    dut.rst_ni.value = 0
    for _ in range(3):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)


async def begin(dut: Any) -> None:
    Clock(dut.clk_i, 10, unit="ns").start()
    await reset(dut)


async def run(
    dut: Any, layer: Layer, stall: float = 0.0, seed: int = 0, stop_after: int | None = None
) -> NDArray | None:
    """Stream a layer through; each stream pauses with probability ``stall``. None where stopped early."""
    chance = random.Random(seed)
    tokens, channels, _ = layer.shape
    act_words, weight_words_ = layer.streams()
    sources = [("act", act_words), ("weight", weight_words_)]
    out = np.full((tokens, channels), np.nan, np.float32)
    order = iter(result_order(tokens, channels))
    dut.tokens_i.value, dut.channels_i.value, dut.groups_i.value = tokens, channels, layer.weights.groups
    dut.mode_i.value = int(layer.weights.format.mode)
    dut.special_terms_i.value = layer.weights.format.special_terms
    dut.start_i.value = 1
    held: dict[str, bool] = {}
    for cycle in range(PATIENCE):
        if cycle == 1:
            dut.start_i.value = 0
        for name, left in sources:
            # Once offered, a word stays offered until it is taken.
            offered = bool(left) and (held.get(name, False) or chance.random() >= stall)
            getattr(dut, f"{name}_valid_i").value = int(offered)
            if offered:
                getattr(dut, f"{name}_data_i").value = left[0]
                held[name] = not int(getattr(dut, f"{name}_ready_o").value)
                if not held[name]:
                    left.pop(0)
        ready = chance.random() >= stall
        dut.out_ready_i.value = int(ready)
        if ready and int(dut.out_valid_o.value):
            take(dut, out, *next(order))
        if cycle and int(dut.done_o.value):  # in cycle 0 it may still be the layer before
            assert not act_words, "done with activations left"
            assert not weight_words_, "done with weights left"
            assert next(order, None) is None, "done with results missing"
            return out
        if stop_after is not None and cycle == stop_after:
            return None
        await FallingEdge(dut.clk_i)
    raise AssertionError(f"no end after {PATIENCE} cycles")


def result_order(tokens: int, channels: int) -> list[tuple[int, int]]:
    """Token and first channel of every result word."""
    return [
        (token, channel)
        for chunk in range(0, tokens, ARRAY.max_tokens)
        for channel in range(0, channels, ARRAY.all_cols)
        for token in range(chunk, min(chunk + ARRAY.max_tokens, tokens))
    ]


def take(dut: Any, out: NDArray[np.float32], token: int, channel: int) -> None:
    tokens, channels = out.shape
    count = min(ARRAY.all_cols, channels - channel)
    assert int(dut.out_keep_o.value) == (1 << count) - 1, f"kept channels at token {token}, channel {channel}"
    last = token == tokens - 1 and channel + count == channels
    assert int(dut.out_last_o.value) == last, f"last mark at token {token}, channel {channel}"
    raw = int(dut.out_data_o.value).to_bytes(4 * ARRAY.all_cols, "little")
    out[token, channel : channel + count] = np.frombuffer(raw, "<f4")[:count]


def assert_exact(out: NDArray | None, layer: Layer) -> None:
    assert out is not None
    want = layer.expected()
    wrong = np.argwhere((out.view(np.uint32) != want.view(np.uint32)) & ~(np.isnan(out) & np.isnan(want)))
    assert not len(wrong), f"{layer.shape}: {len(wrong)} results differ, first at token, channel {wrong[0]}"


@cocotb.test()
async def ragged_layers_are_exact_and_take_the_models_cycles(dut: Any) -> None:
    await begin(dut)
    for seed, shape in enumerate(SHAPES):
        for scheme in (SCHEMES[seed % len(SCHEMES)], SCHEMES[(seed // 2 + 1) % len(SCHEMES)]):
            layer = Layer(*shape, seed, scheme)
            assert_exact(await run(dut, layer), layer)
            model = linear_cycles(ARRAY, *shape, mode=layer.weights.format.mode).total
            cycles = int(dut.cycles_o.value)
            assert cycles == model, f"{scheme} {shape}: RTL {cycles} cycles, model {model}"


@cocotb.test()
async def stalled_streams_change_no_result(dut: Any) -> None:
    await begin(dut)
    for seed, stall in enumerate((0.1, 0.5, 0.9)):
        layer = Layer(5, 7, 200, seed, SCHEMES[seed + 1])
        assert_exact(await run(dut, layer, stall, seed), layer)


@cocotb.test()
async def results_nobody_takes_hold_the_array_back(dut: Any) -> None:
    """All results wait at a closed output until the queue is full; then they are all still right."""
    await begin(dut)
    layer = Layer(4, 9, 128, 11)
    assert_exact(await run(dut, layer, stall=0.97, seed=5), layer)


@cocotb.test()
async def a_reset_in_mid_flight_leaves_nothing_behind(dut: Any) -> None:
    await begin(dut)
    for cycle in (1, 3, 40, 150, 260, 300, 420, 700):
        broken_off = Layer(9, 25, 256, cycle, SCHEMES[cycle % len(SCHEMES)])
        assert await run(dut, broken_off, stall=0.05, seed=cycle, stop_after=cycle) is None
        await reset(dut)
        assert not int(dut.busy_o.value)
        assert not int(dut.out_valid_o.value)
        layer = Layer(3, 4, 129, cycle + 1, SCHEMES[(cycle + 2) % len(SCHEMES)])
        assert_exact(await run(dut, layer), layer)


@cocotb.test()
async def infinities_and_nans_poison_their_token_only(dut: Any) -> None:
    await begin(dut)
    for value in (np.inf, -np.inf, np.nan):
        layer = Layer(5, 4, 200, 21)
        layer.acts[1, 3] = layer.acts[4, 199] = value
        out = await run(dut, layer)
        assert_exact(out, layer)
        assert out is not None
        assert np.isnan(out).any(axis=1).tolist() == [False, True, False, False, True]
        assert np.isnan(out[[1, 4]]).all()
        assert int(dut.nonfinite_o.value)
    layer = Layer(2, 3, 128, 22)
    assert_exact(await run(dut, layer), layer)
    assert not int(dut.nonfinite_o.value), "the flag must fall with the next start"


@cocotb.test()
async def hard_activations_are_exact(dut: Any) -> None:
    """Subnormals, the largest finite values, zeros, exponents from one end to the other."""
    await begin(dut)
    numbers = np.random.default_rng(31)
    for scheme in ("bitmod4", "int8"):
        await hard_activations(dut, Layer(4, 6, 256, 31, scheme), numbers)


async def hard_activations(dut: Any, layer: Layer, numbers: np.random.Generator) -> None:
    bits = (
        numbers.integers(0, 2, (4, 256)) << 15
        | numbers.integers(0, 31, (4, 256)) << 10
        | numbers.integers(0, 1024, (4, 256))
    )
    layer.acts = bits.astype(np.uint16).view(np.float16)
    layer.acts[0] = np.where(numbers.integers(0, 2, 256), np.float16(65504), np.float16(-65504))
    layer.acts[1] = numbers.integers(0, 1024, 256).astype(np.uint16).view(np.float16)
    layer.acts[2, 10:200] = 0
    assert_exact(await run(dut, layer), layer)
