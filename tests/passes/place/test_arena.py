"""Placement: live tensors never share bytes, results need no place, frames nest, and the checker checks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from penstock.ir.errors import PassError, PlanError
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module
from penstock.ir.steps import callees_first, functions, placement, steps
from penstock.ir.tier_check import verify_placement
from penstock.passes.base import create
from penstock.passes.place import Place
from penstock.passes.timeline import plan_json

KERNEL = """
  func.func private @op(%x: tensor<4x64xf32>, %y: tensor<4x64xf32>) -> tensor<4x64xf32>
      attributes {penstock.upstream} {
    %0 = arith.addf %x, %y : tensor<4x64xf32>
    return %0 : tensor<4x64xf32>
  }
"""
T = "(tensor<4x64xf32>, tensor<4x64xf32>) -> tensor<4x64xf32>"

# a and b are both live until the last step; c is dead when d is made.
DIAMOND = f"""
  func.func @main(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {{
    %a = func.call @op(%x, %x) : {T}
    %b = func.call @op(%a, %x) : {T}
    %c = func.call @op(%a, %b) : {T}
    %d = func.call @op(%c, %b) : {T}
    %e = func.call @op(%d, %a) : {T}
    return %e : tensor<4x64xf32>
  }}
"""

LAYERED = f"""
  func.func private @layer(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {{
    %a = func.call @op(%x, %x) : {T}
    %v = tensor.expand_shape %a [[0], [1, 2]] output_shape [4, 8, 8] : tensor<4x64xf32> into tensor<4x8x8xf32>
    %b = func.call @op(%x, %x) : {T}
    %w = tensor.collapse_shape %v [[0], [1, 2]] : tensor<4x8x8xf32> into tensor<4x64xf32>
    %c = func.call @op(%w, %b) : {T}
    return %c : tensor<4x64xf32>
  }}
  func.func @main(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {{
    %a = func.call @layer(%x) {{penstock.instance = "layer.0"}} : (tensor<4x64xf32>) -> tensor<4x64xf32>
    %b = func.call @layer(%a) {{penstock.instance = "layer.1"}} : (tensor<4x64xf32>) -> tensor<4x64xf32>
    %c = func.call @op(%a, %b) : {T}
    return %c : tensor<4x64xf32>
  }}
"""
BYTES = 4 * 64 * 4


def placed(text: str) -> ir.Module:
    return Place(time_limit_s=0.2).run(parse_module(KERNEL + text))


def frame(module: ir.Module, name: str) -> int:
    return ir.IntegerAttr(functions(module)[name].attributes["tier.frame_bytes"]).value


def test_bytes_are_reused_and_the_result_needs_none() -> None:
    module = placed(DIAMOND)
    assert frame(module, "main") == 4 * BYTES  # at step 3: a, b, c and d
    assert placement(steps(functions(module)["main"])[-1].results[0]) is None


def test_a_view_keeps_its_source_alive() -> None:
    module = placed(LAYERED)
    assert frame(module, "layer") == 2 * BYTES  # a, through its view, and b


def test_a_layers_frame_lies_in_its_callers() -> None:
    module = placed(LAYERED)
    assert frame(module, "main") == 4 * BYTES  # a, b and the layer's two
    assert [function.name.value for function in callees_first(module)] == ["layer", "main"]


def test_a_layer_of_one_step_needs_no_frame() -> None:
    text = f"""
  func.func private @layer(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {{
    %a = func.call @op(%x, %x) : {T}
    return %a : tensor<4x64xf32>
  }}
  func.func @main(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {{
    %a = func.call @layer(%x) : (tensor<4x64xf32>) -> tensor<4x64xf32>
    %b = func.call @layer(%a) : (tensor<4x64xf32>) -> tensor<4x64xf32>
    return %b : tensor<4x64xf32>
  }}
"""
    module = placed(text)
    verify_placement(module)
    assert "tier.frame_offset" not in str(module)


def test_placing_twice_is_placing_once() -> None:
    module = placed(LAYERED)
    once = str(module)
    assert str(Place(time_limit_s=0.2).run(module)) == once
    assert str(parse_module(once)) == once


def test_the_pipeline_knows_the_pass_and_its_options() -> None:
    assert create("place", {"tier": "hbm", "time_limit_s": "0.5", "seed": "3"}) == Place("hbm", 0.5, 3)


def test_what_is_not_fused_is_refused() -> None:
    text = """func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = arith.addf %x, %x : tensor<4xf32>
      return %0 : tensor<4xf32> }"""
    with pytest.raises(PassError, match=r"arith\.addf"):
        Place().run(parse_module(text))


def test_recursion_is_refused() -> None:
    text = """func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = func.call @main(%x) : (tensor<4xf32>) -> tensor<4xf32>
      return %0 : tensor<4xf32> }"""
    with pytest.raises(PassError, match="calls itself"):
        Place().run(parse_module(text))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("offset = 0 :", "offset = 1024 :", "overlaps"),
        ("offset = 0 :", "offset = 32 :", "multiples of 64"),
        ("offset = 0 :", "offset = 1048576 :", "or less"),
        ("bytes = 1024 :", "bytes = 512 :", "needs 1024 bytes"),
        ("tier.frame_bytes = 4096 :", "tier.other = 4096 :", "no frame"),
    ],
)
def test_the_checker_refuses_a_broken_placement(old: str, new: str, reason: str) -> None:
    text = str(placed(DIAMOND))
    assert old in text
    with pytest.raises(PlanError, match=reason):
        verify_placement(parse_module(text.replace(old, new, 1)))


def test_the_checker_refuses_a_frame_over_a_live_tensor() -> None:
    module = placed(LAYERED)
    call = steps(functions(module)["main"])[1]
    alloc = placement(steps(functions(module)["main"])[0].results[0])
    assert alloc is not None
    call.attributes["tier.frame_offset"] = alloc.attributes["offset"]
    with pytest.raises(PlanError, match="the frame of layer"):
        verify_placement(module)


def test_the_timeline_unrolls_layers() -> None:
    plan = plan_json(placed(LAYERED))
    entry = plan["entries"]["main"]
    assert entry["steps"] == [*["layer.0/op"] * 3, *["layer.1/op"] * 3, "op"]
    assert entry["naive_total_bytes"] == 6 * BYTES
    assert entry["arena_bytes"] == frame(placed(LAYERED), "main")
    assert max(entry["live_bytes"]) == entry["lower_bound_bytes"] <= entry["arena_bytes"]
    for step in range(len(entry["steps"])):
        _disjoint([b for b in entry["buffers"] if b["start"] <= step < b["end"]])


def _disjoint(buffers: list[dict[str, int]]) -> None:
    spans = sorted((b["offset"], b["offset"] + b["bytes"]) for b in buffers)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))


def test_random_programs_are_placed_close_to_the_bound() -> None:
    rng = np.random.default_rng(7)
    for _ in range(5):
        lines = ["func.func @main(%v0: tensor<4x64xf32>) -> tensor<4x64xf32> {"]
        for n in range(1, 30):
            left, right = rng.integers(max(0, n - 6), n, 2)
            lines.append(f"%v{n} = func.call @op(%v{left}, %v{right}) : {T}")
        text = "\n".join([*lines, "return %v29 : tensor<4x64xf32>", "}"])
        entry = plan_json(placed(text))["entries"]["main"]
        assert entry["lower_bound_bytes"] <= entry["arena_bytes"] <= entry["lower_bound_bytes"] + 2 * BYTES
