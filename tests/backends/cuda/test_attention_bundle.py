"""Attention from PyTorch to a bundle for the GPU, run by the loader: on an emulated device, or a real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock.backends.cuda.device import Device
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.loader import Program
from penstock.backends.cuda.plan import Plan
from penstock.ir.errors import ToolMissing

from .fake_driver import FakeDriver
from .kernels.attended import distance, tensors
from .kernels.modules import CappedAlibiWindow, Sdpa

CASES = {
    "plain": (Sdpa(), (2, 3, 1000, 64)),
    "causal": (Sdpa(is_causal=True), (1, 4, 1100, 128)),
    "own-scores": (CappedAlibiWindow(2, 20.0, 300), (1, 2, 900, 64)),
    "widest": (Sdpa(), (1, 2, 333, 256)),
}


def compiled(module: nn.Module, inputs: dict[str, torch.Tensor], out: Path) -> penstock.Bundle:
    return penstock.compile(module.eval(), tuple(inputs.values()), target="h200", precision="bf16", out=out)


def check(program: Program, module: nn.Module, inputs: dict[str, torch.Tensor]) -> None:
    (got,) = program.run({name: tensor.numpy() for name, tensor in inputs.items()}).values()
    with torch.no_grad():
        wanted = module(*inputs.values()).numpy()
    assert distance(np.asarray(got), wanted) < 1e-2


@pytest.mark.slow
def test_the_loader_carries_out_hoppers_kernel(tmp_path: Path) -> None:
    module, inputs = CappedAlibiWindow(1, 20.0, 50), tensors((1, 1, 150, 64), (1, 1, 150, 64))
    bundle = compiled(module, inputs, tmp_path / "b")
    plan = Plan.from_json(bundle.files.json("cuda/plan.json"), "plan")
    kernels = {
        name: replace(facts.kernel, source=bundle.files.text(f"cuda/{name}.cu"))
        for name, facts in plan.kernels.items()
    }
    assert any("wgmma" in kernel.source for kernel in kernels.values())
    check(Program(bundle.files, Device(FakeDriver(kernels, emulate))), module, inputs)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu(name: str, tmp_path: Path) -> None:
    try:
        device = Device()
    except ToolMissing as error:
        pytest.skip(str(error))
    module, shape = CASES[name]
    inputs = tensors(shape, shape)
    check(Program(compiled(module, inputs, tmp_path / "b").files, device), module, inputs)
