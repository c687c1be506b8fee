"""The cheapest symbols to spill: CP-SAT chooses by the bytes live at each step, the offset planner packs.

Where a choice does not pack, symbols that are proved not to fit together are barred from being near together,
and CP-SAT chooses again. The bound holds as long as every such bar is proved.
"""

from __future__ import annotations

import numpy as np
from ortools.sat.python import cp_model

from .pack import Packing
from .policies import Choice, does_not_fit

ROUNDS = 60
"""Choices that are packed before the heuristic's is taken."""
DETERMINISTIC_TIME = 10.0
"""CP-SAT's effort for one choice."""
SCALE = float(1 << 50)
"""Whole units that all prices together are counted in."""


def cheapest(packing: Packing, start: Choice) -> Choice:
    """The choice that adds least time.

    Args:
        packing: the program and its tiers.
        start: a choice that packs; the result is never dearer.

    Raises:
        PlanError: what may not be spilled does not fit.
    """
    master = _Master(packing, start.kept)
    bound, valid = 0.0, True
    for _ in range(ROUNDS):
        found = master.solve()
        if found is None:
            break
        kept, low, optimal = found
        if valid:
            bound = max(bound, low)
        answer = packing.decide(kept)
        if answer.offsets is not None:
            kept = kept if _price(packing, kept) < _price(packing, start.kept) else start.kept
            return Choice(kept, min(bound, _price(packing, kept)), valid and optimal)
        valid = valid and answer.proved
        master.bar(packing.conflict(kept) if answer.proved else None, kept)
    if packing.demand.peak(~packing.spillable) > packing.room:
        raise does_not_fit(packing)
    return Choice(start.kept, min(bound, _price(packing, start.kept)))


def _price(packing: Packing, kept: np.ndarray) -> float:
    return float(packing.prices[~kept].sum())


class _Master:
    """The choice without addresses: what is near fits in bytes at every step."""

    def __init__(self, packing: Packing, start: np.ndarray) -> None:
        self.packing = packing
        self.model = cp_model.CpModel()
        self.near = [self.model.new_bool_var(symbol.name) for symbol in packing.program.symbols]
        for at, literal in enumerate(self.near):
            if not packing.spillable[at]:
                self.model.add(literal == 1)
            self.model.add_hint(literal, bool(start[at]))
        for row in np.unique(packing.demand.bytes // packing.unit, axis=0):
            there = np.flatnonzero(row)
            if row.sum() > packing.room // packing.unit:
                self.model.add(
                    sum(int(row[at]) * self.near[at] for at in there) <= packing.room // packing.unit
                )
        self.scale = SCALE / max(float(packing.prices.sum()), 1e-300)
        prices = [int(price * self.scale) for price in packing.prices]
        self.model.minimize(sum(price * (1 - near) for price, near in zip(prices, self.near, strict=True)))

    def solve(self) -> tuple[np.ndarray, float, bool] | None:
        """The mask of what is near, the bound in seconds, and whether it is optimal; None: nothing found."""
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.max_deterministic_time = DETERMINISTIC_TIME
        status = solver.solve(self.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        kept = np.array([bool(solver.value(near)) for near in self.near])
        return kept, solver.best_objective_bound / self.scale, status == cp_model.OPTIMAL

    def bar(self, conflict: tuple[str, ...] | None, kept: np.ndarray) -> None:
        """Forbid some symbols, or just this choice, to be near together."""
        names = [symbol.name for symbol in self.packing.program.symbols]
        if conflict is None:
            self.model.add_bool_or(
                [near.negated() if there else near for near, there in zip(self.near, kept, strict=True)]
            )
        else:
            self.model.add_bool_or([self.near[names.index(name)].negated() for name in conflict])
