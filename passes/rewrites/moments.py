"""Distribution: a sum of a polynomial in closed values becomes sums that wait for none of them.

``Σ_k (X - M)²`` is ``Σ X² - 2 M Σ X + K M²``, and ``Σ_d (X - M) R W`` is ``R (Σ X W - M Σ W)``: the sums on
the right read the fiber once, where the left one must wait for M (FuseMax §III-C, by distributivity).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...ir.einsum import Access, Einsum, Index, Literal, Operand
from ...ir.view import Cascade
from ..analyse import count_passes
from ..fuse.defer import prune
from ..fuse.steps import Step, fresh_name
from .sharing import share

# Terms of an expanded summand; beyond it the sums cost more than the passes they save.
_TERMS = 6

CAVEAT = "a difference of sums: digits cancel where the mean is large against the deviation"


@dataclass(frozen=True)
class Term:
    """coefficient · streams · closed: what carries a summed rank, and what does not.

    `closed` pairs each factor with the operator that applies it, ``mul`` or a division.
    """

    coefficient: float = 1.0
    streams: tuple[Access, ...] = ()
    closed: tuple[tuple[str, Access], ...] = ()

    def __mul__(self, other: Term) -> Term:
        streams = tuple(sorted(self.streams + other.streams, key=str))
        closed = tuple(sorted(self.closed + other.closed, key=str))
        return Term(self.coefficient * other.coefficient, streams, closed)


Terms = tuple[Term, ...]


def distribute(cascade: Cascade, rank: str) -> Iterator[tuple[Cascade, Step, str]]:
    """Each sum over `rank` that need not wait for what it reads, with the step and the caveat.

    The extents of summed ranks become constants, so they must be the real ones.
    """
    for einsum in cascade.einsums:
        if einsum.reduce == "sum" and rank in einsum.reduced:
            terms = _Expansion(cascade, einsum, rank).terms()
            if terms is not None and len(terms) > 1:
                yield _rebuilt(cascade, einsum, terms)


class _Expansion:
    """The summand of one sum as a polynomial in what streams and what is closed."""

    def __init__(self, cascade: Cascade, einsum: Einsum, rank: str) -> None:
        self.einsum = einsum
        self.producers = {each.output.tensor: each for each in cascade.einsums}
        self.levels = count_passes(cascade, rank).levels

    def terms(self) -> Terms | None:
        """The terms, None where the summand is no polynomial or waits for nothing."""
        terms = self.mapped(self.einsum)
        if terms is None or not any(term.closed for term in terms):
            return None
        return _collected(terms)

    def mapped(self, einsum: Einsum) -> Terms | None:
        operands = [self.operand(operand) for operand in einsum.operands]
        if einsum.map in ("div", "div_left"):
            divisor = einsum.operands[1]
            if operands[0] is None or not isinstance(divisor, Access) or not self.closed(divisor):
                return None
            return tuple(term * Term(closed=((einsum.map, divisor),)) for term in operands[0])
        known = [each for each in operands if each is not None]
        if len(known) < len(operands):
            return None
        match einsum.map:
            case "id":
                return known[0]
            case "neg":
                return _scaled(known[0], -1.0)
            case "add":
                return known[0] + known[1]
            case "sub":
                return known[0] + _scaled(known[1], -1.0)
            case "mul":
                return _multiplied(known[0], known[1])
            case "square":
                return _multiplied(known[0], known[0])
        return None

    def operand(self, operand: Operand) -> Terms | None:
        if isinstance(operand, Literal):
            return (Term(float(operand.value)),)
        if not isinstance(operand, Access) or any(len(index.terms) > 1 for index in operand.index):
            return None  # at an expression a point may be absent, and the points are counted
        if self.closed(operand):
            return (Term(closed=(("mul", operand),)),)
        if self.levels.get(operand.tensor, 0) <= 1:
            return (Term(streams=(operand,)),)
        producer = self.producers.get(operand.tensor)
        if producer is None or producer.reduce is not None or producer.output.index != operand.index:
            return None
        return self.mapped(producer)

    def closed(self, access: Access) -> bool:
        """Whether it carries none of the summed ranks, and may come in after the sum."""
        return not set(access.ranks) & set(self.einsum.reduced) and set(access.ranks) <= set(
            self.einsum.output.ranks
        )


def _scaled(terms: Terms, factor: float) -> Terms:
    return tuple(replace(term, coefficient=term.coefficient * factor) for term in terms)


def _multiplied(left: Terms, right: Terms) -> Terms | None:
    if len(left) * len(right) > 4 * _TERMS:
        return None
    return tuple(one * other for one in left for other in right)


def _collected(terms: Terms) -> Terms | None:
    """Like terms added up; None where there are too many."""
    total: dict[tuple[object, object], Term] = {}
    for term in terms:
        key = (term.streams, term.closed)
        coefficient = term.coefficient + (total[key].coefficient if key in total else 0.0)
        total[key] = replace(term, coefficient=coefficient)
    kept = tuple(term for term in total.values() if term.coefficient)
    return kept if 1 < len(kept) <= _TERMS else None


def _rebuilt(cascade: Cascade, einsum: Einsum, terms: Terms) -> tuple[Cascade, Step, str]:
    made = _Builder(cascade, einsum).build(terms)
    einsums = tuple(new for old in cascade.einsums for new in (made if old is einsum else (old,)))
    like = dict(cascade.like)
    for each in made:
        like.setdefault(each.output.tensor, einsum.output.tensor)
    changed = replace(cascade, einsums=einsums, outputs=cascade.results, like=like)
    after = prune(share(changed))
    waits = sorted({access.tensor for term in terms for _, access in term.closed})
    why = (
        f"the summand of {einsum.output.tensor} is a polynomial in {', '.join(waits)}, which no summed rank "
        "indexes; sums distribute, so each power is summed on its own and waits for nothing (FuseMax §III-C)"
    )
    before = tuple(each for each in cascade.einsums if each not in after.einsums)
    come = tuple(each for each in after.einsums if each not in cascade.einsums)
    cancels = any(term.coefficient < 0 for term in terms) and any(term.coefficient > 0 for term in terms)
    return after, Step("distribute", before, come, why), CAVEAT if cancels else ""


class _Builder:
    """Writes the terms as Einsums."""

    def __init__(self, cascade: Cascade, einsum: Einsum) -> None:
        self.cascade = cascade
        self.einsum = einsum
        self.taken = set(cascade.written) | set(cascade.inputs)
        self.made: list[Einsum] = []

    def build(self, terms: Terms) -> tuple[Einsum, ...]:
        common = Counter(terms[0].closed)
        for term in terms:
            common &= Counter(term.closed)
        total: Access | None = None
        for place, term in enumerate(terms):
            own = Counter(term.closed) - common
            sign = term.coefficient < 0 and place > 0
            value = self.term(replace(term, closed=tuple(sorted(own.elements(), key=str))), negated=sign)
            total = value if total is None else self.add("sub" if sign else "add", total, value)
        assert total is not None
        for operator, access in sorted(common.elements(), key=str):
            total = self.add(operator, total, access)
        self.made[-1] = replace(self.made[-1], output=self.einsum.output)
        return tuple(self.made)

    def term(self, term: Term, *, negated: bool) -> Access:
        """coefficient · closed · Σ streams, the smaller products first."""
        factor = abs(term.coefficient) if negated else term.coefficient
        moment: Operand
        if term.streams:
            moment = self.moment(term.streams)
        else:
            count = math.prod(self.cascade.extents[rank] for rank in self.einsum.reduced)
            moment, factor = Literal(factor * count), 1.0
        ordered = sorted(term.closed, key=lambda each: (each[0] != "mul", len(each[1].ranks), str(each)))
        for operator, access in ordered:
            if operator == "mul" and isinstance(moment, Literal):
                moment = self.add("mul", access, moment)
            else:
                moment = self.add(operator, moment, access)
        if factor != 1.0 or isinstance(moment, Literal):
            moment = self.add("mul", moment, Literal(factor))
        return moment

    def moment(self, streams: tuple[Access, ...]) -> Access:
        """The sum of a product of streams over the ranks it carries; equal terms are counted."""
        current = streams[0]
        for other in streams[1:-1]:
            current = self.add("mul", current, other)
        reduced = tuple(r for r in self.einsum.reduced if any(r in access.ranks for access in streams))
        repeated = math.prod(self.cascade.extents[r] for r in self.einsum.reduced if r not in reduced)
        kept = [rank for access in streams for rank in access.ranks if rank not in reduced]
        output = self.fresh("_".join(dict.fromkeys(access.tensor for access in streams)) + "_sum", kept)
        if len(streams) == 1:
            self.made.append(Einsum(output, "id", (current,), "sum", reduced))
        elif streams[-1] == current:
            self.made.append(Einsum(output, "square", (current,), "sum", reduced))
        else:
            self.made.append(Einsum(output, "mul", (current, streams[-1]), "sum", reduced))
        return output if repeated == 1 else self.add("mul", output, Literal(float(repeated)))

    def add(self, operator: str, left: Operand, right: Operand) -> Access:
        ranks = [r for each in (left, right) if isinstance(each, Access) for r in each.ranks]
        order = [*self.einsum.output.ranks, *self.einsum.reduced]
        output = self.fresh(f"{self.einsum.output.tensor}_term", [r for r in order if r in ranks])
        self.made.append(Einsum(output, operator, (left, right)))
        return output

    def fresh(self, wanted: str, ranks: list[str]) -> Access:
        name = fresh_name(wanted, self.taken)
        self.taken.add(name)
        return Access(name, tuple(Index.of(rank) for rank in dict.fromkeys(ranks)))
