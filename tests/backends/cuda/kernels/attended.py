"""Attention modules carried down to fused groups, and their kernels run on the emulated machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from penstock.backends.cpu.kernels.group import Group, Step, read_group
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.kernel import Launch
from penstock.frontend.torch_export import raise_programs
from penstock.ir.bfloat16 import encode
from penstock.ir.cascade import FUSED, walk
from penstock.ir.interpreter import interpret
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module, print_module
from penstock.passes.pipeline import parse_pipeline, run_pipeline

PIPELINE = "relabel,simplify,precision{contract=bf16},fuse"
Emit = Callable[[Group, str], tuple[Launch, ...]]


@dataclass
class Case:
    """A module after fusion, its inputs and parameters, and what the interpreter makes of them."""

    module: ir.Module
    inputs: dict[str, np.ndarray]

    @property
    def group(self) -> Group:
        """The group that loops over keys, read anew."""
        return next(g for g in self.groups() if any(not isinstance(node, Step) for node in g.nodes))

    def groups(self) -> list[Group]:
        return [read_group(op, []) for op in walk(self.module.operation) if op.name == FUSED]

    def wanted(self) -> np.ndarray:
        """The interpreter's result, flat: a view may come behind the group."""
        with np.errstate(all="ignore"):
            return next(iter(interpret(self.module, "main", self.inputs).values())).reshape(-1)

    def operands(self) -> list[np.ndarray]:
        """Arrays of the group's operands; roundings of inputs that have groups of their own are applied."""
        group = self.group
        half = next(t.element for t in group.tensors if t.element in ("bf16", "f16"))
        known = dict(self.inputs)
        known |= {f"{name}_{half}": array for name, array in self.inputs.items()}
        return [_stored(_named(tensor.name, known), tensor.element) for tensor in group.arguments[: group.inputs]]

    def emulated(self, emit: Emit, seed: int = 0) -> np.ndarray:
        """What the kernels make of them."""
        work: dict[int, np.ndarray] = {}
        result: dict[int, np.ndarray] = {}
        operands = self.operands()
        for launch in emit(self.group, "attention"):
            arrays = {}
            for name, place in launch.places.items():
                held: Mapping[int, np.ndarray] = dict(enumerate(operands)) if place.kind == "operand" else work
                if place.kind != "result" and place.number in held:
                    arrays[name] = held[place.number]
            for name, array in emulate(launch.kernel, arrays, seed=seed).items():
                place = launch.places[name]
                (work if place.kind == "work" else result)[place.number] = array
        return result[0].reshape(-1)


def _named(name: str, known: Mapping[str, np.ndarray]) -> np.ndarray:
    clean = {key.replace(".", "_"): array for key, array in known.items()}
    fits = [key for key in clean if name.rstrip("_") == key.rstrip("_")]
    return clean[fits[0]]


def _stored(array: np.ndarray, element: str) -> np.ndarray:
    if element == "bf16":
        return encode(array)
    return array.astype({"f16": np.float16, "f32": np.float32, "i1": np.bool_}.get(element, array.dtype))


def lower(module: nn.Module, inputs: dict[str, torch.Tensor], element: str = "bf16", tile: int = 128) -> Case:
    """A module from PyTorch to fused groups."""
    raised = raise_programs({"main": torch.export.export(module, tuple(inputs.values()))})
    pipeline = PIPELINE.replace("fuse", f"fuse{{m_tile={tile}}}")
    text = print_module(run_pipeline(raised.module, parse_pipeline(pipeline))[0])
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    return Case(parse_module(text.replace("bf16", element)), {**arrays, **raised.params})


def distance(got: np.ndarray, wanted: np.ndarray) -> float:
    """Relative distance where numbers are; NaNs and infinities must agree."""
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got[~finite & ~np.isnan(wanted)], wanted[~finite & ~np.isnan(wanted)])
    norm = np.linalg.norm(wanted[finite])
    return float(np.linalg.norm(got[finite] - wanted[finite]) / max(norm, 1e-30))


