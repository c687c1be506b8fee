"""The whole FuseMax array, 2 x 2, under programs made by hand: results bit for bit, cycles, stalls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from .fusemax_streams import E, F, Shape, differing, outcome, stream

Vectors = NDArray[np.uint32]
RunVectors = Callable[[str, Vectors], Vectors]

HARNESS = "attention_harness"
SHAPES = [
    Shape(p1=1, m1=1, last_rows=2, stages=1, blocks=1),
    Shape(p1=1, m1=2, last_rows=1, stages=2, blocks=3),
    Shape(p1=1, m1=6, last_rows=2, stages=1, blocks=1),
    Shape(p1=2, m1=5, last_rows=1, stages=2, blocks=2),
    Shape(p1=4, m1=3, last_rows=1, stages=2, blocks=1),
    Shape(p1=3, m1=2, last_rows=2, stages=1, blocks=3),
]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_attention_is_exact_and_takes_its_cycles(run_fusemax: RunVectors, shape: Shape) -> None:
    blocks = shape.random_blocks(1, scale=1.5)
    got = outcome(shape, run_fusemax(HARNESS, stream(shape, blocks)))
    assert not differing(blocks, got.results).any()
    assert got.done == 1
    assert (got.cycles, got.stalls) == shape.cycles
    tiles = shape.p1 * shape.m1 * shape.blocks
    assert got.busy_2d == tiles * (E + F + 9)
    assert got.busy_1d == tiles * (2 * F + 10) + shape.blocks * shape.p1 * F


@pytest.mark.parametrize(("gaps", "closed"), [(0.8, 0.0), (0.0, 0.8), (0.85, 0.6)])
def test_streams_that_wait_change_no_result(run_fusemax: RunVectors, gaps: float, closed: float) -> None:
    shape = SHAPES[3]
    blocks = shape.random_blocks(2)
    got = outcome(shape, run_fusemax(HARNESS, stream(shape, blocks, gaps=gaps, closed=closed, seed=3)))
    assert not differing(blocks, got.results).any()
    assert got.done == 1
    assert (got.stalls > shape.cycles[1]) == (gaps > 0)


@pytest.mark.parametrize("kind", ["far scores", "equal keys", "largest", "subnormal", "infinities", "NaN"])
def test_hard_operands_are_exact(run_fusemax: RunVectors, kind: str) -> None:
    shape = Shape(p1=2, m1=3, last_rows=1, stages=2, blocks=1)
    (block,) = shape.random_blocks(4, scale=30.0 if kind == "far scores" else 1.0)
    if kind == "equal keys":
        block.k[:] = block.k[0]
    elif kind == "largest":
        block.k[::2, :3], block.v[:, 2] = 65504, 65504
    elif kind == "subnormal":
        block.q[:] = block.q.view(np.uint16) & 0x83FF
        block.q[:] = (block.q.astype(np.float32) * 0 + 2.0**-20).astype(np.float16)
        block.v[:] = (block.v.view(np.uint16) & 0x83FF).view(np.float16)
    elif kind == "infinities":
        block.v[1, 0], block.v[2, 1], block.v[3, 1], block.k[4, 2] = np.inf, np.inf, -np.inf, -np.inf
    elif kind == "NaN":
        block.q[1, 2], block.v[2, 3] = np.nan, np.nan
    got = outcome(shape, run_fusemax(HARNESS, stream(shape, [block])))
    wrong = differing([block], got.results)
    assert not wrong.any(), f"{kind}: at {np.argwhere(wrong)[0]}"
    finite = np.isfinite(got.results.view(np.float16))
    assert finite.all() == (kind not in ("infinities", "NaN"))
    assert finite.any()
