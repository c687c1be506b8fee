"""What the CPU benchmarks share: one task on penstock and its peers by turns, its rows, options and output.

Peers are those of `peers.py`, turns those of `turns.py`; the roof is the fastest register-only loop of
multiply-adds (bf16: of dot products) of the same run and as many threads (`roofs.py`).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from peers import PEERS, Task, Way, build_all, reference, verdict
from roofs import Roofs
from turns import Timing, take_turns

import penstock
from penstock.ir.bundle import COST
from penstock.sim.compare import difference

ELEMENTS = {"fp32": "f32", "bf16": "bf16"}


class Shape(Protocol):
    """One thing to compute, by its size."""

    @property
    def text(self) -> str:
        """As it is written on the command line."""
        ...

    @property
    def flops(self) -> int:
        """Floating-point operations that count."""
        ...

    def task(self, threads: int, precision: str) -> Task:
        """What peers are given."""
        ...


@dataclass(frozen=True)
class Row:
    """One way on one shape."""

    shape: str
    precision: str
    threads: int
    way: str
    milliseconds: float
    gflops: float
    of_roof: float
    best_of_roof: float
    times_penstock: float
    relative_error: float
    note: str


@dataclass(frozen=True)
class Measured:
    """One way on a task: its times, its error against float64, and what to know of it."""

    way: str
    timing: Timing
    error: float
    note: str


def words(given: str) -> list[str]:
    """An option's values, by comma."""
    return [word for word in given.split(",") if word]


def numbers(given: str) -> list[int]:
    """An option's numbers, by comma."""
    return [int(word) for word in words(given)]


def options_of(description: str, peers: Sequence[str], rounds: int, pause: float) -> argparse.ArgumentParser:
    """A parser with the options that all have, and what `peers`, `rounds` and `pause` are by default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", type=words, default=list(ELEMENTS))
    parser.add_argument("--peers", type=words, default=list(peers))
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument(
        "--pause", type=float, default=pause, help=f"milliseconds before each turn ({pause:g})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--processor-time", action="store_true", help="not the clock; one thread")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options given, precisions and peers among those known."""
    options = parser.parse_args()
    for given, known in ((options.precision, ELEMENTS), (options.peers, PEERS)):
        if unknown := set(given) - set(known):
            parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    if options.processor_time and options.threads != 1:
        parser.error("--processor-time: with --threads 1")
    # Of all threads of the process: a peer's own threads count too.
    options.clock = time.process_time if options.processor_time else time.perf_counter
    torch.set_num_threads(options.threads)
    return options


def penstock_way(task: Task, folder: Path) -> Way:
    """The task compiled into a bundle of that name."""
    asked: dict[str, Any] = {"precision": task.dtype} if task.dtype != "fp32" else {}
    bundle = penstock.compile(task.module, task.inputs, out=folder, **asked)
    arrays = {name: tensor.numpy() for name, tensor in task.inputs.items()}
    return Way(
        "penstock", lambda: bundle.run(arrays, threads=task.threads), lambda out: next(iter(out.values()))
    )


def measure(case: str, task: Task, options: argparse.Namespace) -> tuple[list[Measured], int]:
    """Penstock, first, and the peers on a task; and the operations of a run by penstock's cost record.

    Peers that cannot do it are named on standard error.
    """
    wanted = reference(task)
    others, absent = build_all(options.peers, task)
    for peer, reason in absent.items():
        print(f"{case}: {peer} left out: {reason}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="penstock-") as scratch:
        folder = Path(scratch) / "bundle"
        ways = [penstock_way(task, folder), *others]
        errors = {way.name: difference(way.output(), wanted).relative for way in ways}
        runs = {way.name: way.run for way in ways}
        times = take_turns(runs, options.rounds, options.pause / 1e3, options.clock)
        entries = json.loads((folder / COST).read_text())["entries"]
    (cost,) = entries.values()
    torch.compiler.reset()
    found = [
        Measured(
            way.name,
            times[way.name],
            errors[way.name],
            ", ".join(filter(None, (verdict(task.dtype, errors[way.name]), way.note))),
        )
        for way in ways
    ]
    return found, sum(group["flops"] * group["instances"] for group in cost["groups"])


def roof_of(roofs: Roofs, precision: str, threads: int) -> float:
    """Operations a second; of f32 where the machine has no dot products of bf16."""
    roof = roofs.flops(ELEMENTS[precision], threads) or roofs.flops("f32", threads)
    assert roof is not None
    return roof


def write_rows(
    rows: Iterator[Any], head: str, text: Callable[[Any], str], options: argparse.Namespace, roofs: Roofs
) -> list[Any]:
    """Print rows as they come, and the roof; or all as one JSON object."""
    found = []
    if not options.json:
        print(head)
    for row in rows:
        found.append(row)
        if not options.json:
            print(text(row), flush=True)
    peaks = {name: roofs.flops(ELEMENTS[name], options.threads) for name in options.precision}
    if options.json:
        result: dict[str, Any] = {"threads": options.threads, "roof_flops": peaks}
        print(json.dumps({**result, "rows": [asdict(row) for row in found]}, indent=2))
    else:
        said = (f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items() if peak)
        print(f"{options.threads} threads, roof: {', '.join(said)}")
    return found


def status_of(rows: Sequence[Any]) -> int:
    """Exit status: 1 when a result was wrong."""
    return 1 if any("wrong" in row.note for row in rows) else 0


def run_shapes(options: argparse.Namespace) -> int:
    """All of ``options.shapes`` in all precisions: rows, and means over the shapes. The exit status."""
    head = (
        f"{'shape':15} {'precision':9} {'way':21} {'median ms':>10} {'GFLOP/s':>8} {'of roof':>8} "
        f"{'best':>8} {'/penstock':>10} {'rel. error':>10}"
    )
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        roofs = Roofs(Path(folder))
        rows = write_rows(_rows(options, roofs), head, _text, options, roofs)
    if rows and not options.json:
        for precision in options.precision:
            print("\n".join(summary([row for row in rows if row.precision == precision], precision)))
    return status_of(rows)


def _rows(options: argparse.Namespace, roofs: Roofs) -> Iterator[Row]:
    shapes: list[Shape] = [shape for shape in options.shapes if options.only in shape.text]
    for precision in options.precision:
        for shape in shapes:
            ways, _ = measure(f"{shape.text} {precision}", shape.task(options.threads, precision), options)
            roof = roof_of(roofs, precision, options.threads)
            for way in ways:
                yield Row(
                    *(shape.text, precision, options.threads, way.way),
                    round(way.timing.median * 1e3, 3),
                    round(shape.flops / way.timing.median / 1e9, 1),
                    round(shape.flops / way.timing.median / roof, 3),
                    round(shape.flops / way.timing.least / roof, 3),
                    round(way.timing.median / ways[0].timing.median, 3),
                    float(f"{way.error:.2e}"),
                    way.note,
                )


def _text(row: Row) -> str:
    return (
        f"{row.shape:15} {row.precision:9} {row.way:21} {row.milliseconds:10.3f} {row.gflops:8.1f} "
        f"{row.of_roof:8.2f} {row.best_of_roof:8.2f} {row.times_penstock:10.3f} {row.relative_error:10.1e}  "
        f"{row.note}"
    )


def summary(rows: Sequence[Row], precision: str) -> list[str]:
    """Geometric means over the shapes: penstock's share of the roof, each peer's time and the nearest's."""
    ours = [row.of_roof for row in rows if row.way == "penstock"]
    peers: dict[str, list[float]] = {}
    nearest: dict[str, float] = {}
    for row in rows:
        if row.way != "penstock" and "wrong" not in row.note:
            peers.setdefault(row.way, []).append(row.times_penstock)
            nearest[row.shape] = min(nearest.get(row.shape, math.inf), row.times_penstock)
    said = [f"{precision}: {_mean(ours):.2f} of the roof ({min(ours):.2f} to {max(ours):.2f})"]
    for peer, ratios in [*peers.items(), ("the best of them", list(nearest.values()))]:
        if ratios:
            span = f"{min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} shapes"
            said.append(f"{precision}: {peer} takes {_mean(ratios):.2f} times as long ({span})")
    return said


def _mean(values: Sequence[float]) -> float:
    return math.prod(values) ** (1 / len(values))
