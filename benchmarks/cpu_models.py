"""Whole models on the CPU: penstock beside what a user would otherwise run, in one run.

MiniLM with its real weights, BERT-base and one layer of it, in float32 and bfloat16, by batch and length.
Peers (`peers.py`) take turns within each round (`turns.py`), so that a drift of the machine falls on all of
them. Every figure stands beside its error against eager PyTorch in float64, and beside the share of the
machine's peak that the model's operations (`cost.json`) come to in the least time, the peak of multiply-adds
in the case's precision being measured in the same run (`roofs.py`). Peers that are not installed, or cannot
do a case, are listed with the reason. One number of threads a run: some peers keep the first they are given.
TVM has no rule for matrix products on CPUs without tuning and takes seconds: it is tried when named.

The default fits a few minutes: both models at 128 tokens, batch 1, in both precisions. The whole grid:

    python benchmarks/cpu_models.py --threads 1 --batch 1,8 --lengths 32,128,512 --rounds 9

Usage: python benchmarks/cpu_models.py [--threads N] [--precision fp32,bf16] [--batch 1,8]
           [--lengths 32,128,512] [--models minilm-l6,bert-base,bert-layer] [--peers NAMES] [--rounds N]
           [--pause MS] [--only NAME] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peers import PEERS, Task, Way, build_all, reference, verdict
from roofs import Roofs
from turns import Timing, take_turns

import penstock
from penstock.frontend import zoo
from penstock.ir.bundle import COST
from penstock.sim.compare import difference

WIDTH = 768  # of BERT-base
ELEMENTS = {"fp32": "f32", "bf16": "bf16"}


class EncoderLayer(torch.nn.Module):
    """One layer of BERT-base, taken out of the zoo's model."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = zoo.build("zoo:bert-base,layers=1").module.get_submodule("encoder.layer.0")

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.layer(hidden, None)


@dataclass(frozen=True)
class Model:
    """A module and the making of its inputs from batch and length."""

    module: torch.nn.Module
    inputs: Callable[[int, int], dict[str, torch.Tensor]]


def from_zoo(spec: str) -> Model:
    built = zoo.build(spec)
    return Model(built.module, lambda batch, length: built.example_inputs(length, batch))


def layer() -> Model:
    def inputs(batch: int, length: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        return {"hidden": torch.randn(batch, length, WIDTH, generator=generator)}

    return Model(EncoderLayer().eval(), inputs)


MODELS: dict[str, Callable[[], Model]] = {
    "minilm-l6": lambda: from_zoo("zoo:minilm-l6"),
    "bert-base": lambda: from_zoo("zoo:bert-base"),
    "bert-layer": layer,
}


@dataclass(frozen=True)
class Row:
    """One way on one case."""

    model: str
    precision: str
    batch: int
    length: int
    way: str
    milliseconds: float
    least: float
    times_penstock: float
    of_peak: float
    relative_error: float
    note: str


def penstock_way(task: Task, folder: Path) -> tuple[Way, int]:
    """Penstock on a task, and the floating-point operations of one run."""
    asked: dict[str, Any] = {"precision": task.dtype} if task.dtype != "fp32" else {}
    bundle = penstock.compile(task.module, task.inputs, out=folder, **asked)
    arrays = {name: tensor.numpy() for name, tensor in task.inputs.items()}
    ((_, cost),) = json.loads((folder / COST).read_text())["entries"].items()
    flops = sum(group["flops"] * group["instances"] for group in cost["groups"])
    way = Way(
        "penstock", lambda: bundle.run(arrays, threads=task.threads), lambda out: next(iter(out.values()))
    )
    return way, flops


def measure(name: str, model: Model, options: argparse.Namespace, roofs: Roofs) -> Iterator[Row]:
    """Every precision, batch and length of one model."""
    cases = [(p, b, s) for p in options.precision for b in options.batch for s in options.lengths]
    for precision, batch, length in cases:
        case = f"{name} {precision} batch {batch} s={length}"
        if options.only not in case:
            continue
        task = Task(model.module, model.inputs(batch, length), options.threads, precision)
        wanted = reference(task)
        others, absent = build_all(options.peers, task)
        for peer, reason in absent.items():
            print(f"{case}: {peer} left out: {reason}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            ours, flops = penstock_way(task, Path(folder) / "bundle")
            ways = [ours, *others]
            errors = {way.name: difference(way.output(), wanted).relative for way in ways}
            times = take_turns({way.name: way.run for way in ways}, options.rounds, options.pause / 1e3)
        base = times["penstock"]
        peak = roofs.flops(ELEMENTS[precision], options.threads) or roofs.flops("f32", options.threads)
        assert peak is not None
        for way in ways:
            note = ", ".join(filter(None, (verdict(precision, errors[way.name]), way.note)))
            timing: Timing = times[way.name]
            yield Row(
                *(name, precision, batch, length, way.name),
                round(timing.median * 1e3, 3),
                round(timing.least * 1e3, 3),
                round(timing.median / base.median, 3),
                round(flops / timing.least / peak, 3),
                float(f"{errors[way.name]:.2e}"),
                note,
            )
        del ours, others, ways
        torch.compiler.reset()
        gc.collect()


def text(row: Row) -> str:
    case = f"{row.model} {row.precision} b={row.batch} s={row.length}"
    return (
        f"{case:28} {row.way:21} {row.milliseconds:10.3f} {row.least:10.3f} {row.times_penstock:10.3f} "
        f"{row.of_peak:8.2f} {row.relative_error:10.1e}  {row.note}"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="whole models on the CPU, penstock beside its peers")

    def words(given: str) -> list[str]:
        return [word for word in given.split(",") if word]

    def numbers(given: str) -> list[int]:
        return [int(word) for word in words(given)]

    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", type=words, default=["fp32", "bf16"])
    parser.add_argument("--batch", type=numbers, default=[1])
    parser.add_argument("--lengths", type=numbers, default=[128])
    parser.add_argument("--models", type=words, default=["minilm-l6", "bert-base"])
    parser.add_argument("--peers", type=words, default=[name for name in PEERS if name != "tvm"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pause", type=float, default=50.0, help="milliseconds before each turn (50)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    for given, known in ((options.models, MODELS), (options.peers, PEERS)):
        if unknown := set(given) - set(known):
            parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    return options


def main() -> int:
    options = arguments()
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    if not options.json:
        print(
            f"{'case':28} {'way':21} {'median ms':>10} {'least ms':>10} {'/penstock':>10} {'of peak':>8} "
            f"{'rel. error':>10}"
        )
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        roofs = Roofs(Path(folder))
        for name in options.models:
            for row in measure(name, MODELS[name](), options, roofs):
                rows.append(row)
                if not options.json:
                    print(text(row), flush=True)
        peaks = {p: roofs.flops(ELEMENTS[p], options.threads) for p in options.precision}
    if options.json:
        result: dict[str, Any] = {"threads": options.threads, "peak_flops": peaks}
        print(json.dumps({**result, "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        said = (f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items() if peak)
        print(f"{options.threads} threads, peak: {', '.join(said)}")
    return 1 if any("wrong" in row.note for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
