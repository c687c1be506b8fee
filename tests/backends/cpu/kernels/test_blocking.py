"""Register blocks, tiles and copies of rows: they fit what they are made for, whatever the sizes."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.backends.cpu.isa import ISAS, Isa, host_isa, isa_for
from penstock.backends.cpu.kernels import Pack, emit_kernel
from penstock.backends.cpu.kernels.register_blocks import evenly, register_block
from penstock.backends.cpu.kernels.rows import crowded
from penstock.ir.targets import load

from .conftest import Case, build

WORDS = [ISAS["avx512"], ISAS["avx512bf16"], ISAS["avx2"]]
NUMBERS = re.compile(r"(%\w+) = arith.constant (\d+) : index")
LOOPS = re.compile(r"(%d\w*) = %c0 to (%c\d+) step (%c\d+)")
TILES = re.compile(r"// (\d+) tiles: p \d+ by (\d+), n \d+ by (\d+)")


@given(st.integers(1, 300), st.integers(1, 40), st.sampled_from([16, 32]))
def test_a_register_block_fits_the_registers_and_the_tile(rows: int, vectors: int, registers: int) -> None:
    block = register_block(rows, vectors, registers)
    assert 1 <= block.rows <= rows
    assert 1 <= block.vectors <= vectors
    assert block.rows * block.vectors + block.vectors + 1 <= registers


@given(st.integers(1, 700), st.integers(1, 14))
def test_rows_are_cut_in_the_fewest_blocks_of_nearly_one_size(rows: int, most: int) -> None:
    parts = evenly(rows, most)
    sizes = [size for size, _ in parts]
    assert sum(size * count for size, count in parts) == rows
    assert sum(count for _, count in parts) == -(-rows // most)
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("stride", "rows", "expected"),
    [(4096, 13, True), (4096, 4, False), (12288, 13, True), (4096, 9, False), (2048, 13, False),
     (3072, 13, False), (4160, 13, False), (4, 13, False), (0, 13, False)],
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


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 300),
    st.sampled_from([2, 5, 768, 1024, 4097]),
    st.integers(4, 900),
    st.sampled_from(WORDS),
    st.booleans(),
)
def test_nothing_behind_a_parameter_is_asked_for(
    tokens: int, deep: int, wide: int, isa: Isa, half: bool
) -> None:
    kernel = emit_kernel(build(linear(tokens, deep, wide, half)), "linear", isa, [False, True])
    numbers = {name: int(value) for name, value in NUMBERS.findall(kernel.mlir)}
    pack = kernel.packs.get(1)
    size = prod(pack.shape) if isinstance(pack, Pack) else 0
    loops = {name: span for name, *span in LOOPS.findall(kernel.mlir)}
    asked = re.findall(r"memref.prefetch %W\[(%\w+)\]", kernel.mlir)
    values = {name: text.split() for name, text in re.findall(r"(%\w+) = (arith\.[^:]+) :", kernel.mlir)}

    def most(name: str) -> int:
        """The largest value of an index under the limit that was put on it."""
        if name in numbers:
            return numbers[name]
        if name in loops:
            end, step = (numbers[place] for place in loops[name])
            return end - step
        operation, *operands = values[name]
        given = [most(operand.strip(",")) for operand in operands[operation == "arith.minui" :]]
        return {"arith.minui": sum, "arith.addi": sum, "arith.muli": prod}[operation](given)

    assert all(most(name) < size for name in asked)


def test_a_panel_is_asked_for_while_the_one_before_is_read() -> None:
    text = emit_kernel(build(linear(128, 768, 768, True)), "linear", WORDS[1], [False, True]).mlir
    assert "memref.prefetch %W" in text
    one_block = emit_kernel(build(linear(1, 768, 768, True)), "linear", WORDS[1], [False, True]).mlir
    assert "memref.prefetch" not in one_block


@pytest.mark.parametrize(
    ("out", "probabilities", "hint", "tiles"),
    [("h,f", "h,m", "h=8", "8 tiles: h 8 by 1"), ("h,p,f", "h,p,m", "p=8", "16 tiles: h 8 by 1, p 16 by 8")],
)
def test_only_points_that_share_an_operand_go_together(
    out: str, probabilities: str, hint: str, tiles: str
) -> None:
    sizes = {"h": 8, "p": 16, "m": 50, "f": 64}
    inputs = {
        name: np.zeros([sizes[rank] for rank in ranks.split(",")], np.float32)
        for name, ranks in (("P", probabilities), ("V", "h,m,f"))
    }
    outer = out.split(",")[:-1]
    case = Case("values", [f"Y[{out}] = sum[m] mul(P[{probabilities}], V[h,m,f])"], inputs, ["Y"], [],
                " ".join(outer), len(outer), [hint])  # fmt: skip
    assert f"// {tiles}\n" in emit_kernel(build(case), "values", WORDS[0]).mlir
