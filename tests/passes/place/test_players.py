"""Players: plans the verifier takes, on three clocks alike; nothing beats the bound."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from penstock.ir.errors import InputError
from penstock.passes.place import hybrid
from penstock.passes.place.around import Mender
from penstock.passes.place.board import Board, Desk
from penstock.passes.place.exact import solve_exactly
from penstock.passes.place.game import VARIANTS, Game
from penstock.passes.place.graphs import graph
from penstock.passes.place.players import PLAYERS, Budget, Result, solve
from penstock.passes.place.problem import Instruction, Machine, Problem, Tensor
from penstock.passes.place.profiles import machine as profile
from penstock.passes.place.simulate import scheduled
from penstock.passes.place.verify import verify

from .programs import machine, program

RELATIVE = 1e-9
QUICK = tuple(player for player in PLAYERS if player not in ("lns", "exact"))
HEURISTICS = ("all-slow", "greedy", "insertion", "msa")


def judged(problem: Problem, where: Machine, player: str, budget: Budget) -> Result:
    """`solve` has the verifier judge the plan; the event simulator and the bound are looked at here."""
    result = solve(problem, where, player, budget)
    tolerance = RELATIVE * max(result.all_slow_s, 1e-12)
    timed = scheduled(problem, where, result.found.plan)
    assert timed.latency_s == pytest.approx(result.latency_s, abs=tolerance), player
    assert result.latency_s >= result.bound_s - tolerance, f"{player} is below the bound"
    if player in (
        "insertion",
        "hybrid",
    ):  # others may be led into copies that do not pay
        assert result.latency_s <= result.all_slow_s + tolerance
    return result


def test_every_player_plays_by_the_rules_on_random_programs() -> None:
    rng = Random(11)
    for number in range(60):
        problem, where = program(rng, aliases=number % 2 > 0), machine(rng)
        found = {player: judged(problem, where, player, Budget(60, number)) for player in QUICK}
        best = min(found[player].latency_s for player in HEURISTICS)
        assert found["hybrid"].latency_s <= best * (1 + RELATIVE), "the hybrid is worse than a heuristic"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "bert", "lstm", "strassen"])
def test_every_player_plays_by_the_rules_on_the_benchmark(name: str) -> None:
    problem = graph(name)
    for share in ("T", "R0.5", "R0.25"):
        where = profile(share, problem)
        found = {player: judged(problem, where, player, Budget(300)) for player in QUICK}
        assert found["hybrid"].latency_s <= found["msa"].latency_s * (1 + RELATIVE)


@pytest.mark.parametrize("player", ["random", "evolution", "hybrid"])
def test_a_seed_decides_the_plan(player: str) -> None:
    problem = graph("bert")
    where = profile("R0.25", problem)
    one, two = (solve(problem, where, player, Budget(200, seed=5)) for _ in range(2))
    assert one.found.plan == two.found.plan


@pytest.mark.slow
def test_a_budget_is_kept_and_the_curve_falls() -> None:
    problem = graph("strassen")
    where = profile("R0.5", problem)
    for player in ("evolution", "hybrid"):
        found = solve(problem, where, player, Budget(700)).found
        latencies = [latency for _, _, latency in found.curve]
        assert found.evaluations == 700
        assert latencies == sorted(latencies, reverse=True)
        assert latencies[-1] == pytest.approx(found.plan.latency_s, rel=1e-9)


@pytest.mark.parametrize(("name", "share"), [("unet", "R0.25"), ("bert", "R0.5"), ("bert", "R1.0")])
def test_a_quick_hybrid_ends_by_itself_close_to_the_bound(name: str, share: str) -> None:
    """By what it found and not by the clock: twice the same, never worse than a heuristic."""
    problem = graph(name)
    where, budget = profile(share, problem), Budget.of("hybrid", "quick", seed=1)
    one, two = (judged(problem, where, "hybrid", budget) for _ in range(2))
    assert one.found.plan == two.found.plan
    assert one.found.evaluations == two.found.evaluations < budget.evaluations
    assert one.latency_s <= one.bound_s * 1.005
    for player in ("greedy", "insertion", "msa"):
        assert one.latency_s <= judged(problem, where, player, budget).latency_s * (1 + RELATIVE)


def test_an_effort_is_the_hybrids_alone() -> None:
    assert Budget.of("hybrid", "full") == Budget()
    assert Budget.of("agent", "quick", seed=3) == Budget(seed=3)
    assert Budget.of("hybrid", "quick", 7).evaluations == 7
    with pytest.raises(InputError, match=r"no effort 'slow' .*quick, full"):
        Budget.of("hybrid", "slow")


@pytest.mark.slow
def test_where_the_program_is_not_solved_its_neighbourhoods_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget is kept, a seed decides, and no neighbourhood makes the plan slower."""
    monkeypatch.setattr(hybrid, "STEP", replace(hybrid.STEP, nodes=0))
    mend, played = Mender.mend, []

    def noted(mender: Mender, board: Board) -> float:
        before = mender.desk.price(board)
        played.append((before, mend(mender, board)))
        return played[-1][1]

    monkeypatch.setattr(Mender, "mend", noted)
    problem = graph("strassen")
    where = profile("R0.5", problem)
    one, two = (judged(problem, where, "hybrid", Budget(700, seed=3)) for _ in range(2))
    assert one.found.plan == two.found.plan
    assert one.found.evaluations == 700
    latencies = [latency for _, _, latency in one.found.curve]
    assert latencies == sorted(latencies, reverse=True)
    assert latencies[-1] == pytest.approx(one.latency_s, rel=1e-9)
    assert len(played) >= 2
    assert all(after <= before for before, after in played)
    assert any(after < before for before, after in played)


def test_a_program_that_fits_reaches_the_bound() -> None:
    """One weight read twice, idle time enough before its first use: nothing is left to gain."""
    tensors = (Tensor("w", 100, "param"), Tensor("x", 10), Tensor("y", 10, "result"))
    steps = (
        Instruction("make", 200.0, (), ((1, 10),)),
        Instruction("first", 0.0, ((0, 100),), ()),
        Instruction("second", 0.0, ((0, 100), (1, 10)), ((2, 10),)),
    )
    result = judged(Problem("two uses", steps, tensors), Machine(128, 1, 1.0, 10.0), "hybrid", Budget(200))
    # 200, then 100/10; then 100/10 + 10/10 + the result's 10, served slow or saved after
    assert result.latency_s == pytest.approx(200 + 10 + 11 + 10)


def best_game(problem: Problem, where: Machine) -> float:
    """The shortest latency over all games of both variants, by trying every move."""
    shortest = float("inf")
    for variant in VARIANTS:
        open_games = [Game(problem, where, variant)]
        while open_games:
            game = open_games.pop()
            if game.done:
                shortest = min(shortest, game.latency_s)
                continue
            for move in (0, 1, 2):
                if game.legal[move]:
                    after = game.clone()
                    after.step(move)
                    if len(after.backups) == len(game.backups):  # a backup leads to games tried anyway
                        open_games.append(after)
    return shortest


def tiny(rng: Random) -> Problem:
    while True:
        problem = program(rng, aliases=False)
        if 3 <= len(problem.accesses) <= 8:
            return problem


@pytest.mark.slow
def test_the_exact_player_is_never_worse_than_any_game_nor_above_its_own_bound() -> None:
    rng, proved, equal = Random(13), 0, 0
    for _ in range(30):
        problem, where = tiny(rng), machine(rng)
        desk = Desk(problem, where)
        exact = solve_exactly(desk, time_limit_s=600, workers=1)
        plan = desk.memory_map(exact.board)
        verdict = verify(problem, where, plan)
        assert verdict.ok, verdict.faults
        rounding = 1e-5 * max(verdict.all_slow_s, 1e-12)
        assert plan.latency_s >= exact.bound_s - rounding
        proved += exact.optimal
        if exact.optimal:
            assert plan.latency_s <= best_game(problem, where) + rounding
            hybrid = solve(problem, where, "hybrid", Budget(300)).latency_s
            assert plan.latency_s <= hybrid + rounding
            equal += hybrid <= plan.latency_s + rounding
    assert proved >= 25
    assert equal >= 0.8 * proved, "the hybrid misses most optima of tiny programs"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "bert", "lstm"])
def test_neighbourhoods_keep_the_rules_and_never_lose(name: str) -> None:
    problem = graph(name)
    where = profile("R0.25", problem)
    hybrid = judged(problem, where, "hybrid", Budget(300))
    assert judged(problem, where, "lns", Budget(300)).latency_s <= hybrid.latency_s * (1 + RELATIVE)


def test_mistakes_are_told() -> None:
    problem = graph("alexnet")
    where = profile("T", problem)
    with pytest.raises(InputError, match="no player 'alphago'"):
        solve(problem, where, "alphago")
    with pytest.raises(InputError, match="0 evaluations"):
        solve(problem, where, "hybrid", Budget(0))
    with pytest.raises(InputError, match="no profile 'R0'"):
        profile("R0", problem)
    with pytest.raises(InputError, match="no graph 'vgg'"):
        graph("vgg")
    with pytest.raises(InputError, match="480 accesses"):
        solve_exactly(Desk(graph("lstm"), profile("T", graph("lstm"))))
