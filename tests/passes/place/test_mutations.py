"""Break one rule of the game at a time, in its source: the verifier or the clocks must notice each."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from penstock.ir.errors import InputError, PlanError
from penstock.ir.native import c_compiler, run_compiler
from penstock.passes.place import game as the_game
from penstock.passes.place import rules as the_rules
from penstock.passes.place.game import VARIANTS
from penstock.passes.place.native import NATIVE, declared
from penstock.passes.place.simulate import scheduled
from penstock.passes.place.verify import verify

from .programs import machine, program

PROGRAMS = 300


@dataclass(frozen=True)
class Mutant:
    rule: str
    edits: tuple[tuple[str, str], ...]


def one(rule: str, old: str, new: str) -> Mutant:
    return Mutant(rule, ((old, new),))


MUTANTS = (
    one("offsets are aligned", "height = -(-size // align) * align", "height = size"),
    one(
        "rectangles stay below the top",
        "above = T->machine[PST_CAPACITY] - cursor",
        "above = T->machine[PST_CAPACITY] + 8 - cursor",
    ),
    one("a fixed offset stays below the top", '"need": need[group],', '"need": height,'),
    one(
        "a gap's span includes its first instruction",
        "M->r_last[r] < first) continue;\n    const int64_t gap",
        "M->r_last[r] <= first) continue;\n    const int64_t gap",
    ),
    one(
        "a gap's span includes its last instruction",
        "if (M->r_first[r] > last || M->r_last[r] < first) continue;\n    const int64_t gap",
        "if (M->r_first[r] >= last || M->r_last[r] < first) continue;\n    const int64_t gap",
    ),
    one(
        "an extension's span includes its first instruction",
        "M->r_last[r] < first || M->r_top[r] <= offset",
        "M->r_last[r] <= first || M->r_top[r] <= offset",
    ),
    one("an extension needs free bytes", "if (M->r_offset[r] >= top) break;", "return 1;"),
    one("extending holds the bytes", "      m->r_last[r] = last;\n", ""),
    one("charges are deducted", " - M->slow_s[k] - M->charged_s[k]", " - M->slow_s[k]"),
    one(
        "copies move in idle time",
        "latency - M->slow_s[k] - M->charged_s[k]",
        "latency - M->charged_s[k]",
    ),
    one("stalls are counted", "S->o_gain_s[move] = o.saved - o.stall", "S->o_gain_s[move] = o.saved"),
    Mutant(
        "stalls are there",
        (
            ("S->o_gain_s[move] = o.saved - o.stall", "S->o_gain_s[move] = o.saved"),
            ("    S->stall_s[i] += S->o_stall_s[PST_COPY];\n", ""),
        ),
    ),
    one("a write-back takes time", "    pst_charge(T, &S->m, i + 1, n, 1, T->demand_s[x]);\n", ""),
    one(
        "a write-back ends before it is read",
        "S->slow_ready[x] = S->o_ready[PST_COPY]",
        "S->slow_ready[x] = i",
    ),
    one("a write-back holds its bytes", "pst_most(held_to(T, x, i), done), done", "held_to(T, x, i), done"),
    one("a copy holds its bytes as it arrives", "    first = k;\n", ""),
    Mutant(
        "a copy starts from valid data",
        (
            (
                "pst_reach_back(T, &S->m, i - 1, S->slow_ready[x] + 1, T->demand_s[x], &left)",
                "pst_reach_back(T, &S->m, i - 1, 0, T->demand_s[x], &left)",
            ),
            (
                "pst_charge(T, &S->m, i - 1, S->slow_ready[x], -1, T->demand_s[x])",
                "pst_charge(T, &S->m, i - 1, -1, -1, T->demand_s[x])",
            ),
        ),
    ),
    one("a copy needs slow data", "if (S->slow_ready[x] < i) {", "{"),
    one("a use in slow memory needs slow data", "(T->output[a] || S->slow_ready[x] < i)", "1"),
    one("a result returns to slow memory", "if (!T->result[x]) note", "note"),
    one(
        "reserve holds to the last use",
        "T->machine[PST_VARIANT] == PST_RESERVE ? T->final[x] : i",
        "x < 0 ? T->final[x] : i",
    ),
    one(
        "an alias class is one",
        '"shared": (np.bincount(group, minlength=count)[group] > 1)',
        '"shared": (group < 0)',
    ),
    one("an alias class has one memory", "if (memory != PST_FAST && (", "if (("),
    one("an alias class in slow memory stays", "S->forced[g] || memory == PST_SLOW", "S->forced[g]"),
    one("an alias class has one offset", "if (S->group_memory[g] == PST_FAST) {", "if (g < 0) {"),
    one("barred tensors stay in slow memory", '"movable": (~barred[group] & ', '"movable": ('),
    one("forced classes stay in slow memory", "!T->movable[x] || S->forced[g] ||", "!T->movable[x] ||"),
    one("a backup forces its class", "  S->forced[g] = 1;\n", ""),
    one(
        "a backup undoes what came after",
        "  pst_begin(T, S);\n  for (int64_t at = 0; at < to",
        "  for (int64_t at = 0; at < to",
    ),
    one(
        "the reward knows the maximum",
        "then = pst_max(T->compute_s[i], slow - T->slow_s[a] + fast + T->fast_s[a])",
        "then = now - T->slow_s[a] + T->fast_s[a]",
    ),
    one("fast memory takes time", "  S->m.fast_s[i] += T->fast_s[a];\n", ""),
)

FLAGS = ("-std=c11", "-O0", "-fPIC", "-shared", "-x", "c")
FUNCTIONS = ("pst_reach_back", "pst_best_gap", "pst_begin", "pst_settle", "pst_step", "pst_latency_s")


def load(edits: tuple[tuple[str, str], ...], folder: Path) -> ModuleType:
    """The game from edited sources; every edit must hit exactly one place."""
    names = ("rules.c", "tables.h", "rules.h")
    texts = {name: (NATIVE.folder / name).read_text(encoding="utf-8") for name in names}
    texts["game"] = Path(the_game.__file__).read_text(encoding="utf-8").replace("from . import rules\n", "")
    for old, new in edits:
        assert sum(text.count(old) for text in texts.values()) == 1, f"the sources changed: {old!r}"
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    for name in names:
        (folder / name).write_text(texts[name], encoding="utf-8")
    built = folder / "rules.so"
    run_compiler([c_compiler(), *FLAGS, "-o", str(built), str(folder / "rules.c"), "-lm"])
    loaded = declared(ctypes.CDLL(str(built)), FUNCTIONS)
    rules = Path(the_rules.__file__).read_text(encoding="utf-8")
    made = module("rules", rules, {})
    made.__dict__["library"] = lambda: loaded
    return module("game", texts["game"], {"rules": made})


def module(name: str, text: str, known: dict[str, object]) -> ModuleType:
    made = ModuleType(f"penstock.passes.place.mutant_{name}")
    made.__package__ = "penstock.passes.place"
    made.__dict__.update(known)
    sys.modules[made.__name__] = made
    exec(compile(text, made.__name__, "exec"), made.__dict__)
    return made


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
            except (InputError, PlanError) as error:  # a replay that cannot be; more backups than classes
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


def test_the_rules_as_they_are_pass(tmp_path: Path) -> None:
    assert noticed(load((), tmp_path)) == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule.replace(" ", "-"))
def test_a_broken_rule_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    assert noticed(load(mutant.edits, tmp_path)), f"nobody noticed that this no longer holds: {mutant.rule}"
