"""Register blocks, tiles and copies of rows: they fit what they are made for, whatever the sizes."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.backends.cpu.isa import ISAS, host_isa, isa_for
from penstock.backends.cpu.kernels import emit_kernel
from penstock.backends.cpu.kernels.register_blocks import register_block
from penstock.backends.cpu.kernels.rows import crowded
from penstock.ir.targets import load

from .conftest import Case, build

WORDS = [ISAS["avx512"], ISAS["avx512bf16"], ISAS["avx2"]]
TILES = re.compile(r"// (\d+) tiles: p \d+ by (\d+), n \d+ by (\d+)")


@given(st.integers(1, 300), st.integers(1, 40), st.sampled_from([16, 32]))
def test_a_register_block_fits_the_registers_and_the_tile(rows: int, vectors: int, registers: int) -> None:
    block = register_block(rows, vectors, registers)
    assert 1 <= block.rows <= rows
    assert 1 <= block.vectors <= vectors
    assert block.rows * block.vectors + block.vectors + 1 <= registers


@pytest.mark.parametrize(
    ("stride", "rows", "expected"),
    [(4096, 13, True), (4096, 4, False), (12288, 13, True), (2048, 13, True), (3072, 13, False),
     (4160, 13, False), (4, 13, False), (0, 13, False)],
)  # fmt: skip
def test_rows_crowd_where_many_lines_share_a_set(stride: int, rows: int, expected: bool) -> None:
    assert crowded(stride, rows) == expected


@given(st.integers(0, 1 << 16), st.integers(1, 14))
def test_fewer_rows_never_crowd_more(stride: int, rows: int) -> None:
    assert crowded(stride, rows + 1) or not crowded(stride, rows)


def linear(tokens: int, deep: int, wide: int, half: bool) -> Case:
    kind = np.uint16 if half else np.float32
    inputs = {"X": np.zeros((tokens, deep), kind), "W": np.zeros((wide, deep), kind)}
    text = "Y[p,n] = sum[d] mul(X[p,d], W[n,d])"
    return Case("linear", [text], inputs, ["Y"], [], "p n", 2, params=["W"], elements={"Y": "f32"})


@example(367, 4096, 673, ISAS["avx2"], 2 << 20)
@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 700),
    st.sampled_from([3, 64, 768, 1024, 3072, 4096, 4097]),
    st.integers(4, 900),
    st.sampled_from(WORDS),
    st.sampled_from([256 << 10, 1 << 20, 2 << 20]),
)
def test_tiles_leave_room_in_the_second_level_cache(tokens, deep, wide, isa, cache) -> None:
    kernel = emit_kernel(
        build(linear(tokens, deep, wide, isa.bf16)), "k", replace(isa, l2_bytes=cache), [False, True]
    )
    found = TILES.search(kernel.mlir)
    assert found is not None
    tiles, high, broad = map(int, found.groups())
    assert -(-tokens // high) * -(-wide // broad) == tiles
    assert kernel.scratch_bytes <= cache


def test_the_targets_second_level_cache_is_shared_out_among_its_cores() -> None:
    target = load("cpu")
    (level,) = (tier for tier in target.tier if tier.name == "l2")
    larger = replace(level, capacity_bytes=3 << 20)
    cores = replace(target.unit[0], shape=(2,))
    changed = replace(
        target, tier=tuple(larger if tier is level else tier for tier in target.tier), unit=(cores,)
    )
    assert isa_for(changed) == replace(host_isa(), l2_bytes=3 << 19)
    without = replace(target, tier=tuple(tier for tier in target.tier if tier is not level))
    assert isa_for(without) == host_isa()
