"""Orders to spill symbols in, on random programs: SN40L's, of section V-A, and others, beside the optimum.

The paper publishes no figure of its order. Programs are small enough that every set of symbols can be looked
at; the near tier holds a random share of what a program needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir.errors import PlanError
from ..ir.targets import load
from ..passes.tiers.oracle import enumerate_choices
from ..passes.tiers.pack import Packing, sharing
from ..passes.tiers.policies import POLICIES, choose
from ..passes.tiers.problem import Program, Symbol, Tiers
from .rows import Check, Row

PROGRAMS = 500
TARGET = "sn40l-small"
SOURCE = "not published; 500 random programs of up to 12 symbols"
UNIT = 64
"""Bytes sizes are multiples of."""
SAME = 1e-9
"""Relative; choices this close add the same time."""


@dataclass(frozen=True)
class Compared:
    """Time that each policy's spilling adds to one program, seconds, and that of the best set of all."""

    best_s: float
    added_s: dict[str, float]

    def excess(self, policy: str) -> float:
        """How far a policy is above the optimum, relative to it."""
        over = self.added_s[policy] - self.best_s
        if over <= SAME * self.best_s:
            return 0.0
        return over / self.best_s if self.best_s else math.inf


def random_program(seed: int) -> Program:
    """A program of weights read in every trip of a loop, and of tensors made once and read later.

    Sizes are log-uniform over two orders of magnitude; a quarter of the tensors live in a loop body.
    """
    draw = np.random.default_rng(seed)
    steps = int(draw.integers(6, 20))
    symbols = [Symbol("result", _size(draw), int(draw.integers(0, steps)), steps, 0, 64, False)]
    for at in range(int(draw.integers(1, 5))):
        size, trips = _size(draw), int(draw.integers(1, 9))
        symbols.append(Symbol(f"weight{at}", size, 0, steps, size * trips, 0))
    for at in range(int(draw.integers(4, 9))):
        size, start = _size(draw), int(draw.integers(0, steps - 1))
        end = int(draw.integers(start + 1, min(steps, start + 8)) + 1)
        trips = int(draw.integers(2, 17)) if draw.random() < 0.25 else 1
        reads = int(draw.integers(1, 4)) * trips
        symbols.append(Symbol(f"tensor{at}", size, start, end, size * reads, size * trips))
    return Program(f"random {seed}", steps, tuple(symbols))


def _size(draw: np.random.Generator) -> int:
    return UNIT * int(2 ** draw.uniform(0, 7))


def tiers_for(program: Program, seed: int) -> Tiers:
    """The miniature node, its near tier a share of what the program needs, its results at least."""
    share = np.random.default_rng((seed, 1)).uniform(0.3, 0.95)
    held = sum(symbol.size for symbol in program.symbols if not symbol.spillable)
    need = int(share * sharing(program, UNIT)["shared"])
    return Tiers.of(load(TARGET), max(held, need // UNIT * UNIT))


def compare(seed: int) -> Compared:
    """All policies on one program.

    Raises:
        PlanError: a policy found less than the optimum, so one of the two is wrong.
    """
    program = random_program(seed)
    packing = Packing(program, tiers_for(program, seed))
    best = enumerate_choices(packing).bound_s or 0.0
    added = {name: float(packing.prices[~choose(packing, name).kept].sum()) for name in POLICIES}
    if min(added.values()) < best * (1 - SAME):
        raise PlanError(f"{min(added.values())} s is below the optimum, {best} s", where=program.name)
    return Compared(best, added)


def spill_rows() -> tuple[list[Row], list[Check]]:
    """Rows of every policy, and the check that the exact one is."""
    found = [compare(seed) for seed in range(PROGRAMS)]
    rows = [row for policy in POLICIES for row in _rows(policy, found)]
    worst, where = max((each.excess("exact"), f"program {at}") for at, each in enumerate(found))
    return rows, [Check("spill/exact above the optimum", SAME, worst, where, len(found))]


def _rows(policy: str, found: list[Compared]) -> Iterator[Row]:
    over = [each.excess(policy) for each in found if each.best_s > 0]
    needless = sum(each.added_s[policy] > 0 for each in found if each.best_s == 0)
    share = sum(each == 0 for each in over) / len(over)
    yield Row(
        f"spill/{policy}/optimal", share, None, "share of programs", SOURCE, {"needless": float(needless)}
    )
    total = sum(each.added_s[policy] for each in found) / sum(each.best_s for each in found)
    yield Row(f"spill/{policy}/added_time", total, None, "× the optimum, all programs together", SOURCE)
    yield Row(f"spill/{policy}/worst", 1 + max(over), None, "× the optimum, worst program", SOURCE)
