"""The players by name: each maps a problem, and says how much it evaluated and how it got there.

Every plan is judged by the verifier before it is handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.errors import InputError, PlanError
from .bound import lower_bound_s
from .effort import Budget, Found, Player, Progress, Training
from .heuristics import all_slow, assignment, evicting, evolution, greedy, insertion, random
from .hybrid import exact, hybrid, neighbourhoods
from .pins import check_pinned
from .problem import Machine, Problem
from .program import relaxed_bound_s
from .simulate import queued
from .verify import verify

__all__ = ["PLAYERS", "TRAINED", "Budget", "Found", "Progress", "Result", "Training", "solve"]

PLAYERS: Mapping[str, Player] = {
    "all-slow": all_slow,
    "random": random,
    "greedy": greedy,
    "insertion": insertion,
    "msa": assignment,
    "evolution": evolution,
    "evolution-evict": evicting,
    "hybrid": hybrid,
    "lns": neighbourhoods,
    "exact": exact,
}


def _agent(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    from .agent.player import play  # brings PyTorch along

    return play(problem, machine, budget, progress)


TRAINED: Mapping[str, Player] = {"agent": _agent}
"""Players that learn a program before they map it, which takes minutes."""


@dataclass(frozen=True)
class Result:
    """A player's plan with everything that judges it.

    Attributes:
        player, found: who, and what.
        all_slow_s, bound_s: latencies of no mapping and of any.
        queued_s: latency with copies that queue, beside the plan's own.
    """

    player: str
    found: Found
    all_slow_s: float
    bound_s: float
    queued_s: float

    @property
    def latency_s(self) -> float:
        """Of the plan."""
        return self.found.plan.latency_s

    @property
    def speedup(self) -> float:
        """Over everything in slow memory; 1 for a program that takes no time."""
        return self.all_slow_s / self.latency_s if self.latency_s else 1.0


def solve(
    problem: Problem,
    machine: Machine,
    player: str = "hybrid",
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Result:
    """Let a player map a problem, and have the verifier judge its plan.

    Raises:
        InputError: no such player, a budget below 1 evaluation, tensors pinned for another than the hybrid.
        Infeasible: pinned tensors do not fit together.
        PlanError: the verifier refuses the plan, which is a mistake of ours.
    """
    known = {**PLAYERS, **TRAINED}
    if player not in known:
        raise InputError(f"no player {player!r}", where="memory map", accepted=", ".join(known))
    allowed = budget or Budget()
    if allowed.evaluations < 1 or allowed.seed < 0:
        raise InputError(
            f"{allowed.evaluations} evaluations, seed {allowed.seed}",
            where="memory map",
            accepted="1 evaluation or more, a seed from 0 up",
        )
    if allowed.pinned and player != "hybrid":
        raise InputError(f"{player} does not know of pinned tensors", where="memory map", accepted="hybrid")
    found = known[player](problem, machine, allowed, progress)
    check_pinned(problem, found.plan, allowed.pinned)
    verdict = verify(problem, machine, found.plan)
    if not verdict.ok:
        raise PlanError(f"{player}'s plan breaks a rule: {verdict.faults[0]}", where=problem.name)
    return Result(
        player,
        found,
        verdict.all_slow_s,
        max(lower_bound_s(problem, machine), relaxed_bound_s(problem, machine)),
        queued(problem, machine, found.plan).latency_s,
    )
