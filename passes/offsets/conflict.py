"""Why nothing fits: a smallest set of buffers that does not fit by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.errors import PlanError
from .problem import Buffer, Plan, busiest, lower_bound_bytes
from .search import Answer

Decide = Callable[[Sequence[Buffer], float], Answer]
"""``decide(buffers, seconds)``: whether some of the buffers fit in what is asked about."""

_LISTED = 12
_ONE_QUESTION = 0.2  # of the effort that is left
_LOOK_S = 5e-5  # effort, for every buffer of a question that was settled


@dataclass(frozen=True)
class Conflict:
    """Buffers that do not fit together.

    Attributes:
        buffers: in the order given.
        minimal: whether it is proved that without any one of them the others fit.
    """

    buffers: tuple[Buffer, ...]
    minimal: bool

    def text(self) -> str:
        """A clause naming the buffers."""
        listed = ", ".join(f"{b.name} ({b.size_bytes})" for b in self.buffers[:_LISTED])
        more = f" and {len(self.buffers) - _LISTED} more" if len(self.buffers) > _LISTED else ""
        proof = (
            "without any one of them the others do"
            if self.minimal
            else "perhaps not all are needed for that: not proved minimal in the time given"
        )
        return f"this set of {len(self.buffers)} does not fit by itself: {listed}{more}; {proof}"


class Infeasible(PlanError):
    """A capacity no plan was found for: the best plan known, and, where it is proved, who is in the way."""

    def __init__(self, message: str, best: Plan | None, conflict: Conflict | None, accepted: str) -> None:
        super().__init__(message, accepted=accepted)
        self.best = best
        self.conflict = conflict

    def to_json(self) -> dict[str, object]:
        """The error as a JSON object, with the conflict's buffers."""
        found: dict[str, Any] = {}
        if self.conflict is not None:
            found["conflict"] = [buffer.name for buffer in self.conflict.buffers]
            found["minimal"] = self.conflict.minimal
        return {**super().to_json(), **found}


def crowd(buffers: Sequence[Buffer], capacity: int) -> tuple[Buffer, ...]:
    """Buffers live at one step that do not fit for their size; empty where no step is overfull."""
    if lower_bound_bytes(buffers) <= capacity:
        return ()
    _, live = busiest(buffers)
    high = [b for b in buffers if b.offset is not None and b.offset + b.size_bytes > capacity]
    return (high[0],) if high else live


def minimal_conflict(buffers: Sequence[Buffer], decide: Decide, effort_s: float) -> Conflict:
    """Drop buffers one by one for as long as the rest does not fit either.

    Half of them at once, then quarters, and so on: where few buffers clash, most go early.

    Args:
        buffers: proved not to fit.
        decide: the oracle.
        effort_s: about seconds of one core, counted by questions and not by a clock: what cannot be settled
            within it stays in the set.
    """
    left, kept, minimal = effort_s, list(buffers), True
    chunk = max(1, len(kept) // 2)
    while True:
        at = 0
        while at < len(kept):
            if left <= 0:
                return Conflict(tuple(kept), False)
            rest = kept[:at] + kept[at + chunk :]
            allowed = max(left * _ONE_QUESTION, 0.01)
            answer = decide(rest, allowed) if rest else Answer(offsets={})
            settled = answer.proved or answer.offsets is not None
            left -= _LOOK_S * len(rest) if settled else allowed
            if answer.proved:
                kept = rest
                continue
            if chunk == 1 and not settled:
                minimal = False
            at += chunk
        if chunk == 1:
            return Conflict(tuple(kept), minimal)
        chunk = max(1, min(chunk, len(kept)) // 2)
