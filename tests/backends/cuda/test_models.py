"""Whole models from the zoo through the loader, every launch carried out by the emulated machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import penstock
from penstock import cli
from penstock.acceptance import own_tokens
from penstock.api import lower
from penstock.backends.cuda.build import compile_kernels
from penstock.backends.cuda.device import Device
from penstock.backends.cuda.emit import emit
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.kernel import Arch
from penstock.backends.cuda.loader import Program
from penstock.backends.cuda.plan import Plan
from penstock.ir.errors import UnsupportedOps
from penstock.ir.interpreter.engine import interpret
from penstock.ir.module import parse_module
from penstock.ir.targets import load
from penstock.passes.pipeline import with_options

from .fake_driver import FakeDriver

pytest.importorskip("cuda.bindings.nvrtc", reason="penstock[cuda] is not installed")
BOUND = 1e-2  # of contractions rounded to bf16


def emulated(bundle: penstock.Bundle) -> Program:
    """The bundle's program on the emulated machine."""
    plan = Plan.from_json(bundle.files.json("cuda/plan.json"), "plan")
    kernels = {
        name: replace(facts.kernel, source=bundle.files.text(f"cuda/{name}.cu"))
        for name, facts in plan.kernels.items()
    }
    return Program(bundle.files, Device(FakeDriver(kernels, emulate)))


def distance(bundle: penstock.Bundle) -> float:
    """How far the launch list's outputs are from the interpreter's, of the first entry."""
    program, inputs = emulated(bundle), bundle.example_inputs()
    entry = next(iter(program.entries))
    got = program.run(inputs, entry)
    module = parse_module(bundle.files.text("module.mlir"))
    wanted = interpret(module, entry, {**bundle.files.weights().arrays, **inputs})
    return max(float(np.linalg.norm(got[name] - wanted[name]) / np.linalg.norm(wanted[name])) for name in got)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["zoo:llama-tiny,layers=1", "zoo:minilm-l6,layers=1"])
def test_a_model_of_the_zoo_is_what_the_interpreter_says(model: str, tmp_path: Path) -> None:
    bundle = penstock.compile(model, target="h200", shapes={"s": [6]}, out=tmp_path / "b")
    assert distance(bundle) < BOUND


@pytest.mark.slow
def test_packed_weights_in_a_model_in_float32(tmp_path: Path) -> None:
    bundle = penstock.compile(
        "zoo:llama-tiny,layers=1",
        target="h200",
        shapes={"s": [3]},
        quantize="bitmod4",
        precision="fp32",
        out=tmp_path / "b",
    )
    plan = bundle.files.json("cuda/plan.json")
    assert any("BitMoD FP4" in kernel["note"] for kernel in plan["kernels"].values())
    assert distance(bundle) < 1e-5


def test_a_rounded_models_packed_weights_multiply_bf16() -> None:
    pipeline = with_options(None, "bitmod4", "bf16", (), own_tokens(load("h200")))
    text = lower("zoo:llama-tiny,layers=1", pipeline, shapes={"s": [3]})
    emitted = emit(parse_module(text), "sm_90a")
    packed = [kernel for kernel in emitted.kernels.values() if "BitMoD FP4" in kernel.note]
    assert len(packed) == 8  # four of attention, three behind it, the head
    assert all("bf16" in {tensor.dtype for tensor in kernel.tensors()} for kernel in packed)


@pytest.mark.slow
def test_keys_and_values_are_kept_from_run_to_run(tmp_path: Path) -> None:
    bundle = penstock.compile("zoo:llama-tiny,layers=1,cache=8", target="h200", out=tmp_path / "b")
    program = emulated(bundle)
    entry = min(program.entries.values(), key=lambda each: each.inputs[0].shape)
    module, weights = parse_module(bundle.files.text("module.mlir")), bundle.files.weights().arrays
    states = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in entry.states}
    assert states
    for position, token in enumerate((5, 9, 7)):
        if position == 2:  # from the start again
            program.reset()
            states = {name: np.zeros_like(array) for name, array in states.items()}
        inputs = {
            spec.name: np.full(spec.shape, token if "ids" in spec.name else position % 2, spec.dtype)
            for spec in entry.inputs
        }
        got = program.run(inputs, entry.name)
        wanted = interpret(module, entry.name, {**weights, **inputs, **states})
        for name, array in got.items():
            assert np.linalg.norm(array - wanted[name]) < BOUND * np.linalg.norm(wanted[name])
        states = {name: wanted[name].astype(array.dtype) for name, array in states.items()}


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["sm_80", "sm_100a"])
def test_a_model_compiles_for_the_other_architectures(arch: Arch, tmp_path: Path) -> None:
    text = lower("zoo:llama-tiny,layers=1", None, shapes={"s": [6]}, precision="bf16")
    emitted = emit(parse_module(text), arch)
    assert {kernel.arch for kernel in emitted.kernels.values()} == {"sm_80"}
    compiled = compile_kernels(emitted.kernels, arch)
    assert all(made.resources[name].spill_bytes == 0 for name, made in compiled.items())


UNKNOWN = """
func.func private @odd(%a: tensor<4xf32>) -> tensor<4xf32> attributes {penstock.upstream} {
  %0 = tensor.empty() : tensor<4xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]} ins(%a : tensor<4xf32>) outs(%0 : tensor<4xf32>) {
    ^bb0(%x: f32, %y: f32):
      %2 = math.cbrt %x : f32
      %3 = math.acos %2 : f32
      linalg.yield %3 : f32
  } -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func @main(%a: tensor<4xf32> {penstock.name = "a", penstock.kind = "input"}) -> tensor<4xf32>
    attributes {tier.frame_bytes = 0 : i64} {
  %0 = call @odd(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
"""


def test_everything_unsupported_is_said_at_once() -> None:
    with pytest.raises(UnsupportedOps) as refused:
        emit(parse_module(UNKNOWN), "sm_90a")
    assert {each.op for each in refused.value.ops} == {"math.cbrt", "math.acos"}


def test_the_command_says_what_a_gpu_has_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for options in (["--layer", "x"], ["--tune"], ["--precision", "bf8"]):
        assert cli.main(["compile", "zoo:mlp", "--target", "h200", "-o", str(tmp_path / "b"), *options]) == 2
        assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
