"""Every step of a module as launches: the first emitter of a table that takes a group writes its kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...ir.build import string
from ...ir.cascade import FUSED, ITERATE, walk
from ...ir.errors import PassError, UnsupportedOp, UnsupportedOps
from ...ir.mlir import func, ir
from ...ir.operators import MAPS
from ...ir.steps import CALL, callee, callees_first, functions, is_upstream, steps
from ..cpu.kernels.group import read_group
from .bitmod.emit import bitmod_kernels
from .codegen.group import Group, dtype_name
from .codegen.points import is_pointwise, points_kernel
from .codegen.put import is_put, put_kernel
from .codegen.rows import rows_kernel
from .codegen.text import ELEMENTS, Names
from .codegen.upstream import unsupported_in, upstream_kernel
from .kernel import Arch, Kernel, Launch
from .kernels.generations import stream_generations
from .kernels.stream import stream
from .matmul.emit import matmul_kernel

Launches = tuple[Launch, ...]
Emitter = Callable[[Group, str, Arch], Launches | None]
"""Writes the kernels of a group for an architecture, or gives None where it is not of its kind."""


def _points(group: Group, name: str, arch: Arch) -> Launches | None:
    return (points_kernel(group, name),) if is_pointwise(group) else None


def _rows(group: Group, name: str, arch: Arch) -> Launches | None:
    launch = rows_kernel(group, name)
    return None if launch is None else (launch,)


def _sums(group: Group, name: str, arch: Arch) -> Launches | None:
    return None if _iterates(group) else (points_kernel(group, name),)


def _iterates(group: Group) -> bool:
    return any(op.name == ITERATE for op in walk(group.op))


def _products(group: Group, name: str, arch: Arch) -> Launches | None:
    launch = matmul_kernel(group, name, arch)
    return None if launch is None else (launch,)


def _streamed(group: Group, name: str, arch: Arch) -> Launches | None:
    """A one-pass cascade with two contractions, on the tensor cores."""
    if not _iterates(group):
        return None
    try:
        return stream(group.op, name, arch)
    except PassError:  # another cascade, or extents the tensor cores do not take
        return None


def _generations(group: Group, name: str, arch: Arch) -> Launches | None:
    """Any other cascade with a generational rank, on the CUDA cores."""
    if not _iterates(group):
        return None
    try:
        return stream_generations(read_group(group.op, []), name)
    except PassError:
        return None


EMITTERS: tuple[Emitter, ...] = (
    _points,
    bitmod_kernels,
    _products,
    _streamed,
    _generations,
    _rows,  # reductions of a row across a block
    _sums,  # what reads across rows: a thread sums by itself
)
"""In order; the first that gives kernels is taken."""

Place = tuple[str, int]
"""A step: function name and number of the step in it."""


@dataclass(frozen=True)
class Emitted:
    """The kernels of a module.

    Attributes:
        launches: per step that is no call of a layer, in order.
        kernels: by name.
    """

    launches: Mapping[Place, Launches] = field(default_factory=dict)
    kernels: Mapping[str, Kernel] = field(default_factory=dict)


def emit(module: ir.Module, arch: Arch) -> Emitted:
    """Write every kernel of a placed module.

    Raises:
        UnsupportedOps: every operation that no kernel can be written for, at once.
    """
    table = functions(module)
    refused = Refused()
    for function in callees_first(module):
        for op in steps(function):
            refused.look(op, table)
    refused.finish()
    names = Names()
    launches: dict[Place, Launches] = {}
    kernels: dict[str, Kernel] = {}
    upstream: dict[str, Launches] = {}
    for function in callees_first(module):
        for number, op in enumerate(steps(function)):
            made = _step(op, function, number, table, names, upstream, arch, refused)
            if made is not None:
                launches[function.name.value, number] = made
                kernels |= {launch.kernel.name: launch.kernel for launch in made}
    refused.finish()
    return Emitted(launches, kernels)


def _step(
    op: ir.Operation,
    function: func.FuncOp,
    number: int,
    table: Mapping[str, func.FuncOp],
    names: Names,
    upstream: dict[str, Launches],
    arch: Arch,
    refused: Refused,
) -> Launches | None:
    if op.name == CALL:
        called = table[callee(op)]
        if not is_upstream(called):
            return None
        if callee(op) not in upstream:
            name = names.take(callee(op))
            upstream[callee(op)] = (
                put_kernel(called, name) if is_put(called) else upstream_kernel(called, name),
            )
        return upstream[callee(op)]
    name = names.take(f"{function.name.value}_{number}_{string(op, 'kernel')}")
    group = Group.of(op)
    try:
        for emitter in EMITTERS:
            made = emitter(group, name, arch)
            if made is not None:
                return made
        refused.add(op, "no kernel of ours computes such a group")
    except PassError as error:
        refused.add(op, error.message)
    return None


class Refused:
    """Operations without a kernel, gathered so that all are said at once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[str]] = {}

    def look(self, op: ir.Operation, table: Mapping[str, func.FuncOp]) -> None:
        """Look at a step's operators and element types."""
        if op.name == CALL:
            called = table[callee(op)]
            if is_upstream(called) and not is_put(called):
                for name, count in Counter(unsupported_in(called)).items():
                    for _ in range(count):
                        self.add(op, "no kernel is written for it", name)
            return
        if op.name != FUSED:
            self.add(op, "no kernel is written for it", op.name)
            return
        for view in Group.of(op).views:
            if view.einsum.map not in MAPS:
                self.add(view.op, "an unknown operator", view.einsum.map)
            for value in (*view.operands, view.result):
                if dtype_name(value) not in ELEMENTS:
                    self.add(view.op, "an element type without kernels", dtype_name(value))

    def add(self, op: ir.Operation, reason: str, name: str | None = None) -> None:
        """Note one operation."""
        where = str(op.location).removeprefix("loc(").removesuffix(")")
        label = name or (string(op, "kernel") if "kernel" in op.attributes else op.name)
        self._found.setdefault((label, reason), []).append(where)

    def finish(self) -> None:
        """Raise what was gathered.

        Raises:
            UnsupportedOps: anything was.
        """
        if self._found:
            raise UnsupportedOps(
                tuple(
                    UnsupportedOp(name, len(places), tuple(dict.fromkeys(places))[:3], reason)
                    for (name, reason), places in self._found.items()
                ),
                where="--target of the CUDA backend",
            )
