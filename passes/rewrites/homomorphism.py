"""How a summand changes when a closed value it reads does: by a factor, or not simply (FuseMax §III-C).

``exp(x - g')`` is ``exp(x - g) · exp(g - g')``; a product or a quotient changes by the ratio of the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.einsum import Access, Einsum, Literal, Operand

_TRANSPARENT = ("id", "neg", "to_float")
_EXPONENTIALS = ("exp_sub", "exp_sub_left")
_DIVISIONS = ("div", "div_left")


class NotHomomorphic(Exception):
    """A summand does not change by a factor; the message says which Einsum stands in the way."""


@dataclass(frozen=True)
class Homomorphism:
    """Reads the factors off the dependency graph.

    Attributes:
        kinds: tensor → ``running`` (folded over the rank), ``closed`` (made of such), ``provisional``
            (streams the rank and waits for one), ``tile`` (streams and waits for nothing), ``outside``.
        producers: tensor → the Einsum that writes it.
        nonzero: closed tensors known never to be zero.
    """

    kinds: Mapping[str, str]
    producers: Mapping[str, Einsum]
    nonzero: frozenset[str]

    def factors(self, einsum: Einsum) -> list[tuple[str, Access]]:
        """What a summand is homomorphic in: ``exp``, ``mul`` or ``div`` with the closed value.

        Raises:
            NotHomomorphic: it changes by no factor, by one that differs from point to point of its own
                fold, or by a ratio of values that may be zero.
        """
        found = self._at_a_point(einsum)
        inside = [access for _, access in found if set(access.ranks) & set(einsum.reduced)]
        if inside or (found and einsum.reduce not in (None, "sum")):
            raise NotHomomorphic(f"{einsum} folds what {found[0][1].tensor} is a factor of")
        return found

    def _at_a_point(self, einsum: Einsum) -> list[tuple[str, Access]]:
        """The closed values the map of an Einsum is homomorphic in."""
        if einsum.map in _EXPONENTIALS:
            exponent, shift = einsum.operands
            if not self.waits(exponent) and isinstance(shift, Access) and self.waits(shift):
                return [("exp", shift)]
        waiting = [each for each in einsum.operands if self.waits(each)]
        if not waiting:
            return []
        if einsum.map in _TRANSPARENT or einsum.map == "mul":
            return [factor for operand in waiting for factor in self._of(operand, "mul")]
        if einsum.map in _DIVISIONS:
            top, bottom = einsum.operands
            return [
                *(self._of(top, "mul") if self.waits(top) else []),
                *(self._of(bottom, "div") if self.waits(bottom) else []),
            ]
        if einsum.map == "where" and einsum.operands[2] == Literal(0.0) and waiting == [einsum.operands[1]]:
            return self._of(waiting[0], "mul")
        raise NotHomomorphic(f"{einsum} is not homomorphic in {waiting[0]}")

    def _of(self, operand: Operand, role: str) -> list[tuple[str, Access]]:
        assert isinstance(operand, Access)
        if self.kinds[operand.tensor] == "provisional":
            if role == "div":
                raise NotHomomorphic(f"a division by {operand.tensor}, which waits for a fold")
            producer = self.producers[operand.tensor]
            if producer.output.index != operand.index:
                raise NotHomomorphic(f"{operand} is read at other ranks than it is written at")
            return self.factors(producer)
        if operand.tensor not in self.nonzero:
            raise NotHomomorphic(f"{operand.tensor} may be zero over a part of the rank, and is a factor")
        return [(role, operand)]

    def waits(self, operand: Operand) -> bool:
        """Whether an operand depends on a fold over the rank."""
        waiting = ("running", "closed", "provisional")
        return isinstance(operand, Access) and self.kinds.get(operand.tensor) in waiting


def kinds_over(cascade_einsums: tuple[Einsum, ...], rank: str) -> dict[str, str]:
    """What each tensor is to a rank, see `Homomorphism`."""
    kinds: dict[str, str] = {}
    for einsum in cascade_einsums:
        below = {kinds.get(access.tensor, "input") for access in einsum.accesses}
        waits = bool(below & {"running", "closed", "provisional"})
        if rank in einsum.reduced:
            kinds[einsum.output.tensor] = "running"
        elif rank in einsum.ranks:
            kinds[einsum.output.tensor] = "provisional" if waits else "tile"
        else:
            kinds[einsum.output.tensor] = "closed" if waits else "outside"
    return kinds
