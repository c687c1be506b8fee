"""A compiled entry as a program to map: fused groups are its instructions, what crosses them its tensors.

Floats are taken to be bfloat16, stored and computed, as accelerators with a fast memory run them: the CPU
they are compiled for computes in float32. Layers are unrolled at their calls. Compute time is the
roofline's, of the busiest unit of the target; a step whose body is upstream MLIR has none we can count, and
costs its traffic alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...ir.cascade import FUSED, shape_of
from ...ir.dtypes import BY_MLIR, lookup
from ...ir.errors import InputError
from ...ir.mlir import func, ir
from ...ir.steps import (
    CALL,
    callee,
    dtype_of,
    functions,
    instance,
    is_entry,
    is_upstream,
    returned,
    root,
    steps,
)
from ...ir.targets import Target
from ...sim.cost.module import GroupCount, count_groups
from ...sim.cost.roofline import GroupWork, price
from ..lifetimes import label
from .inline import layer
from .problem import Instruction, Problem, Tensor

BF16, BF16_BYTES = "bf16", 2


@dataclass(frozen=True)
class Program:
    """A problem and the IR it stands for: per tensor its value, an argument or the result of a step."""

    problem: Problem
    values: tuple[ir.Value, ...]


def as_stored(count: GroupCount) -> GroupCount:
    """A group of floats counted as bfloat16: all bytes scaled, those of its integers too."""
    if not count.dtype.startswith("f"):
        return count
    wide = lookup(BY_MLIR, count.dtype).size
    return replace(
        count,
        dtype=BF16,
        products=BF16 if count.products else "",
        bytes_read=count.bytes_read * BF16_BYTES // wide,
        bytes_written=count.bytes_written * BF16_BYTES // wide,
        bytes_unfused=count.bytes_unfused * BF16_BYTES // wide,
    )


def from_module(module: ir.Module, target: Target, name: str, entry: str | None = None) -> Problem:
    """The problem of an entry of a fused module; arguments and errors as for `read_program`."""
    return read_program(module, target, name, entry).problem


def read_program(module: ir.Module, target: Target, name: str, entry: str | None = None) -> Program:
    """The program of an entry of a fused module.

    Args:
        module: fused.
        target: whose units price the groups.
        name: of the program.
        entry: which; the only one where omitted.

    Raises:
        InputError: no such entry, or several to choose from.
        PassError: the module is not fused.
    """
    table = functions(module)
    entries = [each for each, function in table.items() if is_entry(function)]
    chosen = entry or (entries[0] if len(entries) == 1 else "")
    if chosen not in entries:
        raise InputError(f"no entry {chosen!r}", where=name, accepted=", ".join(entries))
    counts: dict[str, list[GroupCount]] = defaultdict(list)
    for count in count_groups(module, chosen):
        counts[count.function].append(count)
    return _Unroller(table, counts, target).program(name, chosen)


class _Unroller:
    def __init__(
        self, table: dict[str, func.FuncOp], counts: dict[str, list[GroupCount]], target: Target
    ) -> None:
        self.table, self.counts, self.target = table, counts, target
        self.sizes: list[int] = []
        self.names: list[str] = []
        self.values: list[ir.Value] = []
        self.defined: set[int] = set()
        self.instructions: list[Instruction] = []

    def program(self, name: str, entry: str) -> Program:
        function = self.table[entry]
        arguments = [self._tensor(f"arg{at}", value) for at, value in enumerate(function.arguments)]
        results = set(self._run(function, arguments, ""))
        used = {x for each in self.instructions for x, _ in (*each.inputs, *each.outputs)}
        order = {x: at for at, x in enumerate(sorted(used))}
        tensors = tuple(
            Tensor(
                self.names[x],
                self.sizes[x],
                "param" if x not in self.defined else "result" if x in results else "temp",
            )
            for x in order
        )
        moved = tuple(
            Instruction(
                each.name,
                each.compute_s,
                tuple((order[x], count) for x, count in each.inputs),
                tuple((order[x], count) for x, count in each.outputs),
            )
            for each in self.instructions
        )
        return Program(Problem(name, moved, tensors), tuple(self.values[x] for x in order))

    def _tensor(self, name: str, value: ir.Value) -> int:
        self.names.append(name)
        self.values.append(value)
        kind = dtype_of(value)
        width = BF16_BYTES if kind.mlir.startswith("f") else kind.size
        self.sizes.append(max(1, math.prod(shape_of(value)) * width))
        return len(self.names) - 1

    def _run(self, function: func.FuncOp, arguments: list[int], prefix: str) -> list[int]:
        """Append a function's steps; the tensors it returns."""
        known: dict[ir.Value, int] = dict(zip(function.arguments, arguments, strict=True))
        priced = self._seconds(function)
        for op in steps(function):
            operands = [known[root(value)] for value in op.operands]
            inside = op.name == CALL and not is_upstream(self.table[callee(op)])
            if inside:
                below = f"{prefix}{instance(op)}/"
                results = self._run(self.table[callee(op)], operands, below)
            else:
                results = self._step(op, operands, prefix, next(priced) if op.name == FUSED else 0.0)
            known.update(zip(op.results, results, strict=True))
        return [known[root(value)] for value in returned(function)]

    def _seconds(self, function: func.FuncOp) -> Iterator[float]:
        for count in map(as_stored, self.counts[function.name.value]):
            work = GroupWork(
                count.kernel, count.operations, count.bytes_read, count.bytes_written, count.dtype
            )
            yield price(work, self.target).compute_seconds

    def _step(self, op: ir.Operation, operands: list[int], prefix: str, seconds: float) -> list[int]:
        number = len(self.instructions)
        name = f"{number}:{prefix}{layer(op)}{label(op)}"
        results = [self._tensor(f"{name}.{at}", value) for at, value in enumerate(op.results)]
        self.defined.update(results)
        reads = tuple((x, self.sizes[x]) for x in dict.fromkeys(operands))
        writes = tuple((x, self.sizes[x]) for x in results)
        self.instructions.append(Instruction(name, seconds, reads, writes))
        return results
