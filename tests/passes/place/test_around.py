"""Neighbourhoods of a plan by the mixed-integer program: between the plan's price and the whole program."""

from __future__ import annotations

from random import Random

import pytest

from penstock.passes.place.around import WINDOW, Around, Mender
from penstock.passes.place.board import Board, Desk, clear_class, copy_to
from penstock.passes.place.effort import Budget, Clock
from penstock.passes.place.graphs import graph
from penstock.passes.place.heuristics import evolve
from penstock.passes.place.neighbourhood import near
from penstock.passes.place.packing import pack, unpacked
from penstock.passes.place.pins import pinned_board
from penstock.passes.place.profiles import machine as profile
from penstock.passes.place.program import Effort, Program
from penstock.passes.place.verify import verify

from .programs import machine, program

SOLVED = Effort(nodes=100_000, seconds=3600.0)
ROUNDED = 1e-5
"""Relative: the solver's tolerance, in a problem of a few instructions."""


def planned(desk: Desk, seed: int, evaluations: int = 10) -> Board:
    """A plan that a short evolution finds."""
    board = desk.empty()
    evolve(desk, board, False, evaluations, Clock(), Budget(evaluations, seed))
    return board


def without(desk: Desk, board: Board, free: set[int]) -> Board:
    rest = desk.empty()
    copy_to(desk.tables, rest, board)
    for x in free:
        clear_class(desk.tables, desk.lists, rest, int(desk.tables.group[x]))
    return rest


def test_a_plan_of_which_nothing_may_change_costs_what_the_board_says() -> None:
    """The program gives idle time to copies as it likes, the board to the one needed first."""
    rng = Random(21)
    for number in range(60):
        desk = Desk(program(rng, aliases=number % 2 > 0), machine(rng))
        board = planned(desk, number)
        answer = Around(desk, board, set()).solve(SOLVED)
        assert answer.pieces == ()
        assert answer.bound_s == pytest.approx(desk.price(board), rel=ROUNDED, abs=1e-12)


def test_a_neighbourhood_is_between_the_plan_and_the_whole_program() -> None:
    rng, less = Random(22), 0
    for number in range(12):
        desk = Desk(program(rng, aliases=number % 2 > 0), machine(rng))
        board, whole = planned(desk, number, 1), Program(desk, whole=True, window=WINDOW).solve(SOLVED)
        free = near(desk, rng.randrange(desk.tables.compute_s.size), 5, rng)
        some = Around(desk, without(desk, board, free), free).solve(SOLVED, board)
        rounding = ROUNDED * max(desk.all_slow_s, 1e-12)
        assert some.solved
        assert whole.bound_s - rounding <= some.bound_s <= desk.price(board) + rounding
        less += some.bound_s < desk.price(board) - rounding
    assert less >= 1, "no neighbourhood has anything better than one decoded order"


def test_with_every_tensor_free_it_is_the_whole_program() -> None:
    rng = Random(23)
    for _ in range(10):
        desk = Desk(program(rng, aliases=False), machine(rng))
        free = set(range(desk.tables.height.size))
        whole = Program(desk, whole=True, window=WINDOW).solve(SOLVED)
        assert Around(desk, desk.empty(), free).solve(SOLVED).bound_s == pytest.approx(
            whole.bound_s, rel=ROUNDED, abs=1e-12
        )


def test_the_pieces_of_a_board_are_packed_to_a_plan_as_good() -> None:
    """All of its tensors stay: nothing is packed, and nothing changes."""
    rng = Random(24)
    for number in range(30):
        desk = Desk(program(rng, aliases=number % 2 > 0), machine(rng))
        board = planned(desk, number)
        assert desk.memory_map(pack(desk, (), board)) == desk.memory_map(board)
        served = [a for piece in unpacked(desk, board) for a in piece.accesses]
        assert sorted(served) == [a for a in range(desk.tables.tensor.size) if board.fast[a]]


def test_a_plan_never_gets_slower_and_keeps_the_rules() -> None:
    rng, better = Random(25), 0
    for number in range(12):
        problem, where = program(rng, aliases=number % 2 > 0), machine(rng)
        desk = Desk(problem, where)
        board = planned(desk, number, 1)
        first = now = desk.price(board)
        mender = Mender(desk, Random(number))
        for _ in range(3):
            latency = mender.mend(board)
            assert latency <= now
            assert latency == desk.price(board)
            now = latency
        verdict = verify(problem, where, desk.memory_map(board))
        assert verdict.ok, verdict.faults
        assert verdict.latency_s == pytest.approx(now, rel=1e-9, abs=1e-15)
        better += now < first * (1 - 1e-9)
    assert better >= 1


def test_pinned_tensors_stay_where_they_are() -> None:
    problem = graph("bert")
    where = profile("R0.5", problem)
    pins = pinned_board(problem, where, (0,))
    desk = Desk(problem, where, pins)
    board = planned(desk, 0)
    mender = Mender(desk, Random(0))
    for _ in range(3):
        mender.mend(board)
        assert 0 not in near(desk, 0, 1000, Random(0))
        held = [r for r in unpacked(desk, board) if r.tensor == 0]
        assert held == unpacked(desk, pins)
    assert verify(problem, where, desk.memory_map(board)).ok


def test_a_seed_decides_the_neighbourhoods() -> None:
    problem = graph("bert")
    desk = Desk(problem, profile("R0.25", problem))
    plans = []
    for _ in range(2):
        board = planned(desk, 1)
        mender = Mender(desk, Random(7))
        for _ in range(2):
            mender.mend(board)
        plans.append(desk.memory_map(board))
    assert plans[0] == plans[1]
