"""Deferral: a factor that does not carry the reduced rank moves behind the reduction (FuseMax §III-C, §IV-D).

Sums distribute over products, so ``Σ_m (SN/SD)·V`` is ``(Σ_m SN·V)/SD``: where the factor was itself
closed by a reduction over the rank, the reading that had to wait for it no longer does.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir.einsum import Access, Einsum, Operand
from ..analyse import Cascade, count_passes
from .steps import Step, fresh_name

_DIVISIONS = ("div", "div_left")
_TRANSPARENT = ("id", "neg", "to_float")
Factor = tuple[str, Access]


def defer(cascade: Cascade, rank: str) -> tuple[Cascade, list[Step]]:
    """Move every factor closed over `rank` behind the sums over it.

    Returns:
        The cascade without Einsums that nobody reads any more, and one step per sum rewritten.
    """
    steps: list[Step] = []
    for einsum in cascade.einsums:
        if einsum.reduce == "sum" and rank in einsum.reduced:
            found = _Deferral(cascade, einsum, rank).run()
            if found is None:
                continue
            changed = prune(found)
            before = tuple(e for e in cascade.einsums if e not in changed.einsums)
            after = tuple(e for e in changed.einsums if e not in cascade.einsums)
            why = (
                f"{einsum.output.tensor} sums a factor that does not carry {rank}; sums distribute over "
                "products, so the factor applies once, to the sum (FuseMax §III-C, §IV-D)"
            )
            steps.append(Step("defer", before, after, why))
            cascade = changed
    return cascade, steps


def prune(cascade: Cascade) -> Cascade:
    """Drop Einsums that no result depends on."""
    wanted = set(cascade.results)
    alive: set[int] = set()
    found = True
    while found:  # what is carried may be read, of an earlier generation, before the place that writes it
        found = False
        for einsum in reversed(cascade.all):
            if einsum.output.tensor in wanted and id(einsum) not in alive:
                found = True
                alive.add(id(einsum))
                wanted |= {access.tensor for access in einsum.accesses}
    return replace(
        cascade,
        init=tuple(e for e in cascade.init if id(e) in alive),
        einsums=tuple(e for e in cascade.einsums if id(e) in alive),
    )


class _Deferral:
    """One sum: finds the factors in its product and rebuilds the product without them."""

    def __init__(self, cascade: Cascade, einsum: Einsum, rank: str) -> None:
        self.cascade = cascade
        self.einsum = einsum
        self.producers = {e.output.tensor: e for e in cascade.einsums}
        self.levels = count_passes(cascade, rank).levels
        self.taken = set(cascade.written) | set(cascade.inputs)
        self.added: list[Einsum] = []
        self.like = dict(cascade.like)

    def run(self) -> Cascade | None:
        einsum = self.einsum
        if einsum.map not in ("id", "mul"):
            return None
        direct = [o for o in einsum.operands if isinstance(o, Access) and self._closed(o)]
        kept = (
            tuple(o for o in einsum.operands if o not in direct) if einsum.map == "mul" else einsum.operands
        )
        operands, factors = self._strip_all(kept)
        if len(kept) == 1 and einsum.map == "mul":
            factors = [*factors, *(("mul", access) for access in direct)]
        if not factors or not operands:
            return None
        outputs = self.cascade.outputs or self.cascade.results
        name = self._fresh(f"{einsum.output.tensor}_num", einsum.output.tensor)
        operator = einsum.map if len(operands) == len(einsum.operands) else "id"
        total = replace(einsum, output=Access(name, einsum.output.index), map=operator, operands=operands)
        behind: list[Einsum] = []
        current = total.output
        for place, (factor, access) in enumerate(factors):
            last = place == len(factors) - 1
            target = einsum.output if last else Access(self._fresh(name, name), einsum.output.index)
            behind.append(Einsum(target, factor, (current, access)))
            current = target
        rebuilt: list[Einsum] = []
        for existing in self.cascade.einsums:
            rebuilt += [*self.added, total, *behind] if existing is einsum else [existing]
        return replace(self.cascade, einsums=tuple(rebuilt), outputs=outputs, like=self.like)

    def _fresh(self, wanted: str, like: str) -> str:
        name = fresh_name(wanted, self.taken)
        self.taken.add(name)
        self.like[name] = like
        return name

    def _strip_all(self, operands: tuple[Operand, ...]) -> tuple[tuple[Operand, ...], list[Factor]]:
        kept: list[Operand] = []
        factors: list[Factor] = []
        for operand in operands:
            if isinstance(operand, Access):
                operand, found = self._strip(operand)
                factors += found
            kept.append(operand)
        return tuple(kept), factors

    def _strip(self, access: Access) -> tuple[Access, list[Factor]]:
        """The tensor without its closed factors, and the factors."""
        producer = self.producers.get(access.tensor)
        if producer is None or producer.reduce is not None or producer.output.index != access.index:
            return access, []
        if producer.map in _DIVISIONS and self._closed(producer.operands[1]):
            return self._without(producer, 0, 1, producer.map)
        if producer.map == "mul":
            for kept, factor in ((0, 1), (1, 0)):
                if self._closed(producer.operands[factor]):
                    return self._without(producer, kept, factor, "mul")
        if producer.map == "mul" or producer.map in _TRANSPARENT:
            operands, factors = self._strip_all(producer.operands)
            if factors:
                name = self._fresh(producer.output.tensor, producer.output.tensor)
                self.added.append(replace(producer, output=Access(name, access.index), operands=operands))
                return Access(name, access.index), factors
        return access, []

    def _without(
        self, producer: Einsum, kept: int, factor: int, operator: str
    ) -> tuple[Access, list[Factor]]:
        inner, closed = producer.operands[kept], producer.operands[factor]
        if not isinstance(inner, Access) or not isinstance(closed, Access):
            return producer.output, []
        stripped, more = self._strip(inner)
        if set(stripped.ranks) != set(producer.output.ranks):
            return producer.output, []
        return stripped, [*more, (operator, closed)]

    def _closed(self, operand: Operand) -> bool:
        """Whether it is a value some reduction over the rank had to close first."""
        return (
            isinstance(operand, Access)
            and not set(operand.ranks) & set(self.einsum.reduced)
            and set(operand.ranks) <= set(self.einsum.output.ranks)
            and self.levels.get(operand.tensor, 0) >= 1
        )
