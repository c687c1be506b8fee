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
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import beside
import torch
from peers import PEERS, Task
from roofs import Roofs

from penstock.frontend import zoo

WIDTH = 768  # of BERT-base


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


def measure(name: str, model: Model, options: argparse.Namespace, roofs: Roofs) -> Iterator[Row]:
    """Every precision, batch and length of one model."""
    cases = [(p, b, s) for p in options.precision for b in options.batch for s in options.lengths]
    for precision, batch, length in cases:
        case = f"{name} {precision} batch {batch} s={length}"
        if options.only not in case:
            continue
        task = Task(model.module, model.inputs(batch, length), options.threads, precision)
        ways, flops = beside.measure(case, task, options)
        peak = beside.roof_of(roofs, precision, options.threads)
        for way in ways:
            yield Row(
                *(name, precision, batch, length, way.way),
                round(way.timing.median * 1e3, 3),
                round(way.timing.least * 1e3, 3),
                round(way.timing.median / ways[0].timing.median, 3),
                round(flops / way.timing.least / peak, 3),
                float(f"{way.error:.2e}"),
                way.note,
            )
        gc.collect()


def text(row: Row) -> str:
    case = f"{row.model} {row.precision} b={row.batch} s={row.length}"
    return (
        f"{case:28} {row.way:21} {row.milliseconds:10.3f} {row.least:10.3f} {row.times_penstock:10.3f} "
        f"{row.of_peak:8.2f} {row.relative_error:10.1e}  {row.note}"
    )


def main() -> int:
    """Measure; 1 when a result was wrong."""
    parser = beside.options_of(
        "whole models on the CPU, penstock beside its peers",
        [name for name in PEERS if name != "tvm"],
        rounds=15,
        pause=50.0,
    )
    parser.add_argument("--batch", type=beside.numbers, default=[1])
    parser.add_argument("--lengths", type=beside.numbers, default=[128])
    parser.add_argument("--models", type=beside.words, default=["minilm-l6", "bert-base"])
    options = beside.parsed(parser)
    if unknown := set(options.models) - set(MODELS):
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(MODELS)}")
    head = (
        f"{'case':28} {'way':21} {'median ms':>10} {'least ms':>10} {'/penstock':>10} {'of peak':>8} "
        f"{'rel. error':>10}"
    )
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        roofs = Roofs(Path(folder))
        found = chain.from_iterable(measure(name, MODELS[name](), options, roofs) for name in options.models)
        rows = beside.write_rows(found, head, text, options, roofs)
    return beside.status_of(rows)


if __name__ == "__main__":
    sys.exit(main())
