"""Linear layers of transformer size on the CPU: penstock beside its peers, and the share of the roof.

A shape is TOKENSxINPUTSxOUTPUTS, a `g` behind it adds a GELU; all have a bias. Peers (`peers.py`) take turns
within each round (`turns.py`). The roof is the fastest register-only loop of multiply-adds (bf16: of dot
products) of the same run and as many threads (`roofs.py`). In bf16 the peers are given bfloat16 tensors;
penstock takes and gives float32, and its time has both conversions in it. One number of threads a run:
some peers keep the first they are given. With one thread `--processor-time` counts the processor time of all
threads of the process in place of the clock: what the machine does besides then costs little.

Usage: python benchmarks/cpu_gemm.py [--threads N] [--precision fp32,bf16] [--shapes 128x768x768,…]
           [--peers NAMES] [--rounds N] [--pause MS] [--only NAME] [--processor-time] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peers import PEERS, Task, Way, build_all, reference, verdict
from roofs import Roofs
from turns import take_turns

import penstock
from penstock.sim.compare import difference

ELEMENTS = {"fp32": "f32", "bf16": "bf16"}
SHAPES = (
    "37x384x1536",
    "128x384x1536",
    "128x768x768",
    "128x768x3072g",
    "128x3072x768",
    "512x768x768",
    "512x768x3072g",
    "512x3072x768",
    "512x1024x4096",
    "512x4096x1024",
    "2048x768x768",
    "500x760x1000",
)


class Layer(torch.nn.Module):
    """``x·Wᵀ + b``, and a GELU where asked for."""

    def __init__(self, inputs: int, outputs: int, gelu: bool) -> None:
        super().__init__()
        self.linear, self.gelu = torch.nn.Linear(inputs, outputs), gelu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        return torch.nn.functional.gelu(y) if self.gelu else y


@dataclass(frozen=True)
class Shape:
    """A layer's size."""

    text: str
    tokens: int
    inputs: int
    outputs: int
    gelu: bool

    @staticmethod
    def parse(text: str) -> Shape:
        gelu = text.endswith("g")
        try:
            tokens, inputs, outputs = (int(word) for word in text.removesuffix("g").split("x"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text}: not TOKENSxINPUTSxOUTPUTS") from None
        return Shape(text, tokens, inputs, outputs, gelu)

    @property
    def flops(self) -> int:
        """Of the product alone."""
        return 2 * self.tokens * self.inputs * self.outputs

    def task(self, threads: int, precision: str) -> Task:
        torch.manual_seed(0)
        layer = Layer(self.inputs, self.outputs, self.gelu).eval()
        return Task(layer, {"x": torch.randn(self.tokens, self.inputs)}, threads, precision)


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


def penstock_way(task: Task, folder: Path) -> Way:
    asked: dict[str, Any] = {"precision": task.dtype} if task.dtype != "fp32" else {}
    bundle = penstock.compile(task.module, task.inputs, out=folder, **asked)
    arrays = {name: tensor.numpy() for name, tensor in task.inputs.items()}
    return Way(
        "penstock", lambda: bundle.run(arrays, threads=task.threads), lambda out: next(iter(out.values()))
    )


def measure(shape: Shape, precision: str, options: argparse.Namespace, roofs: Roofs) -> Iterator[Row]:
    """A row for every way."""
    task = shape.task(options.threads, precision)
    wanted = reference(task)
    others, absent = build_all(options.peers, task)
    for peer, reason in absent.items():
        print(f"{shape.text} {precision}: {peer} left out: {reason}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        ways = [penstock_way(task, Path(folder) / "bundle"), *others]
        errors = {way.name: difference(way.output(), wanted).relative for way in ways}
        times = take_turns(
            {way.name: way.run for way in ways}, options.rounds, options.pause / 1e3, options.clock
        )
    roof = roofs.flops(ELEMENTS[precision], options.threads) or roofs.flops("f32", options.threads)
    assert roof is not None
    for way in ways:
        timing = times[way.name]
        note = ", ".join(filter(None, (verdict(precision, errors[way.name]), way.note)))
        yield Row(
            *(shape.text, precision, options.threads, way.name),
            round(timing.median * 1e3, 3),
            round(shape.flops / timing.median / 1e9, 1),
            round(shape.flops / timing.median / roof, 3),
            round(shape.flops / timing.least / roof, 3),
            round(timing.median / times["penstock"].median, 3),
            float(f"{errors[way.name]:.2e}"),
            note,
        )
    torch.compiler.reset()


def text(row: Row) -> str:
    return (
        f"{row.shape:15} {row.precision:9} {row.way:21} {row.milliseconds:10.3f} {row.gflops:8.1f} "
        f"{row.of_roof:8.2f} {row.best_of_roof:8.2f} {row.times_penstock:10.3f} {row.relative_error:10.1e}  "
        f"{row.note}"
    )


def summary(rows: list[Row], precision: str) -> str:
    """Geometric means over the shapes: penstock's share of the roof, and the nearest peer's time."""
    ours = {row.shape: row for row in rows if row.way == "penstock" and row.precision == precision}
    best: dict[str, float] = {}
    for row in rows:
        if row.precision == precision and row.way != "penstock" and "wrong" not in row.note:
            best[row.shape] = min(best.get(row.shape, math.inf), row.times_penstock)
    share = math.prod(row.of_roof for row in ours.values()) ** (1 / len(ours))
    said = f"{precision}: {share:.2f} of the roof"
    if best:
        ratio = math.prod(best.values()) ** (1 / len(best))
        said += f", the best peer takes {ratio:.2f} times as long ({min(best.values()):.2f} at least)"
    return said


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="linear layers on the CPU, penstock beside its peers")

    def words(given: str) -> list[str]:
        return [word for word in given.split(",") if word]

    def shapes(given: str) -> list[Shape]:
        return [Shape.parse(word) for word in words(given)]

    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", type=words, default=["fp32", "bf16"])
    parser.add_argument("--shapes", type=shapes, default=[Shape.parse(shape) for shape in SHAPES])
    parser.add_argument("--peers", type=words, default=[name for name in PEERS if name != "tvm"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pause", type=float, default=20.0, help="milliseconds before each turn (20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="shapes whose text contains this")
    parser.add_argument("--processor-time", action="store_true", help="not the clock; one thread")
    options = parser.parse_args()
    options.clock = time.process_time if options.processor_time else time.perf_counter
    if options.processor_time and options.threads != 1:
        parser.error("--processor-time: with --threads 1")
    for given, known in ((options.precision, ELEMENTS), (options.peers, PEERS)):
        if unknown := set(given) - set(known):
            parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    return options


def main() -> int:
    options = arguments()
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    if not options.json:
        print(
            f"{'shape':15} {'precision':9} {'way':21} {'median ms':>10} {'GFLOP/s':>8} {'of roof':>8} "
            f"{'best':>8} {'/penstock':>10} {'rel. error':>10}"
        )
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        roofs = Roofs(Path(folder))
        for precision in options.precision:
            for shape in options.shapes:
                if options.only not in shape.text:
                    continue
                for row in measure(shape, precision, options, roofs):
                    rows.append(row)
                    if not options.json:
                        print(text(row), flush=True)
        peaks = {p: roofs.flops(ELEMENTS[p], options.threads) for p in options.precision}
    if options.json:
        result: dict[str, Any] = {"threads": options.threads, "roof_flops": peaks}
        print(json.dumps({**result, "rows": [asdict(row) for row in rows]}, indent=2))
    elif rows:
        for precision in options.precision:
            print(summary(rows, precision))
        said = (f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items() if peak)
        print(f"{options.threads} threads, roof: {', '.join(said)}")
    return 1 if any("wrong" in row.note for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
