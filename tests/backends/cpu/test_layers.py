"""Layers of fused groups: packed weights reach every instance, equal groups share a kernel."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from penstock.backends.cpu import objects
from penstock.backends.cpu.build import build
from penstock.backends.cpu.isa import host_isa, isa_named
from penstock.backends.cpu.loader import load
from penstock.ir.build import build_einsum, build_region_op, build_yield, tensor_type
from penstock.ir.bundle import WEIGHTS, BundleWriter, open_bundle
from penstock.ir.cascade import FUSED
from penstock.ir.entries import read_entries
from penstock.ir.errors import PassError
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module
from penstock.ir.signature import entries_json
from penstock.ir.steps import functions
from penstock.passes.place import Place

B, D, F = 33, 24, 40
X, H = f"tensor<{B}x{D}xf32>", f"tensor<{B}x{F}xf32>"
UP, DOWN = f"tensor<{F}x{D}xf32>", f"tensor<{F * D}xf32>"

# Groups are filled in by `group`; the layer's second weight is a flat parameter seen through a view.
MODULE = f"""
func.func private @block(%x: {X}, %up: {UP}, %down: {DOWN}, %bias: tensor<{D}xf32>) -> {X} {{
  %matrix = tensor.expand_shape %down [[0, 1]] output_shape [{D}, {F}] : {DOWN} into tensor<{D}x{F}xf32>
  return %x : {X}
}}
func.func @main(
    %x: {X} {{penstock.name = "x", penstock.kind = "input"}},
    %up0: {UP} {{penstock.name = "0.up", penstock.kind = "param"}},
    %down0: {DOWN} {{penstock.name = "0.down", penstock.kind = "param"}},
    %bias0: tensor<{D}xf32> {{penstock.name = "0.bias", penstock.kind = "param"}},
    %up1: {UP} {{penstock.name = "1.up", penstock.kind = "param"}},
    %down1: {DOWN} {{penstock.name = "1.down", penstock.kind = "param"}},
    %bias1: tensor<{D}xf32> {{penstock.name = "1.bias", penstock.kind = "param"}})
    -> ({X} {{penstock.name = "y"}}) {{
  %a = func.call @block(%x, %up0, %down0, %bias0) {{penstock.instance = "block.0"}}
      : ({X}, {UP}, {DOWN}, tensor<{D}xf32>) -> {X}
  %b = func.call @block(%a, %up1, %down1, %bias1) {{penstock.instance = "block.1"}}
      : ({X}, {UP}, {DOWN}, tensor<{D}xf32>) -> {X}
  return %b : {X}
}}
"""


def group(name: str, operands: Sequence[ir.Value], einsums: Sequence[str], shape: Sequence[int]) -> ir.Value:
    """A ``cascade.fused`` at the insertion point; its inputs are named I0, I1, …"""
    facts = {"kernel": name, "passes_before": 1, "passes_after": 1, "over": "", "rank_order": ["b", "n", "k"]}
    notes = {"parallel": 2, "tiles": [], "footprint_before": "", "footprint_after": "", "rewrites": []}
    values = {**facts, **notes, "derivation": [f"as {name}"]}
    op, block = build_region_op(FUSED, operands, [tensor_type(shape, "f32")], values)
    known = {f"I{place}": value for place, value in enumerate(block.arguments)}
    with ir.InsertionPoint(block):
        for text in einsums:
            output = text.partition("[")[0]
            reads = [known[part] for part in names_read(text)]
            known[output] = last = build_einsum(text, reads)
        build_yield([last])
    return op.results[0]


def names_read(text: str) -> list[str]:
    from penstock.ir.einsum import Einsum

    return [access.tensor for access in Einsum.parse(text).accesses]


def blocks() -> ir.Module:
    """The module with the layer's groups: (x + down(gelu(up(x))) + bias) halved by two equal groups."""
    module = parse_module(MODULE)
    body = functions(module)["block"].entry_block
    x, up, _, bias = body.arguments
    end = body.operations[1]
    matrix = body.operations[0].results[0]
    with module.context, ir.Location.unknown(), ir.InsertionPoint(end):
        hidden = group(
            "up", [x, up], ["H[b,n] = sum[k] mul(I0[b,k], I1[n,k])", "G[b,n] = gelu(H[b,n])"], [B, F]
        )
        wide = [
            "H[b,n] = sum[k] mul(I0[b,k], I1[n,k])",
            "Y[b,n] = add(H[b,n], I2[n])",
            "Z[b,n] = add(Y[b,n], I3[b,n])",
        ]
        down = group("down", [hidden, matrix, bias, x], wide, [B, D])
        first = group("halve", [down], ["Y[b,n] = mul(I0[b,n], 0.5)"], [B, D])
        second = group("halve_again", [first], ["Y[b,n] = mul(I0[b,n], 0.5)"], [B, D])
        end.operation.operands[0] = second
    return Place(time_limit_s=0.2).run(module)


def parameters() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = {"up": (F, D), "down": (F * D,), "bias": (D,)}
    names = [(f"{block}.{name}", shape) for block in (0, 1) for name, shape in shapes.items()]
    return {name: (0.3 * rng.standard_normal(shape)).astype(np.float32) for name, shape in names}


def expected(x: np.ndarray, params: dict[str, np.ndarray]) -> np.ndarray:
    erf = np.vectorize(math.erf)
    value = x.astype(np.float64)
    for block in (0, 1):
        hidden = value @ params[f"{block}.up"].T
        hidden = 0.5 * hidden * (1 + erf(hidden / math.sqrt(2)))
        value = (value + hidden @ params[f"{block}.down"].reshape(D, F).T + params[f"{block}.bias"]) * 0.25
    return value


def compile_blocks(out: Path, params: dict[str, np.ndarray], isa: str) -> Path:
    module = blocks()
    with BundleWriter(out) as writer:
        facts = build(module, params, writer, isa=isa_named(isa))
        entries = entries_json(read_entries(module))
        return writer.commit(tools={}, target="cpu", model={}, entries=entries, backends={"cpu": facts})


@pytest.mark.parametrize("isa", sorted({"portable", host_isa().name}))
def test_every_instance_of_a_layer_computes_with_its_own_packed_weights(tmp_path: Path, isa: str) -> None:
    params = parameters()
    program = load(compile_blocks(tmp_path / "b", params, isa))
    x = np.random.default_rng(0).standard_normal((B, D)).astype(np.float32)
    for threads in (1, 2, 3):
        y = program.run({"x": x}, threads=threads)["y"]
        np.testing.assert_allclose(y, expected(x, params), rtol=2e-5, atol=2e-6)


def test_groups_that_differ_in_name_only_share_a_kernel(tmp_path: Path) -> None:
    out = compile_blocks(tmp_path / "b", parameters(), "portable")
    tables = json.loads((out / "cpu/program.json").read_text())
    kernels = {step["name"]: step["kernel"] for step in tables["steps"]}
    assert kernels["halve"] == kernels["halve_again"]
    assert len(tables["kernels"]) == 3


def test_tied_weights_are_stored_once(tmp_path: Path) -> None:
    params = parameters()
    untied = (compile_blocks(tmp_path / "untied", params, "portable") / WEIGHTS).stat().st_size
    params |= {"1.up": params["0.up"], "1.down": params["0.down"]}
    out = compile_blocks(tmp_path / "tied", params, "portable")
    assert (out / WEIGHTS).stat().st_size < 0.6 * untied
    x = np.ones((B, D), np.float32)
    np.testing.assert_allclose(load(out).run({"x": x})["y"], expected(x, params), rtol=2e-5, atol=2e-6)


def test_weights_nobody_reads_are_not_stored(tmp_path: Path) -> None:
    params = {**parameters(), "head": np.zeros((1000, 1000), np.float32)}
    names = open_bundle(compile_blocks(tmp_path / "b", params, "portable")).weights().arrays
    assert len(names) == 6
    assert not any("head" in name for name in names)


def test_processes_share_the_lowering_and_its_errors_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_SHARE_BYTES", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    body = "func.func @{}(%x: memref<4xf32>) {{\n {} return }}"
    with objects.Lowering([body.format("f", ""), body.format("g", "")], isa_named("portable")) as lowering:
        found = lowering.finish()
    assert len(found) == 2
    assert all(code.startswith(b"\x7fELF") for code in found)
    broken = [body.format("f", ""), body.format("g", '"tensor.nonsense"() : () -> ()')]
    with objects.Lowering(broken, isa_named("portable")) as lowering, pytest.raises(PassError, match="lower"):
        lowering.finish()


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        open_bundle(compile_blocks(tmp_path / name, parameters(), "portable")).manifest["files"]
        for name in ("one", "two")
    )
    assert first == second
