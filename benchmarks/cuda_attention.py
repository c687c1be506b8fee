"""Attention forward on a GPU: penstock beside cuDNN, FlashAttention, FlexAttention and Triton, errors beside.

A shape is BATCHxHEADSxLENGTHxSIZE; a `c` behind it makes it causal, an `s` gives it a score function of its
own (scores capped by tanh, a slope per head, a causal window of 1024): torch has FlexAttention for that, the
others do not take part. Operations are counted where the mask lets something through. Every way is given bf16
tensors on the device; penstock writes float32, its cascade's type. Ways take turns within each round; a turn
is a burst of launches between two events, after a shorter one that is not timed, and counts as the share of
one launch.

The error is ‖out − ref‖ / ‖ref‖ on some rows of some heads against float64. A way that is not installed, or
refuses the shape, is left out with a line saying so. The roof is the target's bf16 peak
(`ir/targets/h200.toml`).

`--emulate` runs penstock's kernel on the emulated multiprocessor instead, on the CPU and without times: what
can be checked of this script where there is no GPU. Shapes should be small then.

Usage: python benchmarks/cuda_attention.py [--shapes 4x16x4096x128,4x16x4096x128c,…] [--ways penstock,cudnn,…]
           [--cuts 128x2,176x2,128x3] [--rounds N] [--burst N] [--seed N] [--emulate] [--json]

`--cuts` has more ways: penstock's kernel with tiles of so many keys and so many warpgroups that multiply.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from attention_shapes import CAP, WINDOW, OwnScores, Plain, Shape, error_of, reference, slopes_of

from penstock.backends.cpu.kernels.group import read_group
from penstock.backends.cuda.cubins import compile_source
from penstock.backends.cuda.device import Arguments, Device
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.kernel import Arch, Kernel
from penstock.backends.cuda.kernels.hopper_streamed import Cut, stream_hopper
from penstock.backends.cuda.kernels.stream import stream
from penstock.frontend.torch_export import raise_programs
from penstock.ir.bfloat16 import encode
from penstock.ir.cascade import FUSED, ITERATE, walk
from penstock.ir.errors import PenstockError
from penstock.ir.targets import load
from penstock.passes.pipeline import parse_pipeline, run_pipeline

LENGTHS, SIZES, TOKENS, WIDTH = (1024, 2048, 4096, 8192, 16384), (64, 128), 16384, 2048
SHAPES = tuple(
    f"{TOKENS // length}x{WIDTH // size}x{length}x{size}{kind}"
    for size in SIZES
    for kind in ("", "c")
    for length in LENGTHS
)
WAYS = ("penstock", "cudnn", "flash", "flex", "triton")
BOUND = 1e-2
_PIPELINE = "relabel,simplify,precision{contract=bf16},fuse"


def kernel_for(
    shape: Shape, arch: Arch = "sm_90a", cut: Cut | None = None
) -> tuple[Kernel, dict[str, np.ndarray]]:
    """Penstock's kernel for a shape, from the module through the frontend and fusion; parameters it reads.

    The frontend may have worked something out from the parameters beforehand.
    """
    module = OwnScores(shape.heads) if shape.kind == "s" else Plain(shape.kind == "c")
    inputs = tuple(torch.empty(shape.dims) for _ in range(3))
    program = torch.export.export(module, inputs)
    raised = raise_programs({"main": program})
    lowered, _ = run_pipeline(raised.module, parse_pipeline(_PIPELINE))
    (group,) = (op for op in walk(lowered.operation) if op.name == FUSED and _loops(op))
    launches = (
        stream_hopper(read_group(group, []), "attention", cut) if cut else stream(group, "attention", arch)
    )
    kernel = launches[-1].kernel  # what comes before rounds inputs: they are bf16 here
    read = [tensor for tensor in kernel.tensors() if tensor.role == "in" and tensor.dtype == "f32"]
    by_shape = {array.shape: array for array in raised.params.values()}
    return kernel, {tensor.name: by_shape[tensor.shape] for tensor in read}


def _loops(group: Any) -> bool:
    return any(op.name == ITERATE for op in walk(group))


Way = Callable[[], torch.Tensor]


def cut_way(cut: Cut) -> Callable[..., Way]:
    """Penstock's kernel for Hopper, cut in another way."""
    return lambda *given: penstock_way(*given, cut=cut)


def penstock_way(
    shape: Shape, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cut: Cut | None = None
) -> Way:
    """Penstock's kernel on torch's current stream."""
    device = Device()
    arch: Arch = "sm_90a" if device.capability == (9, 0) else "sm_80"
    kernel, params = kernel_for(shape, arch, cut)
    native = f"sm_{device.capability[0]}{device.capability[1]}" if arch == "sm_80" else arch
    compiled = compile_source(kernel.name, kernel.source, native)
    module, function = device.function(compiled.cubin, kernel)
    out = torch.empty(shape.dims, dtype=torch.float32, device=q.device)
    tensors = by_buffer(kernel, params, q, k, v, out)
    places = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    arguments = Arguments(device, kernel, places)

    def run(kept: Any = (module, tensors)) -> torch.Tensor:
        del kept  # lives as long as the way
        device.launch(function, kernel, arguments, torch.cuda.current_stream().cuda_stream)
        return out

    return run


def by_buffer(
    kernel: Kernel,
    params: Mapping[str, np.ndarray],
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    out: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """The kernel's tensors by name: queries, keys, values, what the score function reads, the result."""
    found = {name: torch.from_numpy(array).to(q.device) for name, array in params.items()}
    for tensor in kernel.tensors():
        if tensor.role == "out":
            found[tensor.name] = out
        elif tensor.name not in params:
            found[tensor.name] = {"q": q, "k": k, "v": v}[tensor.name[0]]
    return found


def sdpa_way(backend: str) -> Callable[..., Way]:
    """torch's SDPA held to one of its kernels."""

    def make(shape: Shape, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Way:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        chosen = getattr(SDPBackend, backend)

        def run() -> torch.Tensor:
            with sdpa_kernel(chosen):
                return F.scaled_dot_product_attention(q, k, v, is_causal=shape.kind == "c")

        return run

    return make


def flex_way(shape: Shape, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Way:
    """torch's FlexAttention, compiled, with a block mask for what is hidden."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    slopes = slopes_of(shape.heads).to(q.device)

    def capped(score: Any, b: Any, h: Any, query: Any, key: Any) -> Any:
        del b
        return CAP * torch.tanh(score / CAP) + slopes[h] * (key - query)

    def seen(b: Any, h: Any, query: Any, key: Any) -> Any:
        del b, h
        return (key <= query) & (query - key < WINDOW) if shape.kind == "s" else key <= query

    blocks = create_block_mask(seen, None, None, shape.length, shape.length, q.device) if shape.kind else None
    compiled = torch.compile(flex_attention, dynamic=False)
    changes = capped if shape.kind == "s" else None
    return lambda: compiled(q, k, v, score_mod=changes, block_mask=blocks)


def triton_way(shape: Shape, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Way:
    """The Triton kernel beside this script."""
    from triton_attention import attention

    return lambda: attention(q, k, v, shape.kind == "c")


MAKERS: dict[str, Callable[..., Way]] = {
    "penstock": penstock_way,
    "cudnn": sdpa_way("CUDNN_ATTENTION"),
    "flash": sdpa_way("FLASH_ATTENTION"),
    "flex": flex_way,
    "triton": triton_way,
}
MASK_ONLY = ("cudnn", "flash", "triton")
"""Ways that take no score function."""


@dataclass(frozen=True)
class Row:
    """One way on one shape; times and rates are null where nothing was timed."""

    shape: str
    way: str
    milliseconds: float | None
    tflops: float | None
    of_roof: float | None
    error: float


def row_of(shape: Shape, way: str, seconds: float | None, error: float, roof: float) -> Row:
    """The row of one result; the roof in operations a second."""
    if seconds is None:
        return Row(shape.text, way, None, None, None, error)
    rate = shape.flops / seconds
    return Row(shape.text, way, seconds * 1e3, rate / 1e12, rate / roof, error)


def roof_of(name: str = "h200") -> float:
    """The target's peak of bf16 products, operations a second."""
    return load(name).ops_per_s("mac", "bf16")


def burst_seconds(run: Way, count: int) -> float:
    """Seconds of one launch of so many between two events."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(count):
        run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3 / count


def measured(shape: Shape, names: tuple[str, ...], rounds: int, burst: int, seed: int) -> list[Row]:
    """All ways on one shape, by turns."""
    generator = torch.Generator("cuda").manual_seed(seed)
    q, k, v = (
        torch.randn(shape.dims, generator=generator, device="cuda", dtype=torch.bfloat16) for _ in range(3)
    )
    wanted = reference(shape, q, k, v)
    ways, errors = {}, {}
    for name in names:
        if shape.kind == "s" and name in MASK_ONLY:
            continue
        try:
            ways[name] = MAKERS[name](shape, q, k, v)
            errors[name] = error_of(ways[name](), wanted)
            torch.cuda.synchronize()
        except (ImportError, RuntimeError, PenstockError) as error:
            ways.pop(name, None)
            print(f"{shape.text}: without {name}: {str(error).splitlines()[0]}", file=sys.stderr)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            burst_seconds(run, max(1, burst // 4))
            taken[name].append(burst_seconds(run, burst))
    roof = roof_of()
    return [
        row_of(shape, name, statistics.median(times), errors[name], roof) for name, times in taken.items()
    ]


def emulated(shape: Shape, seed: int, arch: Arch = "sm_90a") -> Row:
    """Penstock's kernel on the emulated multiprocessor."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(shape.dims, generator=generator).bfloat16() for _ in range(3))
    out = torch.empty(shape.dims)
    kernel, params = kernel_for(shape, arch)
    arrays = {
        name: encode(tensor.float().numpy()) if tensor.dtype == torch.bfloat16 else tensor.numpy()
        for name, tensor in by_buffer(kernel, params, q, k, v, out).items()
    }
    (found,) = emulate(kernel, arrays, seed=seed).values()
    error = error_of(torch.from_numpy(found), reference(shape, q, k, v))
    return row_of(shape, "penstock", None, error, roof_of())


def text_of(row: Row) -> str:
    """A row for people."""
    if row.milliseconds is None or row.tflops is None or row.of_roof is None:
        return f"{row.shape:18} {row.way:9} {'emulated':>31}  error {row.error:.1e}"
    return (
        f"{row.shape:18} {row.way:9} {row.milliseconds:9.4f} ms {row.tflops:7.1f} TFLOP/s "
        f"{row.of_roof:5.1%}  error {row.error:.1e}"
    )


def main() -> int:
    """Measure; 1 when a result was wrong, 2 when there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--cuts", default="")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--burst", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        shapes = [Shape.parse(word) for word in given.shapes.split(",")]
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    names = tuple(given.ways.split(","))
    for text in filter(None, given.cuts.split(",")):
        try:
            MAKERS[text] = cut_way(Cut.of(*(int(word) for word in text.split("x"))))
        except (KeyError, TypeError, ValueError):
            parser.error(f"{text}: not KEYSxWARPGROUPS, such as 176x2")
        names = (*names, text)
    unknown = [name for name in names if name not in MAKERS]
    if unknown:
        parser.error(f"no way '{unknown[0]}' (accepted: {', '.join(MAKERS)})")
    if not given.emulate and not torch.cuda.is_available():
        print("no GPU that torch can use here (accepted: a machine with one, or --emulate)", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for shape in shapes:
        found = (
            [emulated(shape, given.seed)]
            if given.emulate
            else measured(shape, names, given.rounds, given.burst, given.seed)
        )
        rows += found
        if not given.json:
            for row in found:
                print(text_of(row), flush=True)
    if given.json:
        device = None if given.emulate else torch.cuda.get_device_name()
        facts = {"device": device, "torch": torch.__version__, "cuda": torch.version.cuda, "roof": roof_of()}
        print(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=1))
    return int(any(not row.error < BOUND for row in rows))


if __name__ == "__main__":
    sys.exit(main())
