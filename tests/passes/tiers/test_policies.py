"""Who is spilled: policies beside the cheapest set of all, and laws that hold for every program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError, PlanError, TargetError
from penstock.ir.targets import load
from penstock.passes.place.problem import Instruction, Problem, Tensor
from penstock.passes.tiers.oracle import enumerate_choices
from penstock.passes.tiers.pack import Packing, sharing
from penstock.passes.tiers.plan import TierPlan, place, verify
from penstock.passes.tiers.policies import POLICIES, choose
from penstock.passes.tiers.problem import Program, Symbol, Tiers, of_problem
from penstock.reproduce.sn40l_spill import compare, random_program, tiers_for

SMALL = load("sn40l-small")
SEEDS = st.integers(0, 10_000)


def tiers(near_bytes: int) -> Tiers:
    return Tiers.of(SMALL, near_bytes)


def added_s(packing: Packing, policy: str) -> float:
    return float(packing.prices[~choose(packing, policy).kept].sum())


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_exact_is_the_cheapest_set_of_all_and_no_policy_is_below_it(seed: int) -> None:
    found = compare(seed)  # raises where a policy is below
    assert found.added_s["exact"] == pytest.approx(found.best_s, rel=1e-9)
    assert found.added_s["relief"] <= found.added_s["paper"] * (1 + 1e-9) or found.excess("relief") < 1


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from(list(POLICIES)))
def test_every_placement_passes_the_independent_checker(seed: int, policy: str) -> None:
    program = random_program(seed)
    found = place(program, tiers_for(program, seed), policy)
    assert found.near_bytes <= found.tiers.room(found.tiers.near)
    assert found.near.keys() | found.far.keys() == {symbol.name for symbol in program.symbols}
    assert found.shared_bytes <= found.unshared_bytes
    if found.bound_s is not None:
        assert found.bound_s <= found.chosen.added_s * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(0.3, 1.0), st.floats(0.3, 1.0))
def test_a_larger_near_tier_never_adds_time(seed: int, one: float, two: float) -> None:
    program = random_program(seed)
    need = sharing(program, 64)["shared"]
    held = sum(symbol.size for symbol in program.symbols if not symbol.spillable)
    low, high = sorted(max(held, int(need * share) // 64 * 64) for share in (one, two))
    small, large = Packing(program, tiers(low)), Packing(program, tiers(high))
    assert added_s(large, "exact") <= added_s(small, "exact") * (1 + 1e-9)


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_is_spilled_where_all_fits(policy: str) -> None:
    program = random_program(7)
    assert not place(program, tiers(sharing(program, 64)["shared"]), policy).far


def test_the_papers_order_is_by_bytes_moved_and_not_by_room() -> None:
    """Tiny symbols that move little go first, though they leave no room; the exact choice leaves them be."""
    small = [Symbol(f"small{at}", 64, 0, 4, 64, 0) for at in range(5)]
    large = Symbol("large", 6400, 0, 4, 640, 0)
    rest = Symbol("rest", 6400, 0, 4, 64000, 0)
    program = Program("tiny ones", 4, (*small, large, rest))
    packing = Packing(program, tiers(6400 + 5 * 64))
    gone = {name: {s.name for s in packing.symbols(~choose(packing, name).kept)} for name in POLICIES}
    assert gone["paper"] == {"large", *(symbol.name for symbol in small)}
    assert gone["exact"] == gone["relief"] == {"large"}


def test_lives_that_do_not_meet_share_an_address() -> None:
    program = Program(
        "one after another", 4, tuple(Symbol(f"t{at}", 128, at, at + 1, 128, 128) for at in range(4))
    )
    found = place(program, tiers(128))
    assert (found.unshared_bytes, found.shared_bytes, found.far) == (512, 128, {})
    assert set(found.near.values()) == {0}


def test_symbols_that_fit_by_bytes_but_do_not_pack_are_spilled() -> None:
    """20 units are live at once in every step, and no layout has 20: something must go."""
    lives = [(2, 6, 3), (4, 5, 1), (2, 3, 3), (4, 6, 5), (0, 4, 5), (1, 2, 1), (0, 4, 5)]
    lives += [(1, 5, 4), (0, 1, 10), (1, 2, 5), (3, 4, 3), (4, 5, 7), (5, 6, 12)]
    symbols = tuple(
        Symbol(f"t{at}", 64 * size, start, end, 64 * size, 64 * size)
        for at, (start, end, size) in enumerate(lives)
    )
    packing = Packing(Program("tight", 7, symbols), tiers(20 * 64))
    assert packing.demand.peak(packing.all_kept()) == packing.room
    best = enumerate_choices(packing)
    assert best.bound_s is not None
    assert best.bound_s > 0
    found = choose(packing, "exact")
    assert found.proved
    assert float(packing.prices[~found.kept].sum()) == pytest.approx(best.bound_s)


def test_a_large_program_is_bounded_and_improves_on_the_orders() -> None:
    rng = np.random.default_rng(3)
    steps = 200
    symbols = [Symbol(f"w{at}", 64 * int(rng.integers(1, 400)), 0, steps, 1 << 14, 0) for at in range(40)]
    for at in range(260):
        start, size = int(rng.integers(0, steps - 1)), 64 * int(2 ** rng.uniform(0, 9))
        end = min(steps, start + 1 + int(rng.integers(1, 30)))
        symbols.append(Symbol(f"t{at}", size, start, end, size * int(rng.integers(1, 4)), size))
    program = Program("large", steps, tuple(symbols))
    near = sharing(program, 64)["shared"] // 2 // 64 * 64
    found = place(program, tiers(near), "exact", ("paper", "per-byte", "relief"))
    times = {each.policy: each.added_s for each in found.policies}
    assert times["exact"] <= min(times.values())
    assert found.bound_s is not None
    assert 0 < found.bound_s <= times["exact"] <= 1.05 * found.bound_s


def test_a_compiled_program_keeps_parameters_for_the_whole_run_and_results_near() -> None:
    tensors = (Tensor("w", 256, "param"), Tensor("t", 128), Tensor("y", 128, "result"))
    steps = (
        Instruction("a", 0.0, ((0, 256),), ((1, 128),)),
        Instruction("b", 0.0, ((0, 256), (1, 128)), ((2, 128),)),
        Instruction("c", 0.0, ((2, 128),)),
    )
    found = {symbol.name: symbol for symbol in of_problem(Problem("p", steps, tensors)).symbols}
    assert (found["w"].start, found["w"].end, found["w"].read) == (0, 3, 512)
    assert (found["t"].start, found["t"].end, found["t"].moved) == (0, 2, 256)
    assert (found["y"].end, found["y"].spillable) == (3, False)


def moved(found: TierPlan, **places: int) -> TierPlan:
    return replace(found, near={**found.near, **places})


def test_the_checker_notices_what_is_wrong() -> None:
    program = Program("two", 2, (Symbol("a", 64, 0, 2, 64, 0), Symbol("b", 64, 0, 2, 64, 0, False)))
    found = place(program, tiers(128))
    verify(found)
    for wrong, said in (
        (moved(found, b=found.near["a"]), "overlaps"),
        (moved(found, b=128), "ends at byte 192"),
        (moved(found, b=8), "offset 8"),
        (replace(found, far={"a": 0}), "lies in both tiers"),
        (replace(found, near={"a": 0}), "lies nowhere"),
        (replace(found, near={"a": 0}, far={"b": 0}), "may not be spilled"),
    ):
        with pytest.raises(PlanError, match=said):
            verify(wrong)


@pytest.mark.parametrize(
    ("work", "error", "said"),
    [
        (lambda: Symbol("x", 0, 0, 1, 0, 0), InputError, "size 0"),
        (lambda: Symbol("x", 1, 2, 2, 0, 0), InputError, r"life \[2, 2\)"),
        (lambda: Program("p", 1, (Symbol("x", 1, 0, 2, 0, 0),)), InputError, "needed in step 1"),
        (lambda: Program("p", 1, (Symbol("x", 1, 0, 1, 0, 0),) * 2), InputError, "one name"),
        (lambda: place(random_program(1), tiers(1 << 20), "best"), InputError, "no policy 'best'"),
        (lambda: Tiers.of(load("tpu-v4i")), TargetError, "no tier is farther"),
        (lambda: Tiers.of(load("h200")), TargetError, "unpublished"),
    ],
)
def test_nonsense_is_refused(work, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        work()


@pytest.mark.parametrize("policy", POLICIES)
def test_what_must_be_near_and_does_not_fit_is_said(policy: str) -> None:
    program = Program("full", 1, (Symbol("y", 640, 0, 1, 0, 640, False), Symbol("x", 64, 0, 1, 64, 0)))
    with pytest.raises(PlanError, match=r"needs 640 bytes of hbm; the largest: y \(640 bytes\)"):
        place(program, tiers(128), policy)


def test_a_far_tier_that_is_too_small_is_said() -> None:
    huge = SMALL.find_tier("ddr").capacity_bytes or 0
    program = Program("huge", 1, (Symbol("x", huge + 64, 0, 1, 64, 0),))
    with pytest.raises(PlanError, match="always needed"):
        place(program, tiers(64))
