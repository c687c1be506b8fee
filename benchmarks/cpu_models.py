"""Whole models on the CPU: penstock beside eager PyTorch, torch.compile and torch's SDPA, in one run.

Every figure stands beside its error against eager PyTorch in float64. Peers take turns within each round,
so that a drift of the machine falls on all of them; medians are printed. There is no target: the ratio
is the result.

Usage: python benchmarks/cpu_models.py [--threads N] [--rounds N] [--pause MS] [--json] [--only NAME]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import penstock
from penstock.frontend import zoo
from penstock.sim.compare import difference

BOUND = 1e-5
Run = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One thing to time: a module, its inputs by name, and further ways to compute the same."""

    name: str
    module: torch.nn.Module
    inputs: dict[str, torch.Tensor]
    others: dict[str, Callable[..., torch.Tensor]]


class ExplicitAttention(torch.nn.Module):
    """Softmax attention written out."""

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        return torch.softmax(scores, dim=-1) @ v


class EncoderLayer(torch.nn.Module):
    """One layer of BERT-base, taken out of the zoo's model."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = zoo.build("zoo:bert-base,layers=1").module.get_submodule("encoder.layer.0")

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.layer(hidden, None)


def cases() -> list[Case]:
    """MiniLM with its real weights, a BERT-base layer, and attention 4×1024×64."""
    generator = torch.Generator().manual_seed(0)
    minilm = zoo.build("zoo:minilm-l6")
    q, k, v = (torch.randn(1, 4, 1024, 64, generator=generator) for _ in range(3))
    hidden = torch.randn(1, 128, 768, generator=generator)
    return [
        Case("minilm-l6 s=128", minilm.module, minilm.example_inputs(128), {}),
        Case("bert-base layer s=128", EncoderLayer().eval(), {"hidden": hidden}, {}),
        Case(
            "attention 4x1024x64",
            ExplicitAttention().eval(),
            {"q": q, "k": k, "v": v},
            {"torch SDPA": F.scaled_dot_product_attention},
        ),
    ]


def peers(case: Case, threads: int, folder: Path) -> dict[str, Run]:
    """Every way to compute the case, ready to run."""
    arrays = {name: tensor.numpy() for name, tensor in case.inputs.items()}
    positional = tuple(case.inputs.values())
    bundle = penstock.compile(case.module, case.inputs, out=folder / case.name.replace(" ", "-"))
    compiled = torch.compile(case.module)

    def torch_run(call: Callable[..., torch.Tensor]) -> Run:
        def run() -> np.ndarray:
            with torch.inference_mode():
                return call(*positional).numpy()

        return run

    ways: dict[str, Run] = {
        "penstock": lambda: next(iter(bundle.run(arrays, threads=threads).values())),
        "eager": torch_run(case.module),
        "torch.compile": torch_run(compiled),
    }
    return ways | {name: torch_run(call) for name, call in case.others.items()}


def reference(case: Case) -> np.ndarray:
    """The case in float64, eager."""
    module = case.module.to(torch.float64)
    inputs = [tensor.double() if tensor.is_floating_point() else tensor for tensor in case.inputs.values()]
    with torch.inference_mode():
        result = module(*inputs).numpy()
    case.module.to(torch.float32)
    return result


def measure(ways: dict[str, Run], rounds: int, pause: float) -> dict[str, float]:
    """Median seconds of each way; one turn each per round after two warm rounds.

    A turn is a pause (OpenMP's threads of the turn before still spin on the cores for a while, to the cost
    of whoever comes next), one run that is not timed, and one that is.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 2):
        for name, run in ways.items():
            time.sleep(pause)
            run()
            start = time.perf_counter()
            run()
            if turn >= 2:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description="whole models on the CPU, penstock beside its peers")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pause", type=float, default=50.0, help="milliseconds before each turn (50)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        for case in cases():
            if options.only not in case.name:
                continue
            wanted = reference(case)
            ways = peers(case, options.threads, Path(folder))
            errors = {name: difference(run(), wanted).relative for name, run in ways.items()}
            medians = measure(ways, options.rounds, options.pause / 1e3)
            rows += [
                {
                    "case": case.name,
                    "way": name,
                    "threads": options.threads,
                    "milliseconds": round(medians[name] * 1e3, 3),
                    "times_penstock": round(medians[name] / medians["penstock"], 3),
                    "relative_error": float(f"{errors[name]:.2e}"),
                }
                for name in ways
            ]
    if options.json:
        print(json.dumps({"rows": rows}, indent=2))
    else:
        print(f"{'case':24} {'way':14} {'threads':>7} {'median ms':>10} {'/penstock':>10} {'rel. error':>10}")
        for row in rows:
            print(
                f"{row['case']:24} {row['way']:14} {row['threads']:7} {row['milliseconds']:10.3f} "
                f"{row['times_penstock']:10.3f} {row['relative_error']:10.1e}"
            )
    return 0 if all(row["relative_error"] <= BOUND for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
