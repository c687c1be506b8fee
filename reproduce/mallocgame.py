"""mallocGame (Wang et al., arXiv 2305.07440): our game and programs beside XLA's heuristic.

Programs, hardware and timings of the paper are not public, so no row has a published figure beside it: what
is compared is a hybrid player with a port of XLA's memory-space assignment, on public programs under a public
cost model. Every plan is judged by the verifier. Playing it all takes minutes, so the default reads results
stored by ``benchmarks/memory_map/run.py``.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from ..ir.errors import InputError
from ..passes.place.problem import Problem
from .rows import Check, Reproduction, Row, Section

STORED = "stored/mallocgame.json"
REGENERATE = "python benchmarks/memory_map/run.py"
TRAIN = "python benchmarks/memory_map/train.py"
"""Trains the agent, whose games are stored with the rest."""
SEEDED = ("random", "evolution", "evolution-evict", "hybrid")
SEEDS = 3
SMALL = ("alexnet", "unet", "bert", "zoo-mlp", "zoo-llama-7b-layer")
"""Programs whose neighbourhoods CP-SAT is given too."""
SOLVERS = ("lns", "exact")
"""Players that only play where methods differ."""
AGENT, GAMES = "agent", 256
HEADLINE = ("R0.5", "R0.25")
"""Profiles where methods differ."""
TIE = 1e-6
"""Latencies this close, relative, are a tie."""
TARGETS = {"headline/hybrid_vs_msa": 1.05, "headline/hybrid_vs_evolution": 1.02}
OVERS = ("msa", "evolution", "evolution-evict")
"""Players that the hybrid is compared with."""
SOURCE = "not published; the paper's programs are not public"

MISSING = (
    "the paper's results: its 52 programs, its hardware timings and its agent are not public",
    "fast memory at 4 times the bandwidth of slow (only 10 times is played)",
)

Tell = Callable[[str, float, float | None], None]


@dataclass(frozen=True)
class Played:
    """One player on one program and machine.

    Attributes:
        graph, sha256, profile, player, seed: what was played.
        all_slow_s, latency_s, bound_s, queued_s: latencies: of no mapping, of the plan, of any plan at
            least, of the plan with copies that queue (None: not noted).
        evaluations, seconds: effort.
        proved_s: the exact player's bound, where it played.
        curve: (evaluations, seconds, latency) where the best latency fell.
    """

    graph: str
    sha256: str
    profile: str
    player: str
    seed: int
    all_slow_s: float
    latency_s: float
    bound_s: float
    queued_s: float | None
    evaluations: int
    seconds: float
    curve: tuple[tuple[int, float, float], ...] = ()
    proved_s: float | None = None

    @property
    def speedup(self) -> float:
        """Over everything in slow memory."""
        return self.all_slow_s / self.latency_s


Job = tuple[str, str, str, int]
"""Program, profile, player, seed."""


def jobs(only: Sequence[str] = (), seeds: int = SEEDS) -> list[Job]:
    """All that is to be played, seed by seed, so that a run cut short leaves whole seeds.

    Args:
        only: programs, where not all.
        seeds: of players that have several.
    """
    from ..passes.place.players import PLAYERS
    from ..passes.place.profiles import PROFILES
    from .mallocgame_graphs import names

    found = []
    for seed in range(seeds):
        for name in names():
            for profile in PROFILES:
                for player in PLAYERS:
                    lone = player not in SEEDED or profile not in HEADLINE
                    small = profile in HEADLINE and (player == "exact" or name in SMALL)
                    if (lone and seed) or (player in SOLVERS and not small) or (only and name not in only):
                        continue
                    found.append((name, profile, player, seed))
    return found


def play(job: Job, problem: Problem) -> Played:
    """One player on one program and profile; the verifier has taken its plan."""
    from ..passes.place.players import Budget, solve
    from ..passes.place.profiles import machine

    name, profile, player, seed = job
    budget = Budget(GAMES, seed=seed) if player == AGENT else Budget(seed=seed)
    result = solve(problem, machine(profile, problem), player, budget)
    return _played(name, problem.sha256, profile, seed, result)


def play_all(tell: Tell | None = None, only: Sequence[str] = ()) -> list[Played]:
    """Every player on every program and profile; the agent is trained for each.

    Args:
        tell: told of each.
        only: programs, where not all.
    """
    from .mallocgame_graphs import names, program

    todo = jobs(only)
    problems = {name: program(name) for name in names() if not only or name in only}
    agent = {(name, profile, AGENT, 0) for name, profile, _, _ in todo if profile in HEADLINE}
    found = []
    for at, job in enumerate([*todo, *sorted(agent)]):
        if tell is not None:
            tell(" ".join(map(str, job)), at, len(todo) + len(agent))
        found.append(play(job, problems[job[0]]))
    return found


def _played(name: str, sha256: str, profile: str, seed: int, result: Any) -> Played:
    found = result.found
    return Played(
        name,
        sha256,
        profile,
        result.player,
        seed,
        result.all_slow_s,
        result.latency_s,
        result.bound_s,
        result.queued_s,
        found.evaluations,
        round(found.seconds, 3),
        found.curve,
        found.extra.get("proved_s"),
    )


def stored() -> list[Played]:
    """The results that come with the package.

    Raises:
        InputError: there are none.
    """
    place = resources.files(__package__ or "penstock.reproduce") / STORED
    if not place.is_file():
        raise InputError("no stored results", where=STORED, accepted=f"--full, or {REGENERATE}")
    return [Played(**each) for each in json.loads(place.read_text(encoding="utf-8"))["played"]]


def to_json(played: Iterable[Played]) -> dict[str, Any]:
    """Results as they are stored, without curves of single steps."""
    return {"played": [{**asdict(each), "curve": _thinned(each.curve)} for each in played]}


def _thinned(curve: Sequence[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """A curve's points, at most one for each doubling of the evaluations, and the last."""
    kept: dict[int, tuple[int, float, float]] = {}
    for number, seconds, latency in curve:
        kept[number.bit_length()] = (number, round(seconds, 4), latency)
    return list(kept.values())


def reproduce(full: bool = False, tell: Tell | None = None) -> Reproduction:
    """The rows, from stored results or played anew.

    Args:
        full: play everything.
        tell: told of each game.
    """
    played = play_all(tell) if full else stored()
    how = (
        "computed"
        if full
        else f"stored: reproduce/{STORED}, regenerated by {REGENERATE}, the agent's trained by {TRAIN}"
    )
    best = _by_player(played)
    rows = [*_maps(played), *_optima(best), *_headlines(best)]
    checks, sections = tuple(_checks(played, best)), tuple(_sections(best, rows))
    return Reproduction("mallocgame", tuple(rows), how, checks, (), MISSING, sections)


Key = tuple[str, str]
"""Program, profile."""


def _by_player(played: Iterable[Played]) -> dict[Key, dict[str, list[Played]]]:
    found: dict[Key, dict[str, list[Played]]] = defaultdict(lambda: defaultdict(list))
    for each in played:
        found[each.graph, each.profile][each.player].append(each)
    return found


def _mean(played: Sequence[Played]) -> float:
    """Mean speed-up over seeds."""
    return math.fsum(each.speedup for each in played) / len(played)


def _maps(played: Iterable[Played]) -> Iterator[Row]:
    for (graph, profile), players in _by_player(played).items():
        for player, found in players.items():
            speedups = [each.speedup for each in found]
            beside = {
                "bound": found[0].all_slow_s / found[0].bound_s,
                "queued": min(
                    (each.all_slow_s / each.queued_s for each in found if each.queued_s), default=None
                ),
                "lowest": min(speedups),
                "highest": max(speedups),
                "seeds": float(len(found)),
                "evaluations": float(found[0].evaluations),
                "seconds": found[0].seconds,
                "verified": 1.0,  # a plan the verifier refuses is never handed out
            }
            yield Row(f"map/{graph}/{profile}/{player}", _mean(found), None, "×", SOURCE, beside)


def _optima(best: Mapping[Key, Mapping[str, list[Played]]]) -> Iterator[Row]:
    """How far the hybrid is from the exact player's plan, and both from what it proved."""
    for (graph, profile), players in best.items():
        for exact in players.get("exact", ()):
            hybrid = max(each.latency_s for each in players["hybrid"])
            proved = exact.proved_s or exact.bound_s
            beside = {"over_proved": hybrid / proved - 1, "exact_over_proved": exact.latency_s / proved - 1}
            yield Row(
                f"optimum/{graph}/{profile}", hybrid / exact.latency_s - 1, None, "relative", SOURCE, beside
            )


def _ratios(best: Mapping[Key, Mapping[str, list[Played]]], over: str) -> dict[Key, float]:
    """Speed-up of the hybrid over another player's, where methods differ."""
    return {
        key: _mean(players["hybrid"]) / _mean(players[over])
        for key, players in best.items()
        if key[1] in HEADLINE
    }


def _geometric(ratios: Iterable[float]) -> float:
    found = list(ratios)
    return math.exp(math.fsum(math.log(ratio) for ratio in found) / len(found))


def _possible(best: Mapping[Key, Mapping[str, list[Played]]], over: str) -> float | None:
    """The most that any player could have over another: what is proved of each program, over its speed-up."""
    ratios = []
    for key, players in best.items():
        if key[1] in HEADLINE:
            proved = [each.proved_s or each.bound_s for each in (*players.get("exact", ()), *players[over])]
            ratios.append(players[over][0].all_slow_s / max(proved) / _mean(players[over]))
    return _geometric(ratios) if ratios else None


def _headlines(best: Mapping[Key, Mapping[str, list[Played]]]) -> Iterator[Row]:
    for over in OVERS:
        ratios = list(_ratios(best, over).values())
        name = f"headline/hybrid_vs_{over}"
        beside = {
            "lowest": min(ratios),
            "highest": max(ratios),
            "target": TARGETS.get(name),
            "possible": _possible(best, over),
        }
        yield Row(name, _geometric(ratios), None, "×", SOURCE, beside)
        wins = sum(ratio > 1 + TIE for ratio in ratios)
        losses = sum(ratio < 1 - TIE for ratio in ratios)
        for word, count in (("wins", wins), ("ties", len(ratios) - wins - losses), ("losses", losses)):
            yield Row(f"{name}/{word}", float(count), None, "programs and profiles", SOURCE)


def _checks(played: Sequence[Played], best: Mapping[Key, Mapping[str, list[Played]]]) -> Iterator[Check]:
    below = [(max(0.0, each.bound_s / each.latency_s - 1), f"{each.graph}/{each.profile}") for each in played]
    most, where = max(below)
    yield Check("latency below the bound", 1e-9, most, where, len(below))
    worse = []
    for (graph, profile), players in best.items():
        baseline = min(each.latency_s for each in players["msa"])
        lost = max(each.latency_s / baseline - 1 for each in players["hybrid"])
        worse.append((max(0.0, lost), f"{graph}/{profile}"))
    most, where = max(worse)
    yield Check("hybrid slower than XLA's", 1e-9, most, where, len(worse))
    uneven = [
        (abs(each.evaluations / players["hybrid"][0].evaluations - 1), f"{graph}/{profile}")
        for (graph, profile), players in best.items()
        for over in ("evolution", "evolution-evict", "hybrid")
        for each in players[over]
    ]
    most, where = max(uneven)
    yield Check("evaluations, hybrid's and evolution's", 0.0, most, where, len(uneven))


def _sections(best: Mapping[Key, Mapping[str, list[Played]]], rows: Sequence[Row]) -> Iterator[Section]:
    players = [player for player in next(iter(best.values())) if player not in SOLVERS]
    players += [AGENT] if AGENT not in players else []
    lines = [
        (
            graph,
            profile,
            *(round(_mean(found[player]), 3) if player in found else None for player in players),
            round(found["hybrid"][0].all_slow_s / found["hybrid"][0].bound_s, 3),
        )
        for (graph, profile), found in best.items()
    ]
    columns = ("program", "profile", *players, "bound")
    yield Section("Speed-up over everything in slow memory", columns, tuple(lines))
    yield Section(
        "The slowest of the hybrid's seeds over the exact player's plan, and over what it proved",
        ("program", "over its plan", "over the proved bound", "its plan over the proved bound"),
        tuple(
            (row.id, row.ours, row.beside["over_proved"], row.beside["exact_over_proved"])
            for row in rows
            if row.id.startswith("optimum/")
        ),
    )
    headlines = [row for row in rows if row.id.startswith("headline/")]
    targets = tuple(
        (
            row.id,
            row.ours,
            TARGETS.get(row.id),
            row.beside.get("possible"),
            "" if row.id not in TARGETS else "met" if (row.ours or 0) >= TARGETS[row.id] else "not met",
        )
        for row in headlines
    )
    yield Section(
        f"Headlines, over {' and '.join(HEADLINE)}",
        ("headline", "ours", "target", "no player has more than", ""),
        targets,
    )
