"""The benchmark of attention: how shapes are written, and that only what a mask lets through is counted."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="module")
def cpu_attention(benchmarks: Path) -> ModuleType:
    return import_module("cpu_attention")


@pytest.mark.parametrize(("text", "pairs"), [("2x5x8", 25), ("2x5x8c", 15)])
def test_a_shape_is_read_and_made(cpu_attention: ModuleType, text: str, pairs: int) -> None:
    shape = cpu_attention.Shape.parse(text)
    assert shape.flops == 4 * 2 * 8 * pairs
    task = shape.task(1, "fp32")
    q, k, v = task.inputs.values()
    scores = q @ k.mT / 8**0.5
    if shape.causal:
        scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
    torch.testing.assert_close(task.module(q, k, v), scores.softmax(-1) @ v)


@pytest.mark.parametrize("text", ["5x12", "5x12x7cc", "axbxc", ""])
def test_what_is_no_shape_is_told(cpu_attention: ModuleType, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="HEADSxLENGTHxSIZE"):
        cpu_attention.Shape.parse(text)
