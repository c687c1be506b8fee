"""Rules of the game worked out by hand: gaps, windows, stalls, write-backs, backups, order, saved states."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.ir.errors import InputError
from penstock.passes.place.game import Game
from penstock.passes.place.problem import Instruction, Machine, Problem, Tensor, from_json
from penstock.passes.place.rules import COPY, DROP, KEEP

SLOW = Machine(100, 1, 1.0, 10.0)


def chain(*computes: float) -> tuple[Instruction, ...]:
    return tuple(Instruction(f"busy{at}", seconds) for at, seconds in enumerate(computes))


def test_a_copy_walks_back_through_idle_time_and_waits_for_the_rest() -> None:
    steps = (*chain(5.0, 0.0, 3.0), Instruction("use", 0.0, ((0, 20),)))
    game = Game(Problem("walk", steps, (Tensor("w", 20, "param"),)), SLOW)
    assert game.legal.tolist() == [True, False, True]
    reward = game.step(COPY)
    assert reward == pytest.approx((20 - 2) - (20 - 5 - 3)), "saved 18 s, waited 12 s"
    plan = game.memory_map()
    (copy,) = plan.copies
    assert copy.charges == ((0, 5.0), (2, 3.0))
    assert copy.stall_s == pytest.approx(12.0)
    assert (plan.rectangles[0].first, plan.rectangles[0].last) == (0, 3)


def test_the_smallest_gap_wins_and_ties_go_low() -> None:
    names = ("a", "b", "c", "d", "e")
    sizes = (10, 20, 10, 15, 10)
    tensors = tuple(Tensor(name, size) for name, size in zip(names, sizes, strict=True))
    # b and d die at once: gaps of 20 (at 10) and 15 (at 40), and 35 on top; f (12) takes the one of 15
    steps = (
        Instruction("make", 0.0, (), tuple((x, sizes[x]) for x in range(5))),
        Instruction("more", 0.0, (), ((5, 12),)),
        Instruction("end", 0.0, ((0, 1), (2, 1), (4, 1), (5, 1))),
    )
    game = Game(Problem("gaps", steps, (*tensors, Tensor("f", 12))), SLOW)
    while not game.done:
        game.step(KEEP)
    offsets = {held.tensor: held.offset for held in game.memory_map().rectangles}
    assert offsets == {0: 0, 1: 10, 2: 30, 3: 40, 4: 55, 5: 40}


def test_a_write_back_takes_idle_time_ahead_and_stalls_at_the_end() -> None:
    steps = (Instruction("make", 0.0, (), ((0, 20),)), *chain(4.0, 6.0))
    game = Game(Problem("save", steps, (Tensor("r", 20, "result"),)), SLOW)
    assert game.legal.tolist() == [True, False, True], "a result alone in fast memory is no result"
    assert game.step(COPY) == pytest.approx((20 - 2) - (20 - 10))
    (copy,) = game.memory_map().copies
    assert (copy.charges, copy.ready) == (((1, 4.0), (2, 6.0)), 2)
    assert copy.stall_s == pytest.approx(10.0)


def test_a_dead_end_forces_the_class_and_goes_back_before_its_first_decision() -> None:
    tensors = (Tensor("x", 60), Tensor("y", 60), Tensor("z", 10, "result"))
    steps = (
        Instruction("x", 0.0, (), ((0, 60),)),
        Instruction("y", 0.0, (), ((1, 60),)),
        Instruction("z", 0.0, ((0, 60), (1, 60)), ((2, 10),)),
    )
    problem = Problem("dead end", steps, tensors)
    game = Game(problem, SLOW, "extend")
    game.step(KEEP)
    game.step(KEEP)  # at x's bytes, which `extend` held for its definition only
    assert game.backups == ((2, 0),), "x can neither stay nor be read from slow memory"
    assert game.pointer == 0
    assert game.legal.tolist() == [True, False, False]
    assert game.score_s == 0.0
    held = Game(problem, SLOW, "reserve")
    held.step(KEEP)
    assert held.legal.tolist() == [True, False, False], "reserve leaves no room for y"


def test_members_of_a_class_share_memory_and_offset() -> None:
    tensors = (Tensor("a", 30, "temp", "c"), Tensor("b", 20, "temp", "c"), Tensor("pad", 40))
    steps = (
        Instruction("pad", 0.0, (), ((2, 40),)),
        Instruction("a", 0.0, (), ((0, 30),)),
        Instruction("b", 0.0, ((0, 30), (2, 1)), ((1, 20),)),
        Instruction("end", 0.0, ((1, 20),)),
    )
    game = Game(Problem("classes", steps, tensors), SLOW)
    game.step(KEEP)
    game.step(KEEP)
    assert game.legal.tolist() == [False, True, False], "a is in fast memory, for good"
    game.step(KEEP)
    game.step(KEEP)
    assert not game.legal[DROP], "b is of a's class"
    game.step(KEEP)
    game.step(KEEP)
    offsets = {held.tensor: held.offset for held in game.memory_map().rectangles}
    assert offsets[0] == offsets[1] == 40


def test_a_state_can_be_saved_loaded_and_cloned() -> None:
    steps = tuple(Instruction(f"i{at}", 1.0, ((0, 10),), ()) for at in range(4))
    game = Game(Problem("states", steps, (Tensor("w", 10, "param"),)), SLOW)
    game.step(DROP)
    saved, other = game.save(), game.clone()
    game.step(COPY)
    after = game.latency_s
    assert other.pointer == 1
    game.load(saved)
    assert game.pointer == 1
    game.step(COPY)
    assert game.latency_s == after
    assert other.latency_s != after


def test_an_illegal_move_is_refused() -> None:
    game = Game(Problem("p", (Instruction("i", 0.0, ((0, 1),)),), (Tensor("w", 1, "param"),)), SLOW)
    with pytest.raises(InputError, match=r"move 1 at access 0 .*accepted: drop, copy"):
        game.step(KEEP)
    with pytest.raises(InputError, match="the game is not over"):
        game.memory_map()
    with pytest.raises(InputError, match="variant 'both'"):
        Game(game.problem, SLOW, "both")


def test_inputs_come_before_outputs_in_the_order_given() -> None:
    step = Instruction("i", 0.0, ((2, 1), (0, 1)), ((1, 1),))
    tensors = (Tensor("p", 1, "param"), Tensor("t", 1), Tensor("q", 1, "param"))
    problem = Problem("order", (step,), tensors)
    assert [(a.tensor, a.output) for a in problem.accesses] == [(2, False), (0, False), (1, True)]


BAD = {
    "reads t before it is defined": (Instruction("i", 0.0, ((0, 1),)), Instruction("j", 0.0, (), ((0, 1),))),
    "defines t again": (Instruction("i", 0.0, (), ((0, 1),)), Instruction("j", 0.0, (), ((0, 1),))),
    "never defined": (Instruction("i", 0.0),),
    "compute time nan": (Instruction("i", float("nan"), (), ((0, 1),)),),
    "negative bytes": (Instruction("i", 0.0, (), ((0, -1),)),),
    "a tensor named twice": (Instruction("i", 0.0, (), ((0, 1), (0, 1))),),
}


@pytest.mark.parametrize("message", BAD)
def test_programs_that_are_none_are_refused(message: str) -> None:
    with pytest.raises(InputError, match=message):
        Problem("bad", BAD[message], (Tensor("t", 1),))


@pytest.mark.parametrize("size", [0, -4])
def test_sizes_are_positive(size: int) -> None:
    with pytest.raises(InputError, match=f"size {size}"):
        Problem("bad", (), (Tensor("t", size, "param"),))


def test_json_round_trips_and_what_is_not_a_graph_is_refused() -> None:
    tensors = (Tensor("w", 10, "param"), Tensor("y", 4, "result", "c", False))
    problem = Problem("p", (Instruction("i", 0.5, ((0, 10),), ((1, 4),)),), tensors)
    assert from_json(problem.to_json()) == problem
    assert from_json(problem.to_json()).sha256 == problem.sha256
    for data in ([], {"schema": 2}, {"schema": 1, "name": "x", "tensors": [[1]], "instructions": []}):
        with pytest.raises(InputError, match=r"not a memory-mapping graph|malformed"):
            from_json(data)


def test_a_program_without_accesses_is_over_at_once() -> None:
    game = Game(Problem("empty", chain(1.0, 2.0), ()), SLOW)
    assert game.done
    assert game.memory_map().latency_s == 3.0
    assert np.array_equal(game.legal, [False] * 3)
