"""Train the agent on the benchmark's programs and say where it beats priority insertion, alone.

    python benchmarks/memory_map/train.py [--graphs …] [--profiles R0.5,R0.25] [--seeds 0,1,2] [--ways full]

Every run is judged by the verifier and added to ``agent.json`` beside this file as soon as it is done; runs
that are there already are left alone, so an interrupted benchmark goes on where it was. Ways: ``full``, and
the ablations ``no-search``, ``no-warm-start``, ``learned-dynamics``, which differ in that setting alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from penstock.passes.place.agent.config import Config
from penstock.passes.place.agent.train import train
from penstock.passes.place.bound import lower_bound_s
from penstock.passes.place.players import solve
from penstock.passes.place.problem import read
from penstock.passes.place.profiles import machine
from penstock.passes.place.verify import verify

HERE = Path(__file__).resolve().parent
GRAPHS = "resnet50,mobilenetv2,unet,bert,strassen,gpt-decode,alexnet,lstm"
WAYS: dict[str, dict[str, Any]] = {
    "full": {},
    "no-search": {"simulations": 0},
    "no-warm-start": {"warm": False},
    "learned-dynamics": {"dynamics": "learned"},
}
ROUNDS = {
    "resnet50": 8,
    "mobilenetv2": 6,
    "unet": 6,
    "bert": 10,
    "strassen": 5,
    "gpt-decode": 3,
    "alexnet": 3,
    "lstm": 2,
    "zoo-resnet50": 4,
    "zoo-bert-base": 4,
    "zoo-gpt2-small": 4,
    "zoo-vit-small": 4,
}
"""Rounds of a run: few where a round takes long, or where few are enough."""
OTHERWISE = 8
EQUAL = 1e-9
"""Relative difference of latencies that is none."""

Job = tuple[str, str, str, int, int]


def work(job: Job) -> dict[str, Any]:
    """One training run: graph, profile, way, seed, rounds."""
    torch.set_num_threads(1)
    graph, profile, way, seed, rounds = job
    problem = read(HERE / f"{graph}.json")
    target = machine(profile, problem)
    rival = solve(problem, target, "insertion")
    begun, cpu = time.perf_counter(), time.process_time()
    run = train(problem, target, Config(seed=seed, iterations=rounds, **WAYS[way]))
    plan = run.memory_map()
    verdict = verify(problem, target, plan)
    return {
        "graph": graph,
        "profile": profile,
        "way": way,
        "seed": seed,
        "rounds": rounds,
        "episodes": run.curve[-1].episodes,
        "agent": verdict.all_slow_s / verdict.latency_s,
        "insertion": rival.speedup,
        "bound": verdict.all_slow_s / lower_bound_s(problem, target),
        "verified": verdict.ok,
        "cpu_s": round(time.process_time() - cpu, 1),
        "wall_s": round(time.perf_counter() - begun, 1),
        "best": [round(point.best, 5) for point in run.curve],
        "mean": [round(point.mean, 5) for point in run.curve],
        "greedy": [round(point.greedy, 5) for point in run.curve],
    }


def key(row: dict[str, Any]) -> tuple[str, str, str, int]:
    """What makes a run the same run."""
    return row["graph"], row["profile"], row["way"], row["seed"]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write all runs, a line each, under a temporary name first."""
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    os.replace(temporary, path)


def wins(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Agent against insertion, a line per graph and profile; the median seed decides, the lower of two."""
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        cells.setdefault((row["way"], row["graph"], row["profile"]), []).append(row)
    counts: dict[str, list[int]] = {}
    for (way, graph, profile), runs in sorted(cells.items()):
        ratios = sorted(run["agent"] / run["insertion"] for run in runs)
        median = ratios[(len(ratios) - 1) // 2]
        won = 0 if median > 1 + EQUAL else 1 if median >= 1 - EQUAL else 2
        counts.setdefault(way, [0, 0, 0])[won] += 1
        agents = " ".join(f"{run['agent']:.4f}" for run in sorted(runs, key=lambda run: run["seed"]))
        verdict = ("beats", "equals", "loses to")[won]
        yield (
            f"{way:16} {graph:14} {profile:6} {agents} {verdict} {runs[0]['insertion']:.4f}"
            f" (median {100 * (median - 1):+.2f} %)"
        )
    for way, (won, tied, lost) in counts.items():
        yield f"{way}: {won} won, {tied} tied, {lost} lost of {won + tied + lost}"


def picture(path: Path, rows: list[dict[str, Any]]) -> None:
    """Learning curves over insertion: a panel per graph and profile, a line per way, the seeds shaded."""
    from matplotlib.figure import Figure

    cells = sorted({(row["graph"], row["profile"]) for row in rows})
    across = 4
    down = -(-len(cells) // across)
    figure = Figure(figsize=(3.2 * across, 2.3 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    for panel, cell in zip(panels, cells, strict=False):
        for color, way in enumerate(WAYS):
            runs = [row for row in rows if (row["graph"], row["profile"], row["way"]) == (*cell, way)]
            if not runs:
                continue
            length = min(len(run["best"]) for run in runs)
            curves = [[best / run["insertion"] for best in run["best"][:length]] for run in runs]
            spread = list(zip(*curves, strict=True))
            episodes = [runs[0]["episodes"] / len(runs[0]["best"]) * (at + 1) for at in range(length)]
            middle = [sorted(each)[len(each) // 2] for each in spread]
            panel.plot(episodes, middle, color=f"C{color}", label=way)
            low, high = [min(each) for each in spread], [max(each) for each in spread]
            panel.fill_between(episodes, low, high, color=f"C{color}", alpha=0.2)
        panel.axhline(1.0, color="grey", linewidth=0.8)
        low, high = panel.get_ylim()
        panel.set_ylim(min(low, 0.999), max(high, 1.001))
        panel.set_title(" ".join(cell), fontsize=8)
        panel.tick_params(labelsize=6)
    for panel in list(panels)[len(cells) :]:
        panel.axis("off")
    figure.supxlabel("episodes", fontsize=8)
    figure.supylabel("best so far, speed-up over insertion", fontsize=8)
    drawn = [panel.get_legend_handles_labels() for panel in figure.axes]
    named = {
        label: handle for handles, labels in drawn for handle, label in zip(handles, labels, strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=len(WAYS), fontsize=8)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--graphs", default=GRAPHS)
    parser.add_argument("--profiles", default="R0.5,R0.25")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--ways", default="full", help=", ".join(WAYS))
    parser.add_argument("--rounds", type=int, help="of every run")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=HERE / "agent.json")
    parser.add_argument("--plot", type=Path, help="draw the learning curves here (.svg, .png)")
    args = parser.parse_args()
    rows = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else []
    known = {key(row) for row in rows}
    jobs = [
        (graph, profile, way, int(seed), args.rounds or ROUNDS.get(graph, OTHERWISE))
        for way in args.ways.split(",")
        for seed in args.seeds.split(",")
        for graph in args.graphs.split(",")
        for profile in args.profiles.split(",")
        if (graph, profile, way, int(seed)) not in known
    ]
    context = multiprocessing.get_context("spawn")
    with context.Pool(max(1, min(args.processes, len(jobs)))) as pool:
        for row in pool.imap_unordered(work, jobs):
            rows.append(row)
            rows.sort(key=key)
            write(args.out, rows)
            told = ("graph", "profile", "way", "seed", "agent", "insertion", "cpu_s", "wall_s")
            print(*(row[name] for name in told), flush=True)
    print("\n".join(wins(rows)))
    if args.plot:
        picture(args.plot, rows)


if __name__ == "__main__":
    main()
