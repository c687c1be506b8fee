"""What an Einsum costs to compute: operations by class, weighted by the cycles a class takes."""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.einsum import Einsum
from ...ir.view import Cascade
from ..analyse import einsum_counts

# Cycles per operation of a processing element: an exponential is six multiply-accumulates and a division
# is a divider's latency over the additions that fit meanwhile (FuseMax §V, §VI-A).
CYCLES: Mapping[str, float] = {
    "add": 1.0, "mul": 1.0, "max": 1.0, "cmp": 1.0, "div": 4.0, "exp": 6.0, "move": 0.0,
}  # fmt: skip


def einsum_weight(einsum: Einsum, extents: Mapping[str, int], cycles: Mapping[str, float] = CYCLES) -> float:
    """Cycles of one Einsum on one processing element.

    Args:
        einsum: the Einsum.
        extents: rank → extent; 1024 where it is not given.
        cycles: operation class → cycles.
    """
    known = {rank: extents.get(rank, 1 << 10) for rank in einsum.ranks}
    return sum(cycles.get(kind, 1.0) * count.at(known) for kind, count in einsum_counts(einsum).items())


def cascade_weight(cascade: Cascade, cycles: Mapping[str, float] = CYCLES) -> float:
    """Cycles of all Einsums of a cascade on one processing element, the initialization included."""
    return sum(einsum_weight(einsum, cascade.extents, cycles) for einsum in cascade.all)
