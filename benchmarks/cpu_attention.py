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
import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from beside import options_of, parsed, run_shapes, words
from peers import Task

PEERS = ("eager", "iree", "onnxruntime", "openvino")
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


def shapes(given: str) -> list[Shape]:
    """An option's shapes, by comma."""
    return [Shape.parse(word) for word in words(given)]


def main() -> int:
    """Measure; 1 when a result was wrong."""
    parser = options_of(
        "attention on the CPU, penstock beside its peers",
        PEERS,
        rounds=9,
        pause=20.0,
    )
    parser.add_argument("--shapes", type=shapes, default=[Shape.parse(shape) for shape in SHAPES])
    return run_shapes(parsed(parser))


if __name__ == "__main__":
    sys.exit(main())
