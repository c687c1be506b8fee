"""Which symbols to spill: the paper's order, orders of ours, and the cheapest choice there is.

SN40L (section V-A) spills, one after another, the symbol that moves fewest bytes, until the rest fits. That
ignores how much room a symbol leaves and whether it is there when room is short; `per-byte` weighs the one,
`relief` both, and takes back what turns out to fit after all. `exact` minimises the time that spilling adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ...ir.errors import InputError, PlanError
from .pack import Packing


@dataclass(frozen=True)
class Choice:
    """What stays near.

    Attributes:
        kept: mask of the symbols.
        bound_s: no choice adds less time than this; None where the policy proves nothing.
        proved: the choice is the cheapest.
    """

    kept: np.ndarray
    bound_s: float | None = None
    proved: bool = False


Policy = Callable[[Packing], Choice]
Score = Callable[[Packing, np.ndarray], np.ndarray]
"""What to spill next: the least of these, for a mask of what is near."""


def by_bytes_moved(packing: Packing, kept: np.ndarray) -> np.ndarray:
    """The paper's measure."""
    return packing.moved.astype(float)


def by_bytes_moved_per_byte(packing: Packing, kept: np.ndarray) -> np.ndarray:
    """The same, for a byte of room."""
    return packing.moved / packing.sizes


def by_relief(packing: Packing, kept: np.ndarray) -> np.ndarray:
    """Time added for a byte by which an overfull step becomes less so, over all of them.

    Where no step is overfull the symbols still do not pack; then every byte counts that is live at the peak.
    """
    live = packing.demand.bytes @ kept
    over = np.maximum(live - packing.room, 0)
    short = over if over.any() else (live == live.max()) * packing.unit
    relief = np.minimum(packing.demand.bytes, short[:, None]).sum(axis=0).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(relief > 0, packing.prices / relief, np.inf)


def spill_by(packing: Packing, score: Score) -> np.ndarray:
    """Spill the symbol of least score and pack again, until the rest fits.

    Raises:
        PlanError: what may not be spilled does not fit.
    """
    kept = packing.all_kept()
    while packing.decide(kept).offsets is None:
        candidates = np.flatnonzero(kept & packing.spillable)
        if not len(candidates):
            raise does_not_fit(packing)
        scores = score(packing, kept)[candidates]
        kept[candidates[int(np.lexsort((candidates, scores))[0])]] = False
    return kept


def take_back(packing: Packing, kept: np.ndarray) -> np.ndarray:
    """Bring spilled symbols near again where they fit, the dearest first."""
    found = kept.copy()
    for at in sorted(np.flatnonzero(~kept), key=lambda each: -packing.prices[each]):
        found[at] = True
        if packing.decide(found).offsets is None:
            found[at] = False
    return found


def does_not_fit(packing: Packing) -> PlanError:
    """The error for symbols that must be near and do not fit."""
    held = packing.symbols(~packing.spillable)
    need = packing.demand.peak(~packing.spillable)
    largest = ", ".join(f"{s.name} ({s.size} bytes)" for s in sorted(held, key=lambda each: -each.size)[:3])
    return PlanError(
        f"what may not be spilled needs {need} bytes of {packing.tiers.near.name}; the largest: {largest}",
        where=packing.program.name,
        accepted=f"{packing.room} bytes or less",
    )


def paper(packing: Packing) -> Choice:
    """Fewest bytes moved first."""
    return Choice(spill_by(packing, by_bytes_moved))


def per_byte(packing: Packing) -> Choice:
    """Fewest bytes moved for a byte of its size first."""
    return Choice(spill_by(packing, by_bytes_moved_per_byte))


def relief(packing: Packing) -> Choice:
    """Least time for the room that is short, and what fits again is taken back."""
    return Choice(take_back(packing, spill_by(packing, by_relief)))


def exact(packing: Packing) -> Choice:
    """The cheapest choice, by CP-SAT."""
    from .exact import cheapest  # OR-tools takes a while to import

    return cheapest(packing, relief(packing))


POLICIES: Mapping[str, Policy] = {"paper": paper, "per-byte": per_byte, "relief": relief, "exact": exact}


def choose(packing: Packing, policy: str) -> Choice:
    """What a policy keeps near.

    Raises:
        InputError: no such policy.
        PlanError: what may not be spilled does not fit.
    """
    if policy not in POLICIES:
        raise InputError(f"no policy {policy!r}", where="spilling", accepted=", ".join(POLICIES))
    return POLICIES[policy](packing)
