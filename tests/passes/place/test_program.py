"""The mixed-integer program: never above a mapping, and CP-SAT's optimum where offsets do not matter."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from penstock.passes.place.board import Desk
from penstock.passes.place.effort import Budget
from penstock.passes.place.exact import solve_exactly
from penstock.passes.place.graphs import graph
from penstock.passes.place.heuristics import evicting
from penstock.passes.place.hybrid import exact
from penstock.passes.place.packing import pack
from penstock.passes.place.problem import Instruction, Machine, Problem, Tensor
from penstock.passes.place.profiles import machine as profile
from penstock.passes.place.program import Effort, Program, relaxed_bound_s
from penstock.passes.place.verify import verify

from .programs import machine, program
from .test_players import best_game, tiny

WHOLE = Effort(nodes=100_000, seconds=3600.0)


def small(rng: Random) -> Problem:
    while True:
        problem = program(rng)
        if 3 <= len(problem.accesses) <= 8:
            return problem


def test_no_game_is_below_the_bound_alias_classes_or_not() -> None:
    rng = Random(3)
    for _ in range(60):
        problem, where = small(rng), machine(rng)
        answer = Program(Desk(problem, where), whole=True).solve(WHOLE)
        rounding = 1e-9 * max(answer.bound_s, 1e-9)
        assert answer.solved
        assert relaxed_bound_s(problem, where) <= answer.bound_s * (1 + 1e-5)
        assert answer.bound_s <= best_game(problem, where) + rounding


def test_no_plan_of_a_search_is_below_the_bound() -> None:
    rng = Random(4)
    for number in range(40):
        problem, where = program(rng, aliases=number % 2 > 0), machine(rng)
        found = evicting(problem, where, Budget(100, number), None).plan
        assert relaxed_bound_s(problem, where) <= found.latency_s * (1 + 1e-9)


def test_with_bytes_to_spare_for_the_offsets_it_is_cp_sats_optimum() -> None:
    """Tensors of one size leave no fragments, so bytes are all that matters."""
    rng, compared = Random(5), 0
    for _ in range(25):
        problem = tiny(rng)
        same = tuple(replace(tensor, size=16) for tensor in problem.tensors)
        problem, where = replace(problem, tensors=same), Machine(16 * rng.randint(1, 3), 16, 1.0, 4.0)
        desk = Desk(problem, where)
        other = solve_exactly(desk, time_limit_s=600, workers=1)
        answer = Program(desk, whole=True).solve(WHOLE)
        assert answer.pieces is not None
        board = pack(desk, answer.pieces)
        plan = desk.memory_map(board)
        verdict = verify(problem, where, plan)
        assert verdict.ok, verdict.faults
        if other.optimal:
            rounding = 1e-5 * verdict.all_slow_s
            assert answer.bound_s == pytest.approx(other.bound_s, abs=rounding)
            assert plan.latency_s == pytest.approx(other.bound_s, abs=rounding)
            compared += 1
    assert compared >= 20


def test_a_bound_counted_by_hand() -> None:
    """One weight read twice, idle time enough for its copy; the result is saved either way."""
    tensors = (Tensor("w", 100, "param"), Tensor("x", 10), Tensor("y", 10, "result"))
    steps = (
        Instruction("make", 200.0, (), ((1, 10),)),
        Instruction("first", 0.0, ((0, 100),), ()),
        Instruction("second", 0.0, ((0, 100), (1, 10)), ((2, 10),)),
    )
    problem, where = Problem("two uses", steps, tensors), Machine(128, 1, 1.0, 10.0)
    answer = Program(Desk(problem, where), whole=True).solve(WHOLE)
    assert answer.bound_s == pytest.approx(200 + 10 + 11 + 10, rel=1e-5)


def test_the_whole_programs_bound_meets_the_exact_players_plan() -> None:
    problem = graph("bert")
    where = profile("R0.25", problem)
    found = exact(problem, where, Budget(300), None)
    answer = Program(Desk(problem, where), whole=True).solve(WHOLE)
    assert answer.solved
    assert answer.bound_s == pytest.approx(found.plan.latency_s, rel=1e-5)
    assert relaxed_bound_s(problem, where) < answer.bound_s
