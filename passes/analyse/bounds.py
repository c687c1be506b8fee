"""Lower bounds of off-chip traffic, valid for every schedule of a cascade's Einsums as written.

The argument of Hong and Kung (STOC 1981): cut any execution in segments of equally many transfers, and
bound the points of an Einsum's iteration space that one segment can compute from the elements it has.
That number follows from the projections of the space on the tensors (Loomis-Whitney; Christ et al.,
"Communication lower bounds and optimal algorithms for programs that reference arrays", 2013; short ranks
as in Dinh and Demmel, SPAA 2020). For matrix products whose result is stored the constant is that of Smith,
Lowery, Langou and van de Geijn, "A tight I/O lower bound for matrix multiplication" (arXiv 1702.02017):
2·M·N·K/√S - 2·S. Where the product is consumed on chip, as Q·K is in attention, only segments that finish
their sums escape it, and the bound is of the order M·P·E²/S: Saha and Ye, "The I/O complexity of
attention", ICML 2024; Dao et al., "FlashAttention", NeurIPS 2022, Theorem 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import isfinite, prod

from ...ir.einsum import Access, Einsum
from ...ir.view import Cascade
from .sizes import compulsory_elements, require_extents

Projection = tuple[frozenset[str], float]


@dataclass(frozen=True)
class Bound:
    """A lower bound from one argument.

    Attributes:
        einsum: the output of the Einsum it is about, ``""`` for the compulsory bound.
        kind: ``compulsory``, ``stored`` (its result is stored) or ``consumed`` (it need not be).
        elements: elements that any schedule moves.
        formula: leading term, in rank shapes and the buffer S.
        valid: buffers for which the leading term says something.
        source: where the argument is from.
    """

    einsum: str
    kind: str
    elements: int
    formula: str
    valid: str
    source: str


def lower_bounds(cascade: Cascade, buffer_elements: int) -> tuple[Bound, ...]:
    """Every bound that applies, largest first; the first holds for any schedule of the cascade.

    Products in other orders (FuseMax §III-C) are other cascades and may move less.

    Raises:
        InputError: a rank has no extent.
    """
    require_extents(cascade)
    found = [
        Bound(
            "",
            "compulsory",
            compulsory_elements(cascade),
            "inputs + results",
            "any S",
            "each input is read and each result written",
        )
    ]
    for einsum in cascade.all:
        bound = _contraction(cascade, einsum, buffer_elements)
        if bound is not None:
            found.append(bound)
    return tuple(sorted(found, key=lambda bound: -bound.elements))


def _contraction(cascade: Cascade, einsum: Einsum, buffer: int) -> Bound | None:
    """The bound of one Einsum that reduces, from those operands that come from inputs one by one."""
    if einsum.reduce is None:
        return None
    operands = _projections(cascade, einsum)
    if not operands or len(einsum.accesses) < 2:
        return None
    extents = {rank: cascade.extents[rank] for rank in einsum.ranks}
    output = frozenset(einsum.output.ranks)
    if einsum.output.tensor in cascade.results:
        elements = _stored(extents, [*operands, (output, 1.0)], buffer)
        kind, source = "stored", "Hong-Kung; Smith et al. for products"
    else:
        elements = _consumed(extents, operands, output, frozenset(einsum.reduced), buffer)
        kind, source = "consumed", "Saha and Ye 2024; Dao et al. 2022"
    formula, valid = _leading(operands, einsum, kind)
    return Bound(einsum.output.tensor, kind, max(0, int(elements)), formula, valid, source)


def _stored(extents: Mapping[str, int], projections: Sequence[Projection], buffer: int) -> float:
    """Loads and stores of an Einsum whose result is stored once finished.

    A result counted as loaded when begun and stored when done moves as often as one only stored, so that
    everything used in a segment of R loads is among S + R elements.
    """
    points = float(prod(extents.values()))
    best = 0.0
    for covering in _coverings(_ranks(extents), tuple(ranks for ranks, _ in projections)):
        sigma = float(sum(covering))
        if sigma <= 1:
            continue
        loads = buffer / (sigma - 1)
        most = _most_points(extents, projections, covering, buffer + loads)
        best = max(best, loads * (points / most - 1))
    return best


def _consumed(
    extents: Mapping[str, int],
    operands: Sequence[Projection],
    output: frozenset[str],
    reduced: frozenset[str],
    buffer: int,
) -> float:
    """Transfers of an Einsum whose result need never leave the chip.

    In a segment of T transfers the operands seen are among S + T elements. An output finished inside the
    segment saw all of its operands; one not finished is among 2·S + T elements together with them.
    """
    points = float(prod(extents.values()))
    inner = {rank: extents[rank] for rank in output}
    folded = float(prod(extents[rank] for rank in reduced))
    fibers = [
        (ranks & output, weight * prod(extents[rank] for rank in ranks & reduced))
        for ranks, weight in operands
    ]
    best = 0.0
    for ratio in (0.5, 1.0, 2.0):
        transfers = ratio * buffer
        finished = folded * _fewest(inner, fibers, buffer + transfers)
        begun = _fewest(extents, [*operands, (output, 1.0)], 2 * buffer + transfers)
        best = max(best, transfers * (points / (finished + begun) - 1))
    return best


def _fewest(extents: Mapping[str, int], projections: Sequence[Projection], elements: float) -> float:
    """The least bound on the points that `elements` elements allow."""
    choices = _coverings(_ranks(extents), tuple(ranks for ranks, _ in projections))
    return min(_most_points(extents, projections, covering, elements) for covering in choices)


def _ranks(extents: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(extents))


def _most_points(
    extents: Mapping[str, int],
    projections: Sequence[Projection],
    covering: Sequence[Fraction],
    elements: float,
) -> float:
    """Points whose projections together have `elements` weighted elements, at most.

    |V| ≤ Π_j N_j^{s_j} · Π_r extent_r^{max(0, 1 - Σ_{j∋r} s_j)}, with Σ w_j N_j ≤ `elements`.
    """
    points = float(prod(extents.values()))
    sigma = float(sum(covering))
    most = 1.0
    for (_, weight), exponent in zip(projections, covering, strict=True):
        if exponent:
            most *= (float(exponent) * elements / (sigma * weight)) ** float(exponent)
    for rank, extent in extents.items():
        pairs = zip(projections, covering, strict=True)
        covered = float(sum(exponent for (ranks, _), exponent in pairs if rank in ranks))
        most *= extent ** max(0.0, 1.0 - covered)
    return min(points, most) if isfinite(most) else points


@lru_cache(maxsize=4096)
def _coverings(
    ranks: tuple[str, ...], projections: tuple[frozenset[str], ...]
) -> tuple[tuple[Fraction, ...], ...]:
    """Exponents worth trying: vertices of the covering polyhedra, for every set of ranks left to cover."""
    found = {(Fraction(0),) * len(projections)}
    for count in range(1, len(ranks) + 1):
        for kept in combinations(ranks, count):
            if all(any(rank in projection for projection in projections) for rank in kept):
                found |= _least_vertices(kept, projections)
    return tuple(sorted(found))


def _least_vertices(
    ranks: tuple[str, ...], projections: tuple[frozenset[str], ...]
) -> set[tuple[Fraction, ...]]:
    """Vertices of {s ≥ 0, Σ_{j∋r} s_j ≥ 1 for each rank r} with the least Σ s_j."""
    size = len(projections)
    rows = [[Fraction(int(rank in projection)) for projection in projections] for rank in ranks]
    walls = [(row, Fraction(1)) for row in rows]
    walls += [([Fraction(int(at == axis)) for at in range(size)], Fraction(0)) for axis in range(size)]
    vertices: set[tuple[Fraction, ...]] = set()
    for chosen in combinations(walls, size):
        point = _solve([[*row, value] for row, value in chosen])
        if point is None or any(value < 0 for value in point):
            continue
        if all(sum(a * b for a, b in zip(row, point, strict=True)) >= 1 for row in rows):
            vertices.add(point)
    least = min((sum(vertex) for vertex in vertices), default=Fraction(0))
    return {vertex for vertex in vertices if sum(vertex) == least}


def _solve(rows: list[list[Fraction]]) -> tuple[Fraction, ...] | None:
    """The solution of a square system by elimination, None when it is singular."""
    size = len(rows)
    for column in range(size):
        pivot = next((at for at in range(column, size) if rows[at][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = rows[column][column]
        rows[column] = [value / scale for value in rows[column]]
        for at in range(size):
            if at != column and rows[at][column]:
                factor = rows[at][column]
                rows[at] = [a - factor * b for a, b in zip(rows[at], rows[column], strict=True)]
    return tuple(row[-1] for row in rows)


# Which operands a schedule must bring in: those whose every element comes from an input's own element.


def _projections(cascade: Cascade, einsum: Einsum) -> list[Projection]:
    """Projections on the operands that come from inputs; inputs read twice count half each."""
    traced = [(frozenset(access.ranks), _origin(cascade, access)) for access in einsum.accesses]
    known = [(ranks, root) for ranks, root in traced if root is not None and ranks <= set(einsum.ranks)]
    roots = [root for _, root in known]
    return [(ranks, 1.0 / roots.count(root)) for ranks, root in known]


def _origin(cascade: Cascade, access: Access) -> str | None:
    """The input from whose elements those of an operand come one to one, None where there is none."""
    writers = {einsum.output.tensor: einsum for einsum in cascade.all}
    if not _one_to_one(cascade, access) or access.tensor in cascade.carried:
        return None
    writer = writers.get(access.tensor)
    if writer is None:
        return access.tensor
    if writer.reduce is not None:
        return None
    for operand in writer.accesses:
        if set(operand.ranks) == set(writer.output.ranks):
            found = _origin(cascade, operand)
            if found is not None:
                return found
    return None


def _one_to_one(cascade: Cascade, access: Access) -> bool:
    """Whether different points of an access's ranks read different elements."""
    seen: list[str] = []
    for index in access.index:
        seen += index.ranks
        family = tuple(rank for rank, _ in sorted(index.terms, key=lambda term: -term[1]))
        plain = len(index.terms) <= 1
        if not plain and not any(family == known for known in _partitions(cascade)):
            return False
    return len(seen) == len(set(seen))


def _partitions(cascade: Cascade) -> Iterator[tuple[str, ...]]:
    yield from (family for family in cascade.families() if len(family) > 1)


def _leading(operands: Sequence[Projection], einsum: Einsum, kind: str) -> tuple[str, str]:
    """The leading term and its range, for the two shapes everybody knows; else in words."""
    shapes = "*".join(rank.upper() for rank in einsum.ranks)
    folded = "*".join(rank.upper() for rank in einsum.reduced)
    pair = len(operands) == 2 and operands[0][0] & operands[1][0] == set(einsum.reduced)
    covers = pair and operands[0][0] | operands[1][0] == set(einsum.ranks)
    if not covers:
        return "points/S^(sum of exponents - 1)", "S below the operands"
    if kind == "stored":
        return f"2*{shapes}/sqrt(S) - 2*S", f"S below each operand of {einsum.output.tensor}"
    free = "*".join(rank.upper() for rank in einsum.output.ranks)
    square = f"{folded}^2" if len(einsum.reduced) == 1 else f"({folded})^2"
    return f"{free}*{square}/S", f"{square} <= S <= each operand of {einsum.output.tensor}"
