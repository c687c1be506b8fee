"""A linear layer with BitMoD weights on a GPU: penstock in FP4 and FP3 beside cuBLAS in bf16.

A shape is TOKENSxINPUTSxOUTPUTS. Every way multiplies bf16 tokens on the device; weights are copied as
often as it takes to fill more than the second-level cache, and launches cycle through the copies, so that
each reads its own from memory. Launches are captured into a graph, since one is shorter than what it costs to
be asked for. Ways take turns within each round, and a turn counts as the share of one launch.

The rate is that of the weights as they are stored (codes, scales, special values) over the time; the roof is
the target's read bandwidth (`ir/targets/h200.toml`). The error is ‖out − ref‖ / ‖ref‖ against float64 with
the weights that the codes stand for; cuBLAS is given the float weights rounded to bf16, and its error is
against them in float64.

`--emulate` runs penstock's kernels on the emulated multiprocessor instead, on the CPU and without times.

Usage: python benchmarks/cuda_bitmod.py [--shapes 1x4096x4096,1x4096x11008,…] [--ways bitmod4,bitmod3,cublas]
           [--rounds N] [--burst N] [--seed N] [--emulate] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from penstock.backends.cuda.bitmod.emit import bitmod_kernels
from penstock.backends.cuda.bitmod.layout import PARTS
from penstock.backends.cuda.codegen.group import Group
from penstock.backends.cuda.cubins import compile_source
from penstock.backends.cuda.device import Arguments, Device
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.kernel import Arch, Buffer, Launch, arch_named
from penstock.ir.bfloat16 import decode, encode
from penstock.ir.cascade import FUSED, walk
from penstock.ir.errors import PenstockError
from penstock.ir.formats import QuantizedMatrix
from penstock.ir.module import parse_module
from penstock.ir.targets import load
from penstock.passes.quantize import fake_quantize

SHAPES = (
    *("1x4096x4096", "1x4096x11008", "1x11008x4096", "1x8192x8192", "4x4096x11008", "16x4096x4096"),
    *("512x4096x4096", "2048x4096x11008"),  # prompts: tiles
)
WAYS = ("bitmod4", "bitmod3", "cublas")
BOUND = 1e-2
CACHE_BYTES = 60 << 20
_MODULE = """\
func.func @main(%x: tensor<{tokens}x{inputs}xbf16> {{penstock.name = "x", penstock.kind = "input"}},
                %w: tensor<{outputs}x{inputs}xf32> {{penstock.name = "w", penstock.kind = "param",
                    penstock.quantized = {{bits = {bits} : i64, channels = [0], format = "{form}",
                    group = 128 : i64, scale_bits = 8 : i64}}}}) -> tensor<{tokens}x{outputs}xf32> {{
  %y = "cascade.fused"(%x, %w) ({{
    ^bb0(%a: tensor<{tokens}x{inputs}xbf16>, %b: tensor<{outputs}x{inputs}xf32>):
      %c = "cascade.einsum"(%a, %b) {{expr = "y[s,n] = sum[d] mul(x[s,d], w[n,d])"}}
          : (tensor<{tokens}x{inputs}xbf16>, tensor<{outputs}x{inputs}xf32>) -> tensor<{tokens}x{outputs}xf32>
      "cascade.yield"(%c) : (tensor<{tokens}x{outputs}xf32>) -> ()
  }}) {{kernel = "linear", passes_before = 1 : i64, passes_after = 1 : i64, over = "d",
      rank_order = ["s", "n", "d"], parallel = 2 : i64, tiles = [], footprint_before = "0",
      footprint_after = "0", rewrites = [], derivation = []}}
      : (tensor<{tokens}x{inputs}xbf16>, tensor<{outputs}x{inputs}xf32>) -> tensor<{tokens}x{outputs}xf32>
  return %y : tensor<{tokens}x{outputs}xf32>
}}
"""


@dataclass(frozen=True)
class Shape:
    """A linear layer's size."""

    text: str
    tokens: int
    inputs: int
    outputs: int

    @staticmethod
    def parse(text: str) -> Shape:
        """The shape written on the command line."""
        try:
            tokens, inputs, outputs = (int(word) for word in text.split("x"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text}: not TOKENSxINPUTSxOUTPUTS") from None
        return Shape(text, tokens, inputs, outputs)


@dataclass(frozen=True)
class Row:
    """One way on one shape; times and rates are null where nothing was timed."""

    shape: str
    way: str
    bits: float
    microseconds: float | None
    gigabytes_per_s: float | None
    of_roof: float | None
    error: float


def launches_for(shape: Shape, form: str, arch: Arch) -> tuple[Launch, ...]:
    """Penstock's kernels of a layer."""
    sizes = {"tokens": shape.tokens, "inputs": shape.inputs, "outputs": shape.outputs}
    module = parse_module(_MODULE.format(form=form, bits=int(form[-1]), **sizes))
    (op,) = (each for each in walk(module.operation) if each.name == FUSED)
    launches = bitmod_kernels(Group.of(op), f"linear_{form}", arch)
    assert launches is not None
    return launches


@lru_cache(maxsize=4)
def weight(shape: Shape, form: str, seed: int) -> QuantizedMatrix:
    """A quantized weight."""
    made = np.random.default_rng(seed).standard_normal((shape.outputs, shape.inputs)).astype(np.float32)
    return fake_quantize(made, form, scale_bits=8)


def parts_of(launches: tuple[Launch, ...], matrix: QuantizedMatrix) -> dict[str, np.ndarray]:
    """What the kernels read of the weight, by the parts' names."""
    return {
        place.part: np.ascontiguousarray(PARTS[place.part](matrix))
        for launch in launches
        for place in launch.places.values()
        if place.part
    }


Key = tuple[str, int] | str
"""What of the group a kernel's tensor is: its place's kind and number, or the part of the weight."""


def keys_of(launch: Launch) -> dict[str, Key]:
    """Per tensor of a kernel, what it is."""
    return {name: place.part or (place.kind, place.number) for name, place in launch.places.items()}


def work_of(launches: tuple[Launch, ...]) -> dict[Key, Buffer]:
    """Tensors between launches."""
    return {
        (place.kind, place.number): tensor
        for launch in launches
        for tensor in launch.kernel.tensors()
        if (place := launch.places[tensor.name]).kind == "work"
    }


def error_of(out: np.ndarray, wanted: np.ndarray) -> float:
    """‖out − ref‖ / ‖ref‖."""
    return float(np.linalg.norm(out - wanted) / np.linalg.norm(wanted))


def row_of(
    shape: Shape, way: str, stored_bytes: int, seconds: float | None, error: float, roof: float
) -> Row:
    """The row of one result; the roof in bytes a second."""
    bits = stored_bytes * 8 / (shape.inputs * shape.outputs)
    if seconds is None:
        return Row(shape.text, way, bits, None, None, None, error)
    rate = stored_bytes / seconds
    return Row(shape.text, way, bits, seconds * 1e6, rate / 1e9, rate / roof, error)


def roof_of(name: str = "h200") -> float:
    """The target's read bandwidth, bytes a second."""
    rate = load(name).main.bandwidth_read_bytes_per_s
    assert rate is not None
    return rate


def emulated(shape: Shape, form: str, seed: int) -> Row:
    """Penstock's kernels on the emulated multiprocessor."""
    launches, matrix = launches_for(shape, form, "sm_90a"), weight(shape, form, seed)
    x = encode(
        np.random.default_rng(seed + 1).standard_normal((shape.tokens, shape.inputs)).astype(np.float32)
    )
    parts = parts_of(launches, matrix)
    held: dict[Key, np.ndarray] = {("operand", 0): x, **parts}
    for launch in launches:
        keys = keys_of(launch)
        given = {name: held[key] for name, key in keys.items() if key in held}
        held |= {keys[name]: made for name, made in emulate(launch.kernel, given, seed=seed).items()}
    out = held["result", 0]
    wanted = decode(x).astype(np.float64) @ matrix.dequantize().T
    stored = sum(array.nbytes for array in parts.values())
    return row_of(shape, form, stored, None, error_of(out, wanted), roof_of())


Run = Callable[[int], torch.Tensor]
"""Enqueues a product with one of the copies of the weight."""


def penstock_way(shape: Shape, form: str, x: torch.Tensor, seed: int) -> tuple[Run, int, int, np.ndarray]:
    """Launches by copy, how many copies, bytes of one, and what is wanted."""
    device = Device()
    major, minor = device.capability
    arch = arch_named("sm_90a" if (major, minor) == (9, 0) else "sm_100a" if major == 10 else "sm_80")
    launches, matrix = launches_for(shape, form, arch), weight(shape, form, seed)
    functions = [
        device.function(compile_source(each.kernel.name, each.kernel.source, arch).cubin, each.kernel)
        for each in launches
    ]
    parts = {key: torch.from_numpy(array).to(x.device) for key, array in parts_of(launches, matrix).items()}
    stored = sum(part.nbytes for part in parts.values())
    copies = math.ceil(2 * CACHE_BYTES / stored) + 1
    weights = [{key: part.clone() for key, part in parts.items()} for _ in range(copies)]
    out = torch.empty((shape.tokens, shape.outputs), dtype=torch.float32, device=x.device)
    work = {
        key: torch.empty(tensor.bytes, dtype=torch.uint8, device=x.device)
        for key, tensor in work_of(launches).items()
    }
    own: dict[Key, torch.Tensor] = {("operand", 0): x, ("result", 0): out, **work}
    blocks = [
        [
            Arguments(
                device,
                launch.kernel,
                {name: (own | each)[key].data_ptr() for name, key in keys_of(launch).items()},
            )
            for launch in launches
        ]
        for each in weights
    ]

    def run(copy: int, kept: Any = (functions, weights, work)) -> torch.Tensor:
        del kept  # lives as long as the way
        stream = torch.cuda.current_stream().cuda_stream
        for launch, (_, function), arguments in zip(launches, functions, blocks[copy], strict=True):
            device.launch(function, launch.kernel, arguments, stream)
        return out

    return run, copies, stored, x.double().cpu().numpy() @ matrix.dequantize().T


def cublas_way(shape: Shape, x: torch.Tensor, seed: int) -> tuple[Run, int, int, np.ndarray]:
    """torch's linear layer in bf16."""
    made = np.random.default_rng(seed).standard_normal((shape.outputs, shape.inputs)).astype(np.float32)
    one = torch.from_numpy(made).to(x.device, torch.bfloat16)
    copies = math.ceil(2 * CACHE_BYTES / one.nbytes) + 1
    weights = [one.clone() for _ in range(copies)]
    out = torch.empty((shape.tokens, shape.outputs), dtype=torch.bfloat16, device=x.device)
    wanted = x.double().cpu().numpy() @ one.double().cpu().numpy().T
    return lambda copy: torch.mm(x, weights[copy].T, out=out), copies, one.nbytes, wanted


def graph_seconds(run: Run, copies: int, burst: int, rounds: int) -> Callable[[], float]:
    """A function that gives the seconds of one launch among a burst."""
    count = max(burst, copies)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for number in range(count):
            run(number % copies)

    def once() -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1e3 / count

    return once


def measured(shape: Shape, names: tuple[str, ...], rounds: int, burst: int, seed: int) -> list[Row]:
    """All ways on one shape, by turns."""
    x = torch.randn((shape.tokens, shape.inputs), device="cuda", dtype=torch.bfloat16)
    facts: dict[str, tuple[int, float]] = {}
    timers: dict[str, Callable[[], float]] = {}
    for name in names:
        try:
            made = cublas_way(shape, x, seed) if name == "cublas" else penstock_way(shape, name, x, seed)
            run, copies, stored, wanted = made
            out = run(0)
            torch.cuda.synchronize()
            facts[name] = stored, error_of(out.double().cpu().numpy(), wanted)
            timers[name] = graph_seconds(run, copies, burst, rounds)
        except (ImportError, RuntimeError, PenstockError) as error:
            print(f"{shape.text}: without {name}: {str(error).splitlines()[0]}", file=sys.stderr)
    taken: dict[str, list[float]] = {name: [] for name in timers}
    for once in timers.values():
        once()  # not counted
    for _ in range(rounds):
        for name, once in timers.items():
            taken[name].append(once())
    roof = roof_of()
    return [
        row_of(shape, name, facts[name][0], statistics.median(times), facts[name][1], roof)
        for name, times in taken.items()
    ]


def text_of(rows: list[Row]) -> str:
    """The table."""
    columns = (("shape", 14), ("way", 8), ("bits", 6), ("us", 9), ("GB/s", 8), ("of roof", 8))
    columns = (*columns, ("x cublas", 9), ("error", 8))
    lines = [" ".join(f"{name:>{width}}" for name, width in columns)]
    cublas = {row.shape: row.microseconds for row in rows if row.way == "cublas"}
    for row in rows:
        base, own = cublas.get(row.shape), row.microseconds
        cells = [row.shape, row.way, f"{row.bits:.3f}", *["" for _ in range(4)], f"{row.error:.1e}"]
        if own is not None and row.gigabytes_per_s is not None:
            cells[3:6] = [f"{own:.2f}", f"{row.gigabytes_per_s:.0f}", f"{row.of_roof:.3f}"]
            cells[6] = f"{base / own:.2f}" if base else ""
        lines.append(" ".join(f"{text:>{width}}" for text, (_, width) in zip(cells, columns, strict=True)))
    return "\n".join(lines)


def main() -> int:
    """Run; 1 when a result is wrong, 2 without a GPU."""
    parser = argparse.ArgumentParser(description="A linear layer with BitMoD weights on a GPU.")
    parser.add_argument("--shapes", type=lambda t: [Shape.parse(one) for one in t.split(",")])
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--burst", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    shapes: list[Shape] = args.shapes or [Shape.parse(text) for text in SHAPES]
    names = tuple(args.ways.split(","))
    rows: list[Row] = []
    if args.emulate:
        rows = [emulated(shape, name, args.seed) for shape in shapes for name in names if name != "cublas"]
    elif not torch.cuda.is_available():
        print("no GPU here; --emulate runs penstock's kernels without one", file=sys.stderr)
        return 2
    else:
        for shape in shapes:
            rows += measured(shape, names, args.rounds, args.burst, args.seed)
    found: Mapping[str, Any] = {"roof_bytes_per_s": roof_of(), "rows": [asdict(row) for row in rows]}
    print(json.dumps(found, indent=1) if args.json else text_of(rows))
    return 0 if all(row.error < BOUND for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
