"""Einsums at a point as C: elementwise ones inlined, reductions as loops, each named once a scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from ....ir.build import EinsumView
from ....ir.cascade import shape_of
from ....ir.einsum import Access, Coord, Einsum, Index, Literal
from ....ir.errors import PassError
from ....ir.mlir import ir
from ....ir.operators import REDUCES
from .group import Group, dtype_name
from .text import (
    ELEMENTS,
    VALUES,
    Names,
    fold_text,
    index_text,
    literal_text,
    number_text,
    operator_text,
)

Ranks = Mapping[str, Index]
"""What the ranks of an Einsum are at a point, in the loop variables of the kernel."""


@dataclass(frozen=True)
class Held:
    """A value that is kept somewhere: a scalar in a register, or an array in shared memory.

    Attributes:
        name: in C.
        ranks: ranks of the value that index it, outermost first; none for a scalar.
        extents: of these.
        fixed: per rank that does not index it, the coordinate it is kept for.
    """

    name: str
    ranks: tuple[str, ...]
    extents: tuple[int, ...]
    fixed: tuple[str, ...]


@dataclass
class Scope:
    """Statements of one block of C, with the values that are known in it.

    Attributes:
        group: whose values.
        names: for new identifiers.
        held: values that are kept, by value.
        lines: statements, without indentation of the block itself.
        outer: the enclosing block, whose values are known too.
    """

    group: Group
    names: Names
    held: dict[ir.Value, Held]
    lines: list[str] = field(default_factory=list)
    outer: Scope | None = None
    known: dict[tuple[ir.Value, tuple[Index, ...]], str] = field(default_factory=dict)
    clipped: dict[str, str] = field(default_factory=dict)

    def inner(self) -> Scope:
        """A block inside this one."""
        return Scope(self.group, self.names, self.held, outer=self, clipped=self.clipped)

    def add(self, *lines: str) -> None:
        """Append statements."""
        self.lines += lines

    def nest(self, head: str, body: Scope) -> None:
        """Append a block of statements behind a head such as a loop's."""
        self.lines += [f"{head} {{", *(f"    {line}" for line in body.lines), "}"]

    def value(self, value: ir.Value, index: Sequence[Index]) -> tuple[str, str]:
        """A tensor's element at an index inside it: an expression, and its type."""
        kind = VALUES[dtype_name(value)]
        key = (value, tuple(index))
        scope: Scope | None = self
        while scope is not None:
            if key in scope.known:
                return scope.known[key], kind
            scope = scope.outer
        if value in self.held:
            return self._kept(value, index), kind
        if value in self.group.operands:
            return self._load(value, index), kind
        view = self.group.made.get(value)
        if view is None:
            raise PassError("a value that is neither read nor made", where=self.group.label)
        ranks = dict(zip(view.einsum.output.ranks, index, strict=True))
        text = self.point(view, ranks)
        if view.einsum.reduce is None:
            name = self.names.take(view.einsum.output.tensor)
            self.add(f"const {kind} {name} = {text};")
            text = name
        self.known[key] = text
        return text, kind

    def point(self, view: EinsumView, ranks: Ranks) -> str:
        """An Einsum's value at a point; statements it needs are appended."""
        einsum = view.einsum
        if einsum.reduce is not None:
            return self.rounded(view, self.reduced(view, ranks, einsum.reduced))
        text, present = self.mapped(view, ranks)
        kind = VALUES[dtype_name(view.result)]
        if present:
            zero = number_text(0, kind) if kind != "bool" else "false"
            text = f"{' && '.join(present)} ? {text} : {zero}"
        return self.rounded(view, text)

    def reduced(self, view: EinsumView, ranks: Ranks, over: Sequence[str]) -> str:
        """The name of a reduction's running value, its loop appended."""
        kind = VALUES[dtype_name(view.result)]
        total = self.names.take(view.einsum.output.tensor)
        assert view.einsum.reduce is not None
        self.add(f"{kind} {total} = {identity_text(view.einsum.reduce, kind)};")
        used = {variable for index in ranks.values() for variable in index.ranks}
        loops = [self._variable(rank, used) for rank in over]
        inner = {rank: Index.of(variable) for rank, variable in zip(over, loops, strict=True)}
        body = self.inner()
        body.fold(view, {**ranks, **inner}, total)
        for number, variable in reversed(list(enumerate(loops))):
            outer = self if number == 0 else self.inner()
            outer.nest(self.loop(variable), body)
            body = outer
        return total

    def _variable(self, rank: str, used: set[str]) -> str:
        """A loop variable for a rank: itself, unless the point is given in another variable of its name."""
        if rank not in used:
            return rank
        variable = self.names.take(rank)
        self.group.extents[variable] = self.group.extents[rank]
        if rank in self.clipped:
            self.clipped[variable] = self.clipped[rank]
        return variable

    def fold(self, view: EinsumView, ranks: Ranks, total: str) -> None:
        """Append what takes one point into a running value."""
        assert view.einsum.reduce is not None
        text, present = self.mapped(view, ranks)
        statement = fold_text(view.einsum.reduce, total, text)
        self.add(f"if ({' && '.join(present)}) {statement}" if present else statement)

    def loop(self, rank: str, start: str = "0", step: str = "1") -> str:
        """The head of a loop over a rank."""
        end = self.clipped.get(rank, str(self.group.extents[rank]))
        advance = f"++{rank}" if step == "1" else f"{rank} += {step}"
        return f"for (int {rank} = {start}; {rank} < {end}; {advance})"

    def mapped(self, view: EinsumView, ranks: Ranks) -> tuple[str, list[str]]:
        """An Einsum's map operator at a point, and the conditions under which the point is present."""
        einsum = view.einsum
        values = iter(view.operands)
        result = VALUES[dtype_name(view.result)]
        texts: list[tuple[str, str]] = []
        present: list[str] = []
        for operand in einsum.operands:
            if isinstance(operand, Literal):
                texts.append(("", ""))
            elif isinstance(operand, Coord):
                texts.append((f"({index_text(operand.index.substitute(ranks))})", "int"))
            else:
                text, kind, inside = self.access(operand, next(values), ranks)
                texts.append((text, kind))
                present += inside
        wanted = self._literal_kind(einsum, texts, result)
        for number, operand in enumerate(einsum.operands):
            if isinstance(operand, Literal):
                texts[number] = (literal_text(operand, wanted), wanted)
        return operator_text(einsum.map, texts, result), present

    def _literal_kind(self, einsum: Einsum, texts: Sequence[tuple[str, str]], result: str) -> str:
        """The type of constants: the result's, in a comparison that of what they are compared with."""
        if result != "bool":
            return result
        return next((kind for _, kind in texts if kind), "float")

    def access(self, access: Access, value: ir.Value, ranks: Ranks) -> tuple[str, str, list[str]]:
        """A tensor read by an Einsum: expression, type, and conditions that it is inside the tensor."""
        at = access.substitute(ranks)
        leaving = self.group.leaves(at, shape_of(value))
        if not leaving:
            return (*self.value(value, at.index), [])
        inside = []
        for index, extent in leaving:
            low, high = self.group.bounds(index)
            text = index_text(index)
            inside += [f"{text} >= 0"] * (low < 0) + [f"{text} < {extent}"] * (high >= extent)
        kind = VALUES[dtype_name(value)]
        name = self.names.take(access.tensor)
        body = self.inner()
        text, _ = body.value(value, at.index)
        body.add(f"{name} = {text};")
        self.add(f"{kind} {name} = {number_text(0, kind) if kind != 'bool' else 'false'};")
        self.nest(f"if ({' && '.join(inside)})", body)
        return name, kind, inside

    def _load(self, value: ir.Value, index: Sequence[Index]) -> str:
        name, flat = self.group.operands[value], flat_index(index, shape_of(value))
        return f"widen({name}[{flat}])"

    def _kept(self, value: ir.Value, index: Sequence[Index]) -> str:
        held = self.held[value]
        if not held.ranks:
            return held.name
        at = [
            each for rank, each in zip(self.group.ranks_of(value), index, strict=True) if rank in held.ranks
        ]
        return f"{held.name}[{flat_index(at, held.extents)}]"

    def rounded(self, view: EinsumView, text: str) -> str:
        """A computed value as the tensor's element holds it."""
        element = dtype_name(view.result)
        if element in ("bf16", "f16"):
            return f"rounded<{ELEMENTS[element]}>({text})"
        return text


def flat_index(index: Sequence[Index], shape: Sequence[int]) -> str:
    """Offset of an element of a row-major tensor, as C."""
    total = Index()
    for axis, each in enumerate(index):
        stride = prod(shape[axis + 1 :])
        terms = tuple((rank, coeff * stride) for rank, coeff in each.terms)
        total = Index((*total.terms, *terms), total.const + each.const * stride)
    text = index_text(total.substitute({}))
    return text if prod(shape) < 1 << 31 else text.replace(" * ", " * 1LL * ")


def identity_text(reduce: str, kind: str) -> str:
    """The value that a fold starts with."""
    if kind == "bool":
        return "false" if reduce == "any" else "true"
    return number_text(REDUCES[reduce].identity, kind)


def store_text(name: str, dtype: str, shape: Sequence[int], index: Sequence[Index], text: str) -> str:
    """A statement that stores a value into a tensor."""
    return f"{name}[{flat_index(index, shape)}] = Narrow<{ELEMENTS[dtype]}>::of({text});"
