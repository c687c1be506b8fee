"""Attention modules carried down to fused groups, and their kernels run on the emulated machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from penstock.backends.cpu.kernels.group import Group, read_group
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.kernel import Launch
from penstock.frontend.torch_export import raise_programs
from penstock.ir.bfloat16 import encode
from penstock.ir.cascade import FUSED, ITERATE, walk
from penstock.ir.interpreter.engine import Interpreter, run_on
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module, print_module
from penstock.passes.pipeline import parse_pipeline, run_pipeline

PIPELINE = "relabel,simplify,precision{contract=bf16},fuse"
Emit = Callable[[Group, str], tuple[Launch, ...]]


class Watching(Interpreter):
    """Keeps the operands and results of the group that loops over keys."""

    operands: list[np.ndarray]
    results: list[np.ndarray]

    def step(self, op: ir.Operation, operands: list[object], *rest: object) -> list[object]:  # type: ignore[override]
        found = super().step(op, operands, *rest)  # type: ignore[arg-type]
        if op.name == FUSED and _loops(op):
            self.operands = [np.asarray(each) for each in operands]
            self.results = [np.asarray(each) for each in found]
        return found


def _loops(op: ir.Operation) -> bool:
    return any(inner.name == ITERATE for inner in walk(op))


@dataclass(frozen=True)
class Case:
    """The group of a module that loops over keys, and what the interpreter hands it and makes of it."""

    module: ir.Module
    fused: ir.Operation
    operands: list[np.ndarray]
    wanted: np.ndarray

    def group(self) -> Group:
        """The group, read anew: emitters change it."""
        return read_group(self.fused, [])

    def emulated(self, emit: Emit, seed: int = 0) -> np.ndarray:
        """What the kernels make of the operands."""
        group = self.group()
        given = zip(self.operands, group.arguments, strict=False)
        operands = {number: _stored(array, tensor.element) for number, (array, tensor) in enumerate(given)}
        work: dict[int, np.ndarray] = {}
        result: dict[int, np.ndarray] = {}
        for launch in emit(group, "attention"):
            arrays = {}
            for name, place in launch.places.items():
                held: Mapping[int, np.ndarray] = operands if place.kind == "operand" else work
                if place.kind != "result" and place.number in held:
                    arrays[name] = held[place.number]
            for name, array in emulate(launch.kernel, arrays, seed=seed).items():
                place = launch.places[name]
                (work if place.kind == "work" else result)[place.number] = array
        return result[0]


def _stored(array: np.ndarray, element: str) -> np.ndarray:
    if element == "bf16":
        return encode(array)
    return array.astype({"f16": np.float16, "f32": np.float32, "i1": np.bool_}.get(element, array.dtype))


def lower(
    module: nn.Module, inputs: dict[str, torch.Tensor], element: str | None = "bf16", tile: int = 128
) -> Case:
    """A module from PyTorch to fused groups, its contractions in a 16-bit type; in float32 with none."""
    raised = raise_programs({"main": torch.export.export(module, tuple(inputs.values()))})
    pipeline = PIPELINE.replace("fuse", f"fuse{{m_tile={tile}}}")
    if element is None:
        pipeline = pipeline.replace("precision{contract=bf16},", "")
    text = print_module(run_pipeline(raised.module, parse_pipeline(pipeline))[0])
    fused = parse_module(text.replace("bf16", element or "bf16"))
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    with np.errstate(all="ignore"):
        _, watched = run_on(Watching, fused, "main", {**arrays, **raised.params})
    op = next(op for op in walk(fused.operation) if op.name == FUSED and _loops(op))
    return Case(fused, op, watched.operands, watched.results[0])


def tensors(
    q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...] = (), seed: int = 0
) -> dict[str, torch.Tensor]:
    """Normal queries, keys and values."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"q": q, "k": k, "v": v or k}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def distance(got: np.ndarray, wanted: np.ndarray) -> float:
    """Relative distance where numbers are; NaNs and infinities must agree."""
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
    rest = ~np.isfinite(wanted) & ~np.isnan(wanted)
    np.testing.assert_array_equal(got[rest], wanted[rest])
    finite = np.isfinite(wanted)
    return float(np.linalg.norm(got[finite] - wanted[finite]) / max(np.linalg.norm(wanted[finite]), 1e-30))
