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
import sys
from dataclasses import dataclass

import torch
from beside import options_of, parsed, run_shapes, words
from peers import PEERS, Task

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


def shapes(given: str) -> list[Shape]:
    """An option's shapes, by comma."""
    return [Shape.parse(word) for word in words(given)]


def main() -> int:
    """Measure; 1 when a result was wrong."""
    parser = options_of(
        "linear layers on the CPU, penstock beside its peers",
        [name for name in PEERS if name != "tvm"],
        rounds=15,
        pause=20.0,
    )
    parser.add_argument("--shapes", type=shapes, default=[Shape.parse(shape) for shape in SHAPES])
    return run_shapes(parsed(parser))


if __name__ == "__main__":
    sys.exit(main())
