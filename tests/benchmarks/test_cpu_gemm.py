"""The benchmark of linear layers: how shapes are written, and that a layer is what its shape says."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def cpu_gemm(benchmarks: Path) -> ModuleType:
    return import_module("cpu_gemm")


def test_a_shape_is_read_and_made(cpu_gemm: ModuleType) -> None:
    shape = cpu_gemm.Shape.parse("5x12x7g")
    assert (shape.tokens, shape.inputs, shape.outputs, shape.gelu) == (5, 12, 7, True)
    assert shape.flops == 2 * 5 * 12 * 7
    task = shape.task(1, "fp32")
    assert task.module(*task.inputs.values()).shape == (5, 7)


@pytest.mark.parametrize("text", ["5x12", "5x12x7gg", "axbxc", ""])
def test_what_is_no_shape_is_told(cpu_gemm: ModuleType, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="TOKENSxINPUTSxOUTPUTS"):
        cpu_gemm.Shape.parse(text)
