"""The hybrid: the best of the heuristics' plans, improved; never worse than any of them.

Of the evaluations that the heuristics leave, two fifths go to the evolution of their orders, and half of
the rest to ruin and recreate from its best plan. That starts the mixed-integer program (`program`), whose
pieces are packed and priced, one evaluation. Ruin and recreate has what is left; but where the program is
not solved in its nodes, neighbourhoods of the best plan are near the end (`around`), one evaluation each, as
long as they find better ones. `effort.Depth` says where it leaves off.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from ...ir.errors import InputError
from . import msa, search
from .around import Mender
from .board import Board, Desk, copy_to
from .bound import lower_bound_s
from .effort import SLICES, Budget, Clock, Found, Patience, Progress, parts, tell
from .exact import small, solve_exactly
from .heuristics import all_slow, assignment, evolve, fastest, greedy, insertion, played
from .neighbourhood import improve
from .packing import pack
from .pins import pinned_board
from .plan import MemoryMap
from .problem import Machine, Problem
from .program import MOST_CELLS, Effort, Program, relaxed_bound_s, takes

EVOLVED = 0.4
"""Of the evaluations, for evolution."""
HEAT = 0.0005
"""Relative tolerance for worse plans at the start of ruin and recreate."""
WINDOW = 10
"""Instructions in which the program moves a copy."""
STEP = Effort(nodes=200, seconds=240.0)
"""Of the program, within the hybrid, at most; the clock is for what hangs, nodes end it."""
SPARE = 20
"""Evaluations of ruin and recreate for each neighbourhood, at least."""
PROOF = Effort(nodes=1_000_000, seconds=25.0)
"""Of the program, for its bound: by the clock, as all of `exact`."""
ROUNDS = 12
"""Neighbourhoods that are solved."""
EXACT_S = 20.0
"""Time limit of CP-SAT, which has all cores then."""
MET = 1e-5
"""How close to a bound a plan meets it, relative: the proofs round."""


def hybrid(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The best heuristic's plan, improved, within one budget."""
    pins = pinned_board(problem, machine, budget.pinned) if budget.pinned else None
    desk, clock = Desk(problem, machine, pins), Clock()
    plans, best = _improved(desk, clock, budget, progress)
    return clock.found(fastest([*plans, desk.memory_map(best)]))


def neighbourhoods(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """The hybrid, then some rounds of large-neighbourhood search by CP-SAT, an evaluation each.

    CP-SAT has the clock and all cores: what it finds may differ from run to run.
    Alias classes of several members are left to the hybrid.
    """
    desk, clock = Desk(problem, machine), Clock()
    plans, best = _improved(desk, clock, budget, progress)
    if not desk.tables.shared.any():
        for number in range(ROUNDS):
            clock.note(improve(desk, best, 1, budget.seed * ROUNDS + number))
            if progress is not None:
                progress(f"neighbourhoods: {clock.best * 1e6:.1f} µs", number + 1, ROUNDS)
    return clock.found(fastest([*plans, desk.memory_map(best)]))


def _improved(
    desk: Desk, clock: Clock, budget: Budget, progress: Progress | None, step: bool = True
) -> tuple[list[MemoryMap], Board]:
    """The heuristics' plans, and the best board; with a ``step`` of the program or without."""
    problem, machine = desk.problem, desk.machine
    known = () if desk.pinned else (all_slow, greedy, insertion, assignment)  # they do not know of pins
    plans = played(known, problem, machine, budget, clock)
    best = desk.empty()
    assigned = desk.empty() if desk.pinned else msa.Assignment(desk).run()
    evolved = int(EVOLVED * max(budget.evaluations - clock.evaluations, 0))
    evolve(desk, best, False, evolved, clock, budget, "hybrid, evolution", progress)
    clock.note([desk.price(assigned)])
    best = min(best, assigned, key=desk.price)
    if _near(desk, min([desk.price(best), *(plan.latency_s for plan in plans)]), budget, progress):
        return plans, best
    left = max(budget.evaluations - clock.evaluations, 0)
    stated = step and left > 1 and takes(problem, budget.depth.cells)
    best = _recreated(desk, best, (left - 1) // 2 if stated else left, clock, budget, progress)
    if not stated:
        return plans, best
    best, solved = _solved(desk, best, clock, budget, progress)
    left = budget.evaluations - clock.evaluations
    mended = 0 if solved else min(budget.depth.mended, left // SPARE)
    best = _recreated(desk, best, left - mended, clock, budget, progress)
    _mend(desk, best, mended, clock, budget, progress)
    return plans, _recreated(desk, best, budget.evaluations - clock.evaluations, clock, budget, progress)


def _near(desk: Desk, latency: float, budget: Budget, progress: Progress | None) -> bool:
    """Whether a plan is good enough by the proved bound."""
    near = budget.depth.near
    if not near:
        return False
    if progress is not None:
        progress("hybrid: bound", 0, None)
    bound = max(lower_bound_s(desk.problem, desk.machine), relaxed_bound_s(desk.problem, desk.machine))
    return latency <= bound * (1 + near)


def _mend(
    desk: Desk, best: Board, most: int, clock: Clock, budget: Budget, progress: Progress | None
) -> None:
    """Improve a board in place by neighbourhoods, until some in a row find nothing better."""
    mender, latency, idle = Mender(desk, Random(budget.seed)), desk.price(best), 0
    for _ in range(most):
        before, latency = latency, mender.mend(best)
        clock.note([latency])
        tell(progress, "hybrid, neighbourhoods", clock, budget)
        idle = 0 if latency < before else idle + 1
        if idle == budget.depth.idle:
            return


def _solved(
    desk: Desk, best: Board, clock: Clock, budget: Budget, progress: Progress | None
) -> tuple[Board, bool]:
    """The better of a board and what the program makes of it, one evaluation; whether it was solved."""
    if progress is not None:
        progress("hybrid: mixed-integer program", clock.evaluations, None)
    cells = len(desk.problem.tensors) * len(desk.problem.instructions)
    effort = replace(STEP, nodes=min(STEP.nodes, budget.depth.node_cells // max(cells, 1)))
    answer = Program(desk, whole=True, window=WINDOW).solve(effort, best)
    made = best if answer.pieces is None else pack(desk, answer.pieces)
    clock.note([desk.price(made)])
    return min(made, best, key=desk.price), answer.solved


def _recreated(
    desk: Desk,
    start: Board,
    evaluations: int,
    clock: Clock,
    budget: Budget,
    progress: Progress | None,
) -> Board:
    """The best plan that ruin and recreate finds from one."""
    board, best = desk.empty(), desk.empty()
    copy_to(desk.tables, board, start)
    copy_to(desk.tables, best, start)
    values, slices = search.measures(desk), parts(evaluations)
    patience = Patience(clock, budget.depth)
    for part, count in enumerate(slices):
        seed = (budget.seed * SLICES + part) % (1 << 32)
        heat = HEAT * np.array([1 - part / len(slices), 1 - (part + 1) / len(slices)])
        clock.note(search.ruin_and_recreate(desk, board, best, values, heat, seed, count))
        tell(progress, "hybrid, ruin and recreate", clock, budget)
        if patience.ends():
            break
    return best


def exact(problem: Problem, machine: Machine, budget: Budget, progress: Progress | None) -> Found:
    """A proof, from a search's plan on: by the program, and by CP-SAT where that is not too much for it.

    Both have the clock, CP-SAT all cores too: what is found and not proved may differ from run to run.
    ``proved_s`` is the bound, ``optimal`` 1 where the plan meets it.

    Raises:
        InputError: a problem too large for either.
    """
    desk, clock = Desk(problem, machine), Clock()
    plans, best = _improved(desk, clock, budget, progress, step=False)
    if progress is not None:
        progress("exact", clock.evaluations, None)
    if not (small(desk) or takes(problem)):
        raise InputError(
            f"{len(problem.tensors)} tensors, {len(problem.instructions)} instructions",
            where=problem.name,
            accepted=f"for the exact player: a product up to {MOST_CELLS}",
        )
    proved = 0.0
    if takes(problem):
        answer = Program(desk, whole=True).solve(PROOF, best)
        made, proved = pack(desk, answer.pieces) if answer.pieces else best, answer.bound_s
        clock.note([desk.price(made)])
        best = min(best, made, key=desk.price)
    if small(desk):
        solved = solve_exactly(desk, start=desk.memory_map(best), time_limit_s=EXACT_S, seed=budget.seed)
        best, proved = min(best, solved.board, key=desk.price), max(proved, solved.bound_s)
        clock.note([desk.price(best)])
    plan = fastest([*plans, desk.memory_map(best)])
    optimal = plan.latency_s <= proved * (1 + MET)
    return clock.found(plan, proved_s=proved, optimal=float(optimal))
