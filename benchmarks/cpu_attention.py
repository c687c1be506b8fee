"""Attention on the CPU: penstock beside torch's SDPA, IREE and other peers, and the share of the roof.

A shape is HEADSxLENGTHxSIZE, a `c` behind it makes it causal; queries, keys and values are inputs. Operations
are counted where the mask lets something through: half of them for causal attention. Peers (`peers.py`) take
turns within each round (`turns.py`); torch's eager is its SDPA. The roof is the fastest register-only loop of
multiply-adds (bf16: of dot products) of the same run and as many threads (`roofs.py`). In bf16 the peers are
given bfloat16 tensors; penstock takes and gives float32, and its time has both conversions in it. One number
of threads a run: some peers keep the first they are given.

Usage: python benchmarks/cpu_attention.py [--threads N] [--precision fp32,bf16] [--shapes 4x1024x64c,…]
           [--peers NAMES] [--rounds N] [--pause MS] [--only NAME] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from cpu_gemm import ELEMENTS, penstock_way
from peers import PEERS, Task, build_all, reference, verdict
from roofs import Roofs
from turns import take_turns

from penstock.sim.compare import difference

LENGTHS, SIZES, HEADS = (128, 256, 512, 1024, 2048, 4096, 8192), (64, 128), 4
SHAPES = tuple(f"{HEADS}x{s}x{d}{mask}" for d in SIZES for mask in ("", "c") for s in LENGTHS)


class Attention(torch.nn.Module):
    """Scaled dot-product attention over ``[1, heads, length, size]``."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)


@dataclass(frozen=True)
class Shape:
    """An attention's size."""

    text: str
    heads: int
    length: int
    size: int
    causal: bool

    @staticmethod
    def parse(text: str) -> Shape:
        causal = text.endswith("c")
        try:
            heads, length, size = (int(word) for word in text.removesuffix("c").split("x"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text}: not HEADSxLENGTHxSIZE") from None
        return Shape(text, heads, length, size, causal)

    @property
    def flops(self) -> int:
        """Of both products, where the mask lets something through."""
        pairs = self.length * (self.length + 1) // 2 if self.causal else self.length**2
        return 4 * self.heads * self.size * pairs

    def task(self, threads: int, precision: str) -> Task:
        generator = torch.Generator().manual_seed(0)
        shape = (1, self.heads, self.length, self.size)
        inputs = {name: torch.randn(shape, generator=generator) for name in "qkv"}
        return Task(Attention(self.causal).eval(), inputs, threads, precision)


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
    times_penstock: float
    relative_error: float
    note: str


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
        times = take_turns({way.name: way.run for way in ways}, options.rounds, options.pause / 1e3)
    roof = roofs.flops(ELEMENTS[precision], options.threads) or roofs.flops("f32", options.threads)
    assert roof is not None
    for way in ways:
        median = times[way.name].median
        yield Row(
            *(shape.text, precision, options.threads, way.name),
            round(median * 1e3, 3),
            round(shape.flops / median / 1e9, 1),
            round(shape.flops / median / roof, 3),
            round(median / times["penstock"].median, 3),
            float(f"{errors[way.name]:.2e}"),
            ", ".join(filter(None, (verdict(precision, errors[way.name]), way.note))),
        )


def text(row: Row) -> str:
    return (
        f"{row.shape:12} {row.precision:9} {row.way:14} {row.milliseconds:10.3f} {row.gflops:8.1f} "
        f"{row.of_roof:8.2f} {row.times_penstock:10.3f} {row.relative_error:10.1e}  {row.note}"
    )


def summary(rows: list[Row], precision: str) -> list[str]:
    """Per peer the geometric mean, over the shapes, of its time in penstock's, and the least."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.precision == precision and row.way != "penstock" and "wrong" not in row.note:
            found.setdefault(row.way, []).append(row.times_penstock)
    return [
        f"{precision}: {peer} takes {math.prod(ratios) ** (1 / len(ratios)):.2f} times as long "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} shapes)"
        for peer, ratios in found.items()
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="attention on the CPU, penstock beside its peers")

    def words(given: str) -> list[str]:
        return [word for word in given.split(",") if word]

    def shapes(given: str) -> list[Shape]:
        return [Shape.parse(word) for word in words(given)]

    peers = [name for name in PEERS if name in ("eager", "iree", "onnxruntime", "openvino")]
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", type=words, default=["fp32", "bf16"])
    parser.add_argument("--shapes", type=shapes, default=[Shape.parse(shape) for shape in SHAPES])
    parser.add_argument("--peers", type=words, default=peers)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pause", type=float, default=20.0, help="milliseconds before each turn (20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="shapes whose text contains this")
    options = parser.parse_args()
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
            f"{'shape':12} {'precision':9} {'way':14} {'median ms':>10} {'GFLOP/s':>8} {'of roof':>8} "
            f"{'/penstock':>10} {'rel. error':>10}"
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
            print("\n".join(summary(rows, precision)))
        said = (f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items() if peak)
        print(f"{options.threads} threads, roof: {', '.join(said)}")
    return 1 if any("wrong" in row.note for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
