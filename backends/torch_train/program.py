"""A traced computation as a list of ATen calls, run with chosen results written to chosen memory.

A block's forward, its backward and the recomputing of its rows are all such programs, cut out of one trace of
what plain autograd would call: the same calls in the same order give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

_aten = torch.ops.aten

WRITES_OUT: Mapping[OpOverload, tuple[OpOverload, str]] = {
    _aten.mm.default: (_aten.mm.out, "out"),
    _aten.addmm.default: (_aten.addmm.out, "out"),
    _aten.bmm.default: (_aten.bmm.out, "out"),
    _aten.add.Tensor: (_aten.add.out, "out"),
    _aten.sub.Tensor: (_aten.sub.out, "out"),
    _aten.mul.Tensor: (_aten.mul.out, "out"),
    _aten.div.Tensor: (_aten.div.out, "out"),
    _aten.neg.default: (_aten.neg.out, "out"),
    _aten.pow.Tensor_Scalar: (_aten.pow.Tensor_Scalar_out, "out"),
    _aten.rsqrt.default: (_aten.rsqrt.out, "out"),
    _aten.sigmoid.default: (_aten.sigmoid.out, "out"),
    _aten.tanh.default: (_aten.tanh.out, "out"),
    _aten.silu.default: (_aten.silu.out, "out"),
    _aten.silu_backward.default: (_aten.silu_backward.grad_input, "grad_input"),
    _aten.gelu.default: (_aten.gelu.out, "out"),
    _aten.gelu_backward.default: (_aten.gelu_backward.grad_input, "grad_input"),
    _aten.cat.default: (_aten.cat.out, "out"),
}
"""Calls that can write into given memory without memory of their own for the result, and how."""


@dataclass(frozen=True)
class Ref:
    """An argument that is a value of the program."""

    value: int


@dataclass(frozen=True)
class Value:
    """A tensor in a trace.

    Attributes:
        name: of the call that gave it, unique in the trace.
        shape, stride, offset: in elements.
        dtype: of its elements.
        storage: number of the memory it lies in; views share one.
    """

    name: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype
    storage: int

    def over(self, memory: Tensor) -> Tensor:
        """This value's view of its storage's memory, given as a flat tensor of its type."""
        return memory.as_strided(self.shape, self.stride, memory.storage_offset() + self.offset)


@dataclass(frozen=True)
class Step:
    """One ATen call.

    Attributes:
        op: what is called.
        arguments, keywords: nested lists and tuples, with `Ref` for values.
        results: values given, in order; None for results nothing uses.
        several: whether the call gives a tuple.
        reads: values among the arguments.
    """

    op: OpOverload
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    results: tuple[int | None, ...]
    several: bool
    reads: tuple[int, ...]


def refs(argument: Any) -> list[int]:
    """Values in a nested argument."""
    if isinstance(argument, Ref):
        return [argument.value]
    if isinstance(argument, (list, tuple)):
        return [value for each in argument for value in refs(each)]
    return []


@dataclass(frozen=True)
class Program:
    """Steps in order, with what each of them sees last.

    Attributes:
        steps: calls.
        results: values that must be there at the end.
        frees: for each step, values that no later step and no result needs.
    """

    steps: tuple[Step, ...]
    results: tuple[int, ...]
    frees: tuple[tuple[int, ...], ...] = field(default=())

    @staticmethod
    def of(steps: Sequence[Step], results: Sequence[int]) -> Program:
        """The program, with its values' last uses found."""
        kept, seen = set(results), set()
        frees: list[tuple[int, ...]] = []
        for step in reversed(steps):
            touched = dict.fromkeys([*step.reads, *(each for each in step.results if each is not None)])
            frees.append(tuple(value for value in touched if value not in seen and value not in kept))
            seen.update(touched)
        return Program(tuple(steps), tuple(results), tuple(reversed(frees)))

    def run(
        self,
        values: dict[int, Any],
        homes: Mapping[int, Tensor],
        before: Mapping[int, Callable[[], None]] | None = None,
    ) -> dict[int, Any]:
        """Make the calls.

        Args:
            values: what the steps need that no step gives; changed in place.
            homes: memory that results are written to, by value.
            before: what to do before a step, by its place.

        Returns:
            `values`, with the results.
        """
        for at, (step, done) in enumerate(zip(self.steps, self.frees, strict=True)):
            if before and at in before:
                before[at]()
            _call(step, values, homes)
            for value in done:
                values.pop(value, None)
        return values


def _call(step: Step, values: dict[int, Any], homes: Mapping[int, Tensor]) -> None:
    arguments = [_filled(each, values) for each in step.arguments]
    keywords = {name: _filled(each, values) for name, each in step.keywords.items()}
    first = step.results[0]
    if first is not None and first in homes and step.op in WRITES_OUT:
        op, name = WRITES_OUT[step.op]
        op(*arguments, **keywords, **{name: homes[first]})
        values[first] = homes[first]
        return
    given = step.op(*arguments, **keywords)
    for value, result in zip(step.results, given if step.several else (given,), strict=False):
        if value is None:
            continue
        home = homes.get(value)
        values[value] = result if home is None else home.copy_(result)


def _filled(argument: Any, values: Mapping[int, Any]) -> Any:
    if isinstance(argument, Ref):
        return values[argument.value]
    if isinstance(argument, (list, tuple)):
        return type(argument)(_filled(each, values) for each in argument)
    return argument
