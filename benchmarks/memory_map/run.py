"""Play every player on every program and store the results that `penstock reproduce mallocgame` reads.

    python benchmarks/memory_map/run.py [PROGRAM …] [--seeds 3] [--players hybrid,evolution] [--profiles R0.5]

What is stored already of programs, players and seeds as they are is left alone, so a run that was cut short
goes on where it was; ``--anew`` plays what is asked for again. Each is stored as it is done. The agent's rows
are those of ``agent.json``, which ``train.py`` trained.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from penstock.passes.place.board import Desk
from penstock.passes.place.bound import lower_bound_s
from penstock.passes.place.players import PLAYERS
from penstock.passes.place.problem import read
from penstock.passes.place.profiles import PROFILES, machine
from penstock.progress import bar
from penstock.reproduce.mallocgame import AGENT, SEEDS, STORED, Job, Played, jobs, play, to_json
from penstock.reproduce.mallocgame_graphs import names

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[1] / "reproduce" / STORED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("programs", nargs="*", help="all where none is named")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--players", default=",".join(PLAYERS))
    parser.add_argument("--profiles", default=",".join(PROFILES))
    parser.add_argument("--anew", action="store_true", help="play again what is stored")
    args = parser.parse_args()
    found = {_job(each): each for each in known() if each.player != AGENT}
    hashes = json.loads((HERE / "hashes.json").read_text(encoding="utf-8"))
    players, profiles = args.players.split(","), args.profiles.split(",")
    every = jobs(args.programs, args.seeds)
    wanted = [job for job in every if job[1] in profiles and job[2] in players]
    todo = [job for job in wanted if args.anew or job not in found or found[job].sha256 != hashes[job[0]]]
    problems = {name: read(HERE / f"{name}.json") for name in names()}
    trained = agents()
    with bar() as progress:
        for at, job in enumerate(todo):
            if progress is not None:
                progress(" ".join(map(str, job)), at, len(todo))
            found[job] = play(job, problems[job[0]])
            store([*found.values(), *trained])
    store([*found.values(), *trained])
    print(f"{len(found)} plans in {PLACE}")


def _job(played: Played) -> Job:
    return played.graph, played.profile, played.player, played.seed


def known() -> list[Played]:
    """What is stored, of programs and players as they are today."""
    if not PLACE.is_file():
        return []
    played = [Played(**each) for each in json.loads(PLACE.read_text(encoding="utf-8"))["played"]]
    return [each for each in played if each.graph in names() and each.player in (*PLAYERS, AGENT)]


def agents() -> list[Played]:
    """The agent's runs of the full way."""
    found = []
    for row in json.loads((HERE / "agent.json").read_text(encoding="utf-8")):
        if row["way"] != "full":
            continue
        problem = read(HERE / f"{row['graph']}.json")
        where = machine(row["profile"], problem)
        slow, bound = Desk(problem, where).all_slow_s, lower_bound_s(problem, where)
        if not math.isclose(slow / bound, row["bound"], rel_tol=1e-6):
            print(f"{row['graph']} {row['profile']} has changed since the agent was trained on it")
            continue
        curve = tuple(
            (row["episodes"] * at // len(row["best"]), row["wall_s"] * at / len(row["best"]), slow / best)
            for at, best in enumerate(row["best"], 1)
        )
        found.append(
            Played(
                row["graph"],
                problem.sha256,
                row["profile"],
                AGENT,
                row["seed"],
                slow,
                slow / row["agent"],
                bound,
                None,
                row["episodes"],
                row["wall_s"],
                curve,
            )
        )
    return found


def store(played: list[Played]) -> None:
    order, players = names(), [*PLAYERS, AGENT]
    played = sorted(
        played,
        key=lambda each: (order.index(each.graph), each.profile, players.index(each.player), each.seed),
    )
    scratch = PLACE.with_suffix(".partial")
    scratch.write_text(json.dumps(to_json(played), separators=(",", ":")) + "\n", encoding="utf-8")
    scratch.replace(PLACE)


if __name__ == "__main__":
    main()
