"""Extended Einsums as values: index expressions, operands, map and reduce actions, and their notation.

The notation follows FuseMax §II: ``SN[m,p] = exp_sub(QK[m,p], GM[p])``,
``QK[m,p] = sum[e] mul(Q[e,p], K[e,m])``, ``RM[m1+1,p] = max(RM[m1,p], LM[m1,p])``. A point where an
access leaves its tensor is absent: it is not visited, and an output point nobody visits holds the
reduction's identity (0 without a reduction). `ir.notation` reads the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from .errors import NotationError
from .operators import MAPS, REDUCES


@dataclass(frozen=True)
class Index:
    """An affine index expression: Σ coefficient·rank + constant.

    ``m`` is ``Index((("m", 1),))``; ``m1*128+m0`` is a split; ``m1+1`` a shift; ``3`` a fixed coordinate.
    """

    terms: tuple[tuple[str, int], ...] = ()
    const: int = 0

    @staticmethod
    def of(rank: str) -> Index:
        """The plain index that is just `rank`."""
        return Index(((rank, 1),))

    @property
    def plain(self) -> str | None:
        """The rank when the expression is nothing but a rank, else None."""
        if self.const == 0 and len(self.terms) == 1 and self.terms[0][1] == 1:
            return self.terms[0][0]
        return None

    @property
    def ranks(self) -> tuple[str, ...]:
        """Rank variables in order of appearance."""
        return tuple(rank for rank, _ in self.terms)

    def bounds(self, extents: Mapping[str, int]) -> tuple[int, int]:
        """Smallest and largest value over the iteration space (both inclusive)."""
        low = high = self.const
        for rank, coeff in self.terms:
            span = coeff * (extents[rank] - 1)
            low, high = low + min(0, span), high + max(0, span)
        return low, high

    def substitute(self, table: Mapping[str, Index]) -> Index:
        """The expression with ranks replaced by expressions, terms combined."""
        total: dict[str, int] = {}
        const = self.const
        for rank, coeff in self.terms:
            inner = table.get(rank, Index.of(rank))
            const += coeff * inner.const
            for name, factor in inner.terms:
                total[name] = total.get(name, 0) + coeff * factor
        return Index(tuple((name, factor) for name, factor in total.items() if factor), const)

    def __str__(self) -> str:
        parts: list[str] = []
        for rank, coeff in self.terms:
            body = rank if abs(coeff) == 1 else f"{rank}*{abs(coeff)}"
            parts.append(("-" if coeff < 0 else "+" if parts else "") + body)
        if self.const or not parts:
            parts.append(f"{self.const:+d}" if parts else str(self.const))
        return "".join(parts)


@dataclass(frozen=True)
class Access:
    """A tensor read or written at index expressions; no indices means a scalar."""

    tensor: str
    index: tuple[Index, ...] = ()

    @property
    def ranks(self) -> tuple[str, ...]:
        """Distinct rank variables in order of appearance."""
        return tuple(dict.fromkeys(rank for index in self.index for rank in index.ranks))

    @property
    def plain(self) -> tuple[str | None, ...]:
        """Per dimension the rank it is, or None where the index is not plain."""
        return tuple(index.plain for index in self.index)

    def substitute(self, table: Mapping[str, Index]) -> Access:
        """The access with ranks replaced by expressions."""
        return Access(self.tensor, tuple(index.substitute(table) for index in self.index))

    def __str__(self) -> str:
        return f"{self.tensor}[{','.join(map(str, self.index))}]"


@dataclass(frozen=True)
class Literal:
    """A constant operand."""

    value: float | int | bool

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return repr(self.value)


@dataclass(frozen=True)
class Coord:
    """The coordinate of the current point as an operand, e.g. ``@m`` in a causal mask."""

    index: Index

    @property
    def ranks(self) -> tuple[str, ...]:
        """Rank variables of the expression."""
        return self.index.ranks

    def __str__(self) -> str:
        return f"@{self.index}" if self.index.plain else f"@({self.index})"


Operand = Access | Literal | Coord


@dataclass(frozen=True)
class Einsum:
    """One extended Einsum: ``output = reduce[reduced] map(operands)``.

    Attributes:
        output: access written; its indices are plain ranks or generational shifts.
        map: name in `operators.MAPS`.
        operands: as many as the operator's arity.
        reduce: name in `operators.REDUCES`, or None.
        reduced: ranks folded away, in order.
    """

    output: Access
    map: str
    operands: tuple[Operand, ...]
    reduce: str | None = None
    reduced: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> Einsum:
        """Read the notation.

        Raises:
            NotationError: the text is not an Einsum; the message shows the place.
        """
        return _parse_cached(text)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """The tensor operands in order (literals and coordinates left out)."""
        return tuple(operand for operand in self.operands if isinstance(operand, Access))

    @property
    def ranks(self) -> tuple[str, ...]:
        """The iteration space: output ranks, then reduced ranks."""
        return tuple(dict.fromkeys((*self.output.ranks, *self.reduced)))

    def substitute(self, table: Mapping[str, Index], reduced: Sequence[str] | None = None) -> Einsum:
        """The Einsum with ranks replaced; `reduced` names the new reduced ranks (default: renamed)."""
        operands = tuple(
            operand.substitute(table)
            if isinstance(operand, Access)
            else Coord(operand.index.substitute(table))
            if isinstance(operand, Coord)
            else operand
            for operand in self.operands
        )
        if reduced is None:
            reduced = [name for rank in self.reduced for name in table.get(rank, Index.of(rank)).ranks]
        return Einsum(self.output.substitute(table), self.map, operands, self.reduce, tuple(reduced))

    def renamed(self, ranks: Mapping[str, str]) -> Einsum:
        """The Einsum with ranks renamed."""
        return self.substitute({old: Index.of(new) for old, new in ranks.items()})

    def with_tensors(self, output: str, operands: Iterable[str]) -> Einsum:
        """The Einsum with its tensors relabelled: the output, then each access in order."""
        names = iter(operands)
        relabelled = tuple(
            replace(operand, tensor=next(names)) if isinstance(operand, Access) else operand
            for operand in self.operands
        )
        return replace(self, output=replace(self.output, tensor=output), operands=relabelled)

    def __str__(self) -> str:
        operands = ", ".join(map(str, self.operands))
        body = operands if self.map == "id" else f"{self.map}({operands})"
        fold = f"{self.reduce}[{','.join(self.reduced)}] " if self.reduce else ""
        return f"{self.output} = {fold}{body}"


@lru_cache(maxsize=65536)
def _parse_cached(text: str) -> Einsum:
    from .notation import parse_einsum  # the reader needs the classes above

    return parse_einsum(text)


def check_form(einsum: Einsum) -> None:
    """Check what needs no shapes: operators exist, arity fits, every rank is output or reduced.

    Raises:
        NotationError: with the Einsum's text as the place.
    """
    where = str(einsum)
    operator = MAPS.get(einsum.map)
    if operator is None:
        raise NotationError(f"unknown map operator '{einsum.map}'", where=where, accepted=", ".join(MAPS))
    if len(einsum.operands) != operator.arity:
        raise NotationError(
            f"'{einsum.map}' takes {operator.arity} operands, {len(einsum.operands)} given", where=where
        )
    if einsum.reduce is not None and einsum.reduce not in REDUCES:
        raise NotationError(
            f"unknown reduce operator '{einsum.reduce}'", where=where, accepted=", ".join(REDUCES)
        )
    if bool(einsum.reduced) != (einsum.reduce is not None):
        raise NotationError("a reduction needs an operator and at least one rank", where=where)
    overlap = set(einsum.reduced) & set(einsum.output.ranks)
    if overlap:
        raise NotationError(f"rank '{min(overlap)}' is both reduced and in the output", where=where)


def solve_extents(
    einsum: Einsum,
    shapes: Sequence[Sequence[int]],
    output_shape: Sequence[int],
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Extent of every rank of the iteration space, from tensor shapes.

    Args:
        einsum: the Einsum.
        shapes: shape of each access, in order.
        output_shape: shape of the output.
        fixed: extents known from outside (the generational rank inside an iteration).

    Raises:
        NotationError: rank counts or extents disagree, or a rank has no plain occurrence.
    """
    where = str(einsum)
    extents: dict[str, int] = {}
    outside = dict(fixed or {})
    tensors = [(einsum.output, output_shape), *zip(einsum.accesses, shapes, strict=True)]
    for access, shape in tensors:
        if len(access.index) != len(shape):
            raise NotationError(
                f"{access.tensor} has {len(shape)} ranks, {len(access.index)} indices written", where=where
            )
        for rank, extent in zip(access.plain, shape, strict=True):
            if rank is None or rank in outside:
                continue
            if extents.setdefault(rank, extent) != extent:
                raise NotationError(
                    f"rank '{rank}' has extent {extents[rank]} and, in {access.tensor}, {extent}",
                    where=where,
                )
    extents.update(outside)
    coords = [operand.index for operand in einsum.operands if isinstance(operand, Coord)]
    used = [rank for access, _ in tensors for rank in access.ranks]
    used += [rank for index in coords for rank in index.ranks]
    for rank in (*used, *einsum.ranks):
        if rank not in extents:
            raise NotationError(f"rank '{rank}' has no extent: it is nowhere a plain index", where=where)
        if rank not in einsum.ranks and rank not in outside:
            raise NotationError(f"rank '{rank}' is neither in the output nor reduced", where=where)
    return {rank: extents[rank] for rank in dict.fromkeys([*einsum.ranks, *outside])}
