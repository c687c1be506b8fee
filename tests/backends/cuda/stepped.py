"""Models carried down to a launch list, and the list run on the emulated machine, step beside interpreter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from penstock.backends.cuda.emit import emit
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.kernel import Arch, Buffer, Kernel
from penstock.backends.cuda.lanes import check
from penstock.backends.cuda.plan import KernelFacts, Plan, Step
from penstock.backends.cuda.resources import Resources
from penstock.backends.cuda.unroll import sections, unroll
from penstock.backends.cuda.weights import Stored, store
from penstock.frontend.torch_export import raise_programs
from penstock.ir.bfloat16 import decode
from penstock.ir.dtypes import BY_MLIR
from penstock.ir.entries import read_entries
from penstock.ir.interpreter.engine import interpret
from penstock.ir.mlir import ir
from penstock.passes.pipeline import parse_pipeline, run_pipeline
from penstock.passes.precision import round_params
from penstock.passes.quantize.params import quantize_params


@dataclass(frozen=True)
class Compared:
    """A result of one launch, and the interpreter's."""

    kernel: Kernel
    got: np.ndarray
    wanted: np.ndarray

    @property
    def distance(self) -> float:
        """Relative distance of what is finite; what is not must agree."""
        got, wanted = self.got, self.wanted
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted), err_msg=self.kernel.name)
        odd = ~np.isfinite(wanted) & ~np.isnan(wanted)
        np.testing.assert_array_equal(got[odd], wanted[odd], err_msg=self.kernel.name)
        held = np.isfinite(wanted)
        scale = float(np.linalg.norm(wanted[held]))
        return float(np.linalg.norm(got[held] - wanted[held])) / (scale or 1.0)


@dataclass(frozen=True)
class Stepped:
    """A model's launch list with what it needs to run.

    Attributes:
        inner: kernels whose results are no Einsum's: what a group's last launch reads.
    """

    module: ir.Module
    plan: Plan
    stored: Stored
    params: Mapping[str, np.ndarray]
    inner: frozenset[str]

    @staticmethod
    def of(
        model: nn.Module, inputs: Mapping[str, torch.Tensor], pipeline: str, arch: Arch = "sm_80"
    ) -> Stepped:
        """A model carried down by passes; weights are quantized and rounded as the passes say."""
        raised = raise_programs({"main": torch.export.export(model.eval(), tuple(inputs.values()))})
        module = run_pipeline(raised.module, parse_pipeline(pipeline))[0]
        params = round_params(module, quantize_params(module, raised.params).arrays)
        emitted = emit(module, arch)
        stored, entries = store(module, emitted, params), read_entries(module)
        laid = sections(module, emitted, stored.bytes, entries)
        none = Resources(0, 0, 0, 0, 0)
        facts = {name: KernelFacts(kernel, "", none) for name, kernel in emitted.kernels.items()}
        lists = unroll(module, emitted, laid, stored.places, entries)
        plan = Plan(arch, laid.bytes, laid.places, facts, lists)
        check(plan)
        assert Plan.from_json(plan.to_json(), "here").entries == plan.entries
        inner = {launch.kernel.name for made in emitted.launches.values() for launch in made[:-1]}
        return Stepped(module, plan, stored, params, frozenset(inner))

    def run(self, inputs: Mapping[str, np.ndarray], seed: int = 0) -> Iterator[Compared]:
        """Run the list; after every launch its results and the interpreter's."""
        wanted: list[list[np.ndarray]] = []

        def after(results: list[object]) -> list[object]:
            wanted.append([np.asarray(each) for each in results])
            return results

        with np.errstate(all="ignore"):
            interpret(self.module, "main", {**self.params, **inputs}, after=after)
        memory = np.full(self.plan.bytes, 0xCD, np.uint8)
        start = self.plan.sections["weights"][0]
        places = {name: self.stored.places[key] for key, name in _names(self.stored).items()}
        for name, array in self.stored.arrays.items():
            held = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            memory[start + places[name] : start + places[name] + held.size] = held
        entry = self.plan.entries["main"]
        for name, array in inputs.items():
            held = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            memory[entry.inputs[name] : entry.inputs[name] + held.size] = held
        left = iter(wanted)
        for step in entry.steps:
            if step.kind == "kernel":
                yield from self._launch(step, memory, [] if step.name in self.inner else next(left), seed)
            elif step.kind == "copy":
                source, target = step.places["from"], step.places["to"]
                memory[target : target + step.bytes] = memory[source : source + step.bytes]
            else:
                memory[step.places["to"] : step.places["to"] + step.bytes] = 0

    def _launch(
        self, step: Step, memory: np.ndarray, wanted: list[np.ndarray], seed: int
    ) -> Iterator[Compared]:
        kernel = self.plan.kernels[step.name].kernel
        tensors = list(kernel.tensors())
        arrays = {
            tensor.name: view(memory, tensor, step.places[tensor.name])
            for tensor in tensors
            if tensor.role in ("in", "update", "zeroed")
        }
        written = emulate(kernel, arrays, seed=seed)
        outputs = [tensor for tensor in tensors if tensor.name in written]
        for tensor in outputs:
            view(memory, tensor, step.places[tensor.name])[...] = written[tensor.name]
        if step.name in self.inner:
            return
        for tensor, reference in zip(outputs, wanted, strict=True):
            got = written[tensor.name]
            got = decode(got) if tensor.dtype == "bf16" else got
            yield Compared(kernel, got.astype(np.float64).reshape(reference.shape), reference)


def _names(stored: Stored) -> dict[tuple[str, str], str]:
    names = {}
    for name, part in stored.places:
        found = f"{name} {part}" if part else name
        if found in stored.arrays:
            names[name, part] = found
    return names


def view(memory: np.ndarray, tensor: Buffer, start: int) -> np.ndarray:
    """A tensor on the bytes it has in memory."""
    kind = np.dtype(BY_MLIR[tensor.dtype].numpy)
    flat = memory[start : start + tensor.bytes].view(kind)
    strides = [stride * kind.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides)
