"""The benchmarks are scripts that import each other by name, from their own folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="package")
def benchmarks(checkout: Path) -> Iterator[Path]:
    """Their folder, importable while tests run; one thread does for models this small."""
    folder, threads = checkout / "benchmarks", torch.get_num_threads()
    sys.path.insert(0, str(folder))
    torch.set_num_threads(1)
    yield folder
    torch.set_num_threads(threads)
    sys.path.remove(str(folder))


@pytest.fixture(scope="package")
def weight_formats(benchmarks: Path) -> ModuleType:
    return import_module("weight_formats")


@pytest.fixture(scope="package")
def accuracy_minilm(benchmarks: Path) -> ModuleType:
    return import_module("accuracy_minilm")


@pytest.fixture(scope="package")
def accuracy_lm(benchmarks: Path) -> ModuleType:
    return import_module("accuracy_lm")
