"""Break one rule of the game at a time, in its source: the verifier or the clocks must notice each."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from penstock.ir.errors import InputError
from penstock.passes.place import game as the_game
from penstock.passes.place import rules as the_rules
from penstock.passes.place.game import VARIANTS
from penstock.passes.place.simulate import scheduled
from penstock.passes.place.verify import verify

from .programs import machine, program

PLAIN = ("from numba import njit", "def njit(**_):\n    return lambda function: function")
PROGRAMS = 300


@dataclass(frozen=True)
class Mutant:
    rule: str
    edits: tuple[tuple[str, str], ...]


def one(rule: str, old: str, new: str) -> Mutant:
    return Mutant(rule, ((old, new),))


MUTANTS = (
    one("offsets are aligned", "height = -(-size // align) * align", "height = size"),
    one("rectangles stay below the top", "gap = T.machine[0] - cursor", "gap = T.machine[0] + 8 - cursor"),
    one("a fixed offset stays below the top", "need=need[group],", "need=height,"),
    one(
        "a gap's span includes its first instruction",
        "S.r_first[r] > last or S.r_last[r] < first:\n            continue\n        gap",
        "S.r_first[r] > last or S.r_last[r] <= first:\n            continue\n        gap",
    ),
    one(
        "a gap's span includes its last instruction",
        "S.r_first[r] > last or S.r_last[r] < first:\n            continue\n        gap",
        "S.r_first[r] >= last or S.r_last[r] < first:\n            continue\n        gap",
    ),
    one(
        "an extension's span includes its first instruction",
        "if S.r_first[r] > last or S.r_last[r] < first or S.r_top[r] <= offset:",
        "if S.r_first[r] > last or S.r_last[r] <= first or S.r_top[r] <= offset:",
    ),
    one("an extension needs free bytes", "if S.r_offset[r] >= top:\n            break", "return True"),
    one("extending holds the bytes", "            S.r_last[r] = last\n", ""),
    one("charges are deducted", " - S.slow_s[k] - S.charged_s[k]", " - S.slow_s[k]"),
    one("copies move in idle time", "latency - S.slow_s[k] - S.charged_s[k]", "latency - S.charged_s[k]"),
    one("stalls are counted", "S.o_gain_s[move] = saved - stall", "S.o_gain_s[move] = saved"),
    Mutant(
        "stalls are there",
        (
            ("S.o_gain_s[move] = saved - stall", "S.o_gain_s[move] = saved"),
            ("S.stall_s[i] += S.o_stall_s[COPY]", "pass"),
        ),
    ),
    one("a write-back takes time", "charge(T, S, i + 1, T.compute_s.size, 1, T.demand_s[x])", "pass"),
    one("a write-back ends before it is read", "S.slow_ready[x] = S.o_ready[COPY]", "S.slow_ready[x] = i"),
    one("a write-back holds its bytes", "max(held_to(T, x, i), done), done", "held_to(T, x, i), done"),
    one("a copy holds its bytes as it arrives", "            first = k\n", ""),
    Mutant(
        "a copy starts from valid data",
        (
            (
                "reach_back(T, S, i - 1, S.slow_ready[x] + 1, T.demand_s[x])",
                "reach_back(T, S, i - 1, 0, T.demand_s[x])",
            ),
            (
                "charge(T, S, i - 1, S.slow_ready[x], -1, T.demand_s[x])",
                "charge(T, S, i - 1, -1, -1, T.demand_s[x])",
            ),
        ),
    ),
    one(
        "a copy needs slow data", "    if S.slow_ready[x] < i:\n        first", "    if True:\n        first"
    ),
    one("a use in slow memory needs slow data", "(T.output[a] or S.slow_ready[x] < i)", "True"),
    one("a result returns to slow memory", "    if not T.result[x]:\n", "    if True:\n"),
    one("reserve holds to the last use", "if T.machine[1] == RESERVE else i", "if False else i"),
    one(
        "an alias class is one",
        "shared=(np.bincount(group, minlength=count)[group] > 1)",
        "shared=(group < 0)",
    ),
    one("an alias class has one memory", "    if memory != FAST and (", "    if ("),
    one("an alias class in slow memory stays", "S.forced[g] or memory == SLOW", "S.forced[g]"),
    one("an alias class has one offset", "if S.group_memory[g] == FAST:", "if False:"),
    one("barred tensors stay in slow memory", "movable=(~barred[group] & ", "movable=("),
    one("forced classes stay in slow memory", "not T.movable[x] or S.forced[g] or", "not T.movable[x] or"),
    one("a backup forces its class", "S.forced[g] = 1", "pass"),
    one(
        "a backup undoes what came after",
        "    begin(T, S)\n    for at in range(to)",
        "    for at in range(to)",
    ),
    one(
        "the reward knows the maximum",
        "then = max(T.compute_s[i], S.slow_s[i] - T.slow_s[a] + S.fast_s[i] + T.fast_s[a])",
        "then = now - T.slow_s[a] + T.fast_s[a]",
    ),
    one("fast memory takes time", "S.fast_s[i] += T.fast_s[a]", "pass"),
)


def load(edits: tuple[tuple[str, str], ...]) -> ModuleType:
    """The game from edited source, not compiled; every edit must hit exactly one place."""
    texts = {
        "rules": Path(the_rules.__file__).read_text(encoding="utf-8").replace(*PLAIN),
        "game": Path(the_game.__file__).read_text(encoding="utf-8").replace("from . import rules\n", ""),
    }
    for old, new in edits:
        assert sum(text.count(old) for text in texts.values()) == 1, f"the sources changed: {old!r}"
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    made = {}
    for name in ("rules", "game"):
        module = ModuleType(f"penstock.passes.place.mutant_{name}")
        module.__package__ = "penstock.passes.place"
        module.__dict__["rules"] = made.get("rules")
        sys.modules[module.__name__] = module
        exec(compile(texts[name], module.__name__, "exec"), module.__dict__)
        made[name] = module
    return made["game"]


def noticed(game_module: ModuleType) -> str:
    """What the verifier or the clocks say of the mutant's first bad episode; empty if all are good."""
    rng = Random(7)
    for number in range(PROGRAMS):
        aliases = number % 3 > 0
        problem, where = program(rng, aliases), machine(rng)
        for variant in VARIANTS:
            try:
                game, returned = game_module.Game(problem, where, variant), 0.0
                while not game.done:
                    legal = [move for move in range(3) if game.legal[move]]
                    returned += game.step(rng.choice(legal) if rng.random() < 0.5 else legal[-1])
                plan = game.memory_map()
            except (
                IndexError,
                InputError,
            ) as error:  # more drop-backups than classes; a replay that cannot be
                return f"{error}"
            verdict, tolerance = verify(problem, where, plan), 1e-9 * max(game.all_slow_s, 1e-12)
            if not verdict.ok:
                return verdict.faults[0]
            if abs(game.all_slow_s - returned - verdict.latency_s) > tolerance:
                return "the return is not the latency saved"
            if abs(scheduled(problem, where, plan).latency_s - verdict.latency_s) > tolerance:
                return "the event simulator disagrees"
            if game.backups and variant == "reserve" and not aliases:
                return "a dead end under reserve"
            if {group for _, group in game.backups} & fast_classes(problem, plan):
                return "a forced class in fast memory"
    return ""


def fast_classes(problem, plan) -> set[int]:
    return {
        problem.alias_class[access.tensor]
        for access, fast in zip(problem.accesses, plan.served_fast, strict=True)
        if fast
    }


def test_the_rules_as_they_are_pass() -> None:
    assert noticed(load(())) == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule.replace(" ", "-"))
def test_a_broken_rule_is_noticed(mutant: Mutant) -> None:
    assert noticed(load(mutant.edits)), f"nobody noticed that this no longer holds: {mutant.rule}"
