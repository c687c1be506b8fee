"""Packed weights by many tokens: tiles, emulated, against float64; which tiles are taken when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from penstock.backends.cuda.bitmod import tiled
from penstock.backends.cuda.bitmod.emit import bitmod_kernels
from penstock.backends.cuda.bitmod.layout import PARTS
from penstock.backends.cuda.bitmod.packed import Packed, read_packed
from penstock.backends.cuda.bitmod.tiled import HOPPER, SYNC, Cut, cut_for
from penstock.backends.cuda.codegen.group import Group
from penstock.backends.cuda.cubins import compile_source, headers
from penstock.backends.cuda.emulate import EmulationError, emulate
from penstock.backends.cuda.kernel import ARCHS, Launch
from penstock.ir.bfloat16 import decode, encode
from penstock.ir.cascade import FUSED, walk
from penstock.ir.formats import QuantizedMatrix
from penstock.ir.module import parse_module
from penstock.passes.quantize import fake_quantize

FIRST = 16
"""Rows of the weight before those that are read."""
CUTS = {f"{cut.rows}x{cut.columns}-{'sync' if cut.warps else 'wgmma'}": cut for cut in (*SYNC, *HOPPER)}
_MODULE = """
func.func @main(%x: tensor<{m}x{k}x{kind}> {{penstock.name = "x", penstock.kind = "input"}},
                %w: tensor<{all}x{k}xf32> {{penstock.name = "w", penstock.kind = "param",
                    penstock.quantized = {{bits = {bits} : i64, channels = [0], format = "bitmod{bits}",
                    group = 128 : i64, scale_bits = 8 : i64}}}},
                %b: tensor<{n}xf32> {{penstock.name = "b", penstock.kind = "input"}})
                -> tensor<{m}x{n}xf32> {{
  %y = "cascade.fused"(%x, %w, %b) ({{
    ^bb0(%a: tensor<{m}x{k}x{kind}>, %v: tensor<{all}x{k}xf32>, %c: tensor<{n}xf32>):
      %p = "cascade.einsum"(%a, %v) {{expr = "p[s,n] = sum[d] mul(x[s,d], w[n+16,d])"}}
          : (tensor<{m}x{k}x{kind}>, tensor<{all}x{k}xf32>) -> tensor<{m}x{n}xf32>
      %q = "cascade.einsum"(%p, %c) {{expr = "q[s,n] = add(p[s,n], b[n])"}}
          : (tensor<{m}x{n}xf32>, tensor<{n}xf32>) -> tensor<{m}x{n}xf32>
      %g = "cascade.einsum"(%q) {{expr = "g[s,n] = gelu(q[s,n])"}}
          : (tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
      "cascade.yield"(%g) : (tensor<{m}x{n}xf32>) -> ()
  }}) {{kernel = "linear", passes_before = 1 : i64, passes_after = 1 : i64, over = "d",
      rank_order = ["s", "n", "d"], parallel = 2 : i64, tiles = [], footprint_before = "0",
      footprint_after = "0", rewrites = [], derivation = []}}
      : (tensor<{m}x{k}x{kind}>, tensor<{all}x{k}xf32>, tensor<{n}xf32>) -> tensor<{m}x{n}xf32>
  return %y : tensor<{m}x{n}xf32>
}}
"""


ALIVE: list[object] = []
"""Modules: operations do not keep theirs."""


def group(tokens: int, inputs: int, rows: int, kind: str, bits: int) -> Group:
    """A linear layer with a bias and a GELU, by the later rows of a packed weight."""
    text = _MODULE.format(m=tokens, k=inputs, n=rows, all=rows + FIRST, kind=kind, bits=bits)
    module = parse_module(text)
    ALIVE.append(module)
    (op,) = (each for each in walk(module.operation) if each.name == FUSED)
    return Group.of(op)


def packed(tokens: int, inputs: int, rows: int, kind: str = "bf16", bits: int = 4) -> Packed:
    found = read_packed(group(tokens, inputs, rows, kind, bits))
    assert found is not None
    return found


def weight(rows: int, inputs: int, bits: int) -> QuantizedMatrix:
    made = np.random.default_rng(1).standard_normal((rows + FIRST, inputs)).astype(np.float32) / inputs**0.5
    made[FIRST] = 0.0
    made[FIRST + 1, 0] = 100.0
    return fake_quantize(made, f"bitmod{bits}", scale_bits=8)


def run(
    launches: tuple[Launch, ...], x: np.ndarray, matrix: QuantizedMatrix, bias: np.ndarray, seed: int
) -> np.ndarray:
    """What a group's launches make of their operands, one after another on the emulated machine."""
    held: dict[object, np.ndarray] = {("operand", 0): x, ("operand", 2): bias}
    held |= {part: make(matrix) for part, make in PARTS.items()}
    for launch in launches:
        keys = {name: place.part or (place.kind, place.number) for name, place in launch.places.items()}
        given = {name: held[key] for name, key in keys.items() if key in held}
        for name, array in emulate(launch.kernel, given, seed=seed).items():
            if launch.places[name].kind == "result":
                return array
            held[keys[name]] = array
    raise AssertionError("no result")


def gelu(x: np.ndarray) -> np.ndarray:
    return torch.nn.functional.gelu(torch.from_numpy(x)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "bits"), [("bf16", 3), ("f32", 4)])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_ragged_products_by_tiles(cut: Cut, kind: str, bits: int) -> None:
    tokens, inputs, rows = 75, 200, 72
    random = np.random.default_rng(cut.rows + cut.columns)
    x = random.standard_normal((tokens, inputs)).astype(np.float32)
    x[3], x[4, 5], x[5], x[6] = 0.0, np.nan, x[5] * 1e20, x[6] * 1e-20
    bias = random.standard_normal(rows).astype(np.float32)
    x = x if kind == "f32" else decode(encode(x))
    matrix = weight(rows, inputs, bits)
    launches = tiled.tiled(packed(tokens, inputs, rows, kind, bits), cut, "linear")
    got = run(launches, x if kind == "f32" else encode(x), matrix, bias, cut.columns)
    wanted = gelu(x.astype(np.float64) @ matrix.dequantize()[FIRST:].astype(np.float64).T + bias)
    assert np.isnan(got[4]).all()
    for row in (*range(4), *range(5, tokens)):  # each by itself: one is huge
        error = np.linalg.norm(got[row] - wanted[row]) / np.linalg.norm(wanted[row])
        assert error < 1e-5, row


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "bits"), [("bf16", 3), ("f32", 4)])
def test_tiles_compile_without_spills(kind: str, bits: int) -> None:
    product = packed(512, 1024, 4096, kind, bits)
    for cut in (*SYNC, *HOPPER):
        for launch in tiled.tiled(product, cut, "linear"):
            kernel = launch.kernel
            for arch in ARCHS if kernel.arch == "sm_80" else ("sm_90a",):
                found = compile_source(kernel.name, kernel.source, arch).resources[kernel.name]
                assert found.spill_bytes == 0, (cut, arch)
                assert found.registers * kernel.block[0] <= 1 << 16


def test_many_tokens_go_by_tiles_and_few_by_streaming() -> None:
    assert cut_for(packed(128, 4096, 4096), "sm_80") is None
    assert cut_for(packed(65, 4096, 4096, "f32"), "sm_80") == SYNC[-1]
    assert cut_for(packed(512, 4096, 4096), "sm_90a") in HOPPER
    assert cut_for(packed(2048, 4096, 11008), "sm_90a") == HOPPER[0]
    assert cut_for(packed(2048, 4096, 11008), "sm_100a") == SYNC[0]
    assert cut_for(packed(200, 4096, 64), "sm_90a") is None, "too few blocks for the processors"
    made = bitmod_kernels(group(512, 4096, 4096, "bf16", 4), "linear", "sm_90a")
    assert made is not None
    assert [launch.kernel.name for launch in made] == ["linear_halves", "linear"]
    assert made[0].places["halves"] == made[1].places["halves"]


def test_sums_and_tokens_share_no_bank() -> None:
    """Lanes of a warp that lays its fragments out touch 32 banks; so do eight columns of an ldmatrix."""
    for cut in (*SYNC, *HOPPER):
        for parts in (1, 2):
            places = {(lane % 4 * 2 // parts * cut.pitch(parts) + lane // 4) % 32 for lane in range(32)}
            assert len(places) == 32
    for piece in range(16):
        assert len({(column * 256 + ((piece ^ column % 8) << 4)) % 128 for column in range(8)}) == 8


GIVEN_BACK = "            if (threadIdx.x % 32 == 0) mbarrier_arrive(empty(shared, stage));\n"
FAULTS = {
    "tokens given back before they are read": (
        replace(HOPPER[1], stages=2),
        "            wgmma_wait<0>();\n            hold(sums);\n" + GIVEN_BACK,
        GIVEN_BACK + "            wgmma_wait<0>();\n            hold(sums);\n",
        "race",
    ),
    "half a group waited for": (HOPPER[1], "stage), kStageBytes)", "stage), kSliceBytes)", "race|bytes"),
    "no fence": (HOPPER[1], "            wgmma_fence();\n", "", "without a fence"),
    "no barrier before tokens are replaced": (
        SYNC[2],
        "            __syncthreads();  // this group",
        "//",
        "race|nothing was written",
    ),
    "one copy too many left on its way": (SYNC[2], "kStages - 2>", "kStages - 1>", "race"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_put_into_the_headers_are_found(fault: str) -> None:
    cut, text, instead, said = FAULTS[fault]
    header = "bitmod_hopper.cuh" if cut.warps is None else "bitmod_tiles.cuh"
    whole = headers()[header]
    assert whole.count(text) == 1
    product = packed(75, 1000, 72)
    halving, multiplying = tiled.tiled(product, cut, "linear")
    inside = whole.replace("#pragma once", "").replace(text, instead)
    source = multiplying.kernel.source.replace(f'#include "{header}"', inside)
    broken = replace(multiplying, kernel=replace(multiplying.kernel, source=source))
    x = encode(np.random.default_rng(0).standard_normal((75, 1000)).astype(np.float32))
    bias = np.zeros(72, np.float32)
    with pytest.raises(EmulationError, match=said):
        run((halving, broken), x, weight(72, 1000, 4), bias, 0)
