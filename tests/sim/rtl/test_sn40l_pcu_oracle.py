"""The PCU's oracle against NumPy and PyTorch: functions of the tail, products, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.backends.verilog.images import weight_words
from penstock.ir.bitmod_format import ARRAY_FORMATS
from penstock.ir.errors import PlanError
from penstock.passes.quantize import quantize
from penstock.sim.cost.fabric.pcu import activity
from penstock.sim.rtl.bitmod_oracle import linear
from penstock.sim.rtl.sn40l_pcu import tail
from penstock.sim.rtl.sn40l_pcu.oracle import Stream, run
from penstock.sim.rtl.sn40l_pcu.registers import (
    Configuration,
    Credit,
    Instruction,
    Mode,
    Op,
    Queue,
    Reduce,
    Source,
    Tail,
)

LANES = 8
EXACT = 2.0**-23
INF = np.inf


def binades(low: float, high: float) -> np.ndarray:
    """Positive numbers of every binade between two exponents of e."""
    return np.exp(np.random.default_rng(1).uniform(low, high, 200_000)).astype(np.float32)


def test_reciprocals_are_within_an_ulp_in_every_binade() -> None:
    x = binades(-86, 86)
    assert np.abs(tail.reciprocal(x) * x.astype(np.float64) - 1).max() < EXACT
    assert np.abs(tail.reciprocal(-x) + tail.reciprocal(x)).max() == 0


def test_reciprocal_square_roots_are_within_an_ulp_in_every_binade() -> None:
    x = binades(-86, 86)
    assert np.abs(tail.rsqrt(x) * np.sqrt(x.astype(np.float64)) - 1).max() < EXACT


def test_gelu_is_the_one_by_the_error_function_to_a_millionth() -> None:
    x = np.linspace(-9, 9, 500_001).astype(np.float32)
    want = torch.nn.functional.gelu(torch.from_numpy(x.astype(np.float64))).numpy()
    assert np.abs(tail.gelu(x) - want).max() < 1e-6


@pytest.mark.parametrize(
    ("function", "x", "want"),
    [
        ("exp", [-np.inf, 0, np.inf, -200, 200], [0, 1, np.inf, 0, np.inf]),
        ("reciprocal", [0, -0.0, INF, -INF, 1e-40, 3e38, -4], [INF, -INF, 0, -0.0, INF, 0, -0.25]),
        ("rsqrt", [0, -0.0, INF, -1, -INF, 1e-40, 4], [INF, -INF, 0, np.nan, np.nan, INF, 0.5]),
        ("gelu", [0, -0.0, np.inf, -np.inf, 6, -6, 1e30], [0, 0, np.inf, 0, 6, 0, 1e30]),
    ],
)  # fmt: skip
def test_edges_of_the_tails_functions(function: str, x: list[float], want: list[float]) -> None:
    got = tail.TAILS[function](np.array([*x, np.nan], np.float32))
    expected = np.array([*want, np.nan], np.float32)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got[:-1]), np.signbit(expected[:-1]))
    assert got.view(np.uint32)[-1] == 0x7FC00000


@pytest.mark.parametrize("bias", [False, True])
def test_an_output_tile_is_the_product_of_its_operands(bias: bool) -> None:
    random = np.random.default_rng(2)
    rows, depth, columns = 13, 37, 24
    x = random.standard_normal((rows, depth)).astype(np.float32)
    w = random.standard_normal((depth, columns)).astype(np.float32)
    b = random.standard_normal(columns).astype(np.float32) * bias
    padded = np.zeros((16, depth), np.float32)
    padded[:rows] = x
    a = np.tile(padded.reshape(2, LANES, depth).transpose(2, 0, 1).reshape(-1, LANES), (3, 1))
    weights = []
    for column in range(0, columns, LANES):
        weights += [b[None, column : column + LANES]] * bias + [w[:, column : column + LANES]]
    it = Configuration(
        Mode.GEMM, 1, 3, 3 * rows, bias=bias, depth=depth, tiles=2, rows=rows,
        program=(Instruction(op=Op.MUL, y_source=Source.CONSTANT, to_output=1),), constants=(0.5,),
    )  # fmt: skip
    got = run(it, [Stream.clean(a), Stream.clean(np.concatenate(weights))])
    result = got.vectors.reshape(3, rows, LANES).transpose(1, 0, 2).reshape(rows, columns)
    np.testing.assert_allclose(result, 0.5 * (x.astype(np.float64) @ w + b), atol=2e-5)


def test_poison_reaches_what_is_made_of_it_and_nothing_else() -> None:
    one = np.ones((2 * 2 * 2, LANES), np.float32)
    poison = np.zeros(8, np.bool_)
    poison[1] = True  # first tile, k = 0, rows 8 to 15
    it = Configuration(Mode.GEMM, 1, 2, 32, depth=2, tiles=2, rows=16, program=(Instruction(to_output=1),))
    got = run(it, [Stream(one, poison), Stream.clean(one[:4])])
    np.testing.assert_array_equal(np.flatnonzero(got.poison), np.arange(8, 16))


def test_trips_side_by_side_are_trips_one_after_the_other() -> None:
    """A running sum in the buffer: each trip reads what the one before it left."""
    start = Instruction(x_source=Source.CONSTANT, to_buffer=1)
    add = Instruction(
        op=Op.ADD, x_source=Source.BUFFER, y_source=Source.QUEUE, to_buffer=1, to_output=1, waits=1
    )
    it = Configuration(Mode.SIMD, 2, 5, 5, program=(start, add), body=1)
    x = np.random.default_rng(3).standard_normal((10, LANES)).astype(np.float32)
    np.testing.assert_array_equal(run(it, [Stream.clean(x)]).vectors, np.cumsum(x, axis=0, dtype=np.float32))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=32), st.integers(0, 2**32 - 1))
def test_registers_say_what_was_written(words: list[int], units: int) -> None:
    program = tuple(Instruction.decoded(word & ~(31 << 27)) for word in words)
    it = Configuration(
        Mode.SIMD, units, 7, 65536, program=program, body=len(program) - 1, lanes=3, flow=63, plane=1,
        seq=65535, constants=(1.5,) * 8, queues=(Queue(1), None, Queue(2, 1), None, None),
        credits=(Credit(3), Credit(255, True)),
    )  # fmt: skip
    assert Configuration.from_words(dict(it.words())) == it


def layers(scheme: str, units: int, *, alike: bool) -> tuple[Configuration, list[Stream], np.ndarray]:
    """Layers of 3 tokens, 16 channels and 136 inputs as units, and what BitMoD's oracle makes of them."""
    random, inputs = np.random.default_rng(7), 136
    weights = [quantize(random.standard_normal((16, inputs)), scheme) for _ in range(units)]
    weights = weights[:1] * units if alike else weights
    bias = random.standard_normal(16).astype(np.float32)
    x = random.standard_normal((units, 3, inputs)).astype(np.float32)
    x[-1, 1, 5] = 1e6  # beyond half precision: its row is NaN
    it = Configuration(
        Mode.GEMM, units, 2, 6, depth=2, tiles=1, rows=3, program=(Instruction(to_output=1),),
        weights=weights[0].format.mode, specials=weights[0].format.special_terms,
    )  # fmt: skip
    words = np.concatenate([weight_words(each, bias) for each in weights])
    operands = [Stream.clean(x.reshape(-1, LANES)), Stream.clean(words.view("<f4").reshape(-1, LANES))]
    with np.errstate(over="ignore"):
        halves = x.astype(np.float16)
    made = [linear(each, half, bias) for each, half in zip(weights, halves, strict=True)]
    rows = np.stack(made).reshape(units, 3, 2, LANES).swapaxes(1, 2)
    return it, operands, rows.reshape(-1, LANES)


@pytest.mark.parametrize("scheme", ARRAY_FORMATS)
@pytest.mark.parametrize("alike", [True, False])
def test_quantized_layers_are_read_back_from_their_words(scheme: str, alike: bool) -> None:
    it, operands, want = layers(scheme, 2, alike=alike)
    got = run(it, operands)
    np.testing.assert_array_equal(got.vectors, want)
    assert np.isnan(want).any(axis=1).sum() == 2, "a token's row, in two tiles of channels"
    assert not got.poison.any()
    operands[1].poison[-1] = True
    assert np.array_equal(np.flatnonzero(run(it, operands).poison), np.arange(6, 12)), "the second unit's"


def test_quantized_layers_without_their_operands_or_a_format_are_refused() -> None:
    it, (a, b), _ = layers("bitmod4", 1, alike=True)
    with pytest.raises(PlanError, match="50 vectors of activations, 76 of weights"):
        run(it, [Stream.clean(a.vectors[1:]), b])
    with pytest.raises(PlanError, match=r"weights of mode 1, special values 00000005.*bitmod4"):
        run(replace(it, specials=5), [a, b])


def test_a_field_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PlanError, match="x_index = 8"):
        Instruction(x_index=8).encoded()


def test_a_program_too_long_is_refused() -> None:
    with pytest.raises(PlanError, match="33 instructions"):
        dict(Configuration(Mode.SIMD, 1, 1, 1, program=33 * (Instruction(),)).words())


def test_a_result_read_before_it_is_there_is_refused() -> None:
    first = Instruction(to_buffer=1, count=5)
    second = Instruction(x_source=Source.BUFFER, to_output=1, count=5)
    it = Configuration(Mode.SIMD, 1, 1, 6, program=(first, second))
    x = Stream.clean(np.zeros((6, LANES), np.float32))
    with pytest.raises(PlanError, match=r"instruction 1: buffer 0 is read 5 cycles before it is there"):
        run(it, [x])
    waiting = Instruction(**(vars(second) | {"waits": 1}))
    assert len(run(Configuration(Mode.SIMD, 1, 1, 6, program=(first, waiting)), [x]).vectors) == 6


def test_operands_too_few_are_refused() -> None:
    it = Configuration(Mode.SIMD, 1, 2, 2, program=(Instruction(to_output=1),))
    with pytest.raises(PlanError, match="1 vectors in queue 0"):
        run(it, [Stream.clean(np.zeros((1, LANES), np.float32))])


@given(
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(1, 32),
    st.integers(1, 30),
    st.booleans(),
    st.integers(1, 3),
)
def test_cycles_never_fall_below_the_work_and_never_rise_with_more_accumulators(
    depth: int, tiles: int, rows: int, trips: int, bias: bool, sets: int
) -> None:
    it = Configuration(
        Mode.GEMM, 1, trips, trips * rows, bias=bias, depth=depth, tiles=tiles, rows=min(rows, 8 * tiles),
        program=(Instruction(to_output=1),),
    )  # fmt: skip
    some, more = activity(it, sets=sets), activity(it, sets=sets + 1)
    assert some.works == trips * depth * tiles <= more.total <= some.total
    assert some.total >= trips * min(rows, 8 * tiles)


def test_long_runs_cost_what_short_ones_tell() -> None:
    """The model does not count trip by trip: a thousand are a thousand times one more."""
    program = (
        Instruction(to_buffer=1, count=3, reduce=Reduce.MAX),
        Instruction(
            op=Op.SUB,
            x_source=Source.BUFFER,
            y_source=Source.SCALAR,
            tail=Tail.EXP,
            to_output=1,
            count=3,
            waits=1,
        ),
    )

    def total(trips: int) -> int:
        return activity(Configuration(Mode.SIMD, 1, trips, 4, program=program)).total

    assert total(1000) - total(10) == 990 * (total(11) - total(10))
