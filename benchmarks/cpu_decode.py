"""Decode on the CPU: one token through a model whose weights are packed BitMoD codes, beside float weights.

Llama's decoder layer of 7B size (attention over the one position: the zoo's models keep no cache of keys and
values), or another zoo model with a sequence: penstock in float32, bitmod4 and bitmod3, eager PyTorch in
float32 and bfloat16. A 7B layer's weights exceed the last-level cache in every format, so that each run reads
them from memory. Ways are processes of their own and take turns; medians are printed. Beside each: its error
(penstock's against eager PyTorch with the weights its codes stand for, as verified; PyTorch's against
float64), how far the output is from the float model's, the weights' bytes on disk, and the memory of a
process that has loaded and run the model, above what it took before.

Bundles are compiled and verified once, into --bundles (minutes for the 7B layer), and used again.

Usage: python benchmarks/cpu_decode.py --bundles DIR [--model zoo:llama-7b-layer] [--threads 1,2] [--rounds N]
           [--runs N] [--layers 32] [--only NAME] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

QUANTIZED = "relabel,simplify,quantize{format=%s,activations=%s},fuse,place"
BUNDLES = {
    "penstock fp32": None,
    "penstock bitmod4": QUANTIZED % ("bitmod4", "float"),
    "penstock bitmod4 int8": QUANTIZED % ("bitmod4", "int8"),
    "penstock bitmod3": QUANTIZED % ("bitmod3", "float"),
    "penstock bitmod3 int8": QUANTIZED % ("bitmod3", "int8"),
}
TORCH = {"torch fp32": "float32", "torch bf16": "bfloat16"}


def bundle_path(folder: Path, model: str, way: str) -> Path:
    return folder / re.sub(r"\W+", "-", f"{model} {way}")


def prepare(folder: Path, model: str, only: str) -> None:
    """Compile and verify what is not there yet."""
    import penstock

    for way, pipeline in BUNDLES.items():
        if only not in way:
            continue
        path = bundle_path(folder, model, way)
        if not (path / "verify.json").exists():
            bundle = penstock.compile(model, shapes={"s": [1]}, pipeline=pipeline, out=path)
            bundle.verify([1])


def memory() -> int:
    """Resident bytes of this process."""
    fields = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", fields)[1]) << 10  # type: ignore[index]


def penstock_way(path: Path, threads: int) -> tuple[Callable[[], object], dict[str, Any]]:
    from penstock.backends.cpu.loader import load

    before = memory()
    program = load(path)
    (entry,) = program.entries.values()
    draw = np.random.default_rng(0)
    inputs = {
        spec.name: draw.standard_normal(spec.shape).astype(spec.dtype)
        if spec.dtype.startswith("float")
        else np.ones(spec.shape, spec.dtype)
        for spec in entry.inputs
    }
    program.run(inputs, threads=threads)
    verified = json.loads((path / "verify.json").read_text())["cases"][0]
    about = {
        "error": max(each["relative"] for each in verified["outputs"]),
        "bound": verified["bound"],
        "from_float": max((each["relative"] for each in verified["quantization"]), default=0.0),
        "file_bytes": (path / "weights.safetensors").stat().st_size,
        "memory_bytes": memory() - before,
    }
    return lambda: program.run(inputs, threads=threads), about


def torch_way(model: str, kind: str, threads: int) -> tuple[Callable[[], object], dict[str, Any]]:
    import torch

    from penstock.subject import resolve

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    before = memory()
    subject = resolve(model, {"s": [1]}, "f32", 0)
    (inputs,) = subject.entries.values()
    dtype = getattr(torch, kind)
    module = subject.module.eval()
    exact = flat(module.double()(*converted(inputs, torch.float64)))
    module = module.to(dtype)
    given = converted(inputs, dtype)
    found = flat(module(*given))
    error = float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    size = sum(each.numel() * each.element_size() for each in module.parameters())
    about = {"error": error, "from_float": error, "file_bytes": size, "memory_bytes": memory() - before}
    return lambda: module(*given), about


def converted(inputs: dict[str, Any], dtype: Any) -> list[Any]:
    return [value.to(dtype) if value.is_floating_point() else value for value in inputs.values()]


def flat(returned: Any) -> np.ndarray:
    import torch.utils._pytree as pytree

    return np.concatenate([each.double().numpy().ravel() for each in pytree.tree_leaves(returned)])


def worker(way: str, options: argparse.Namespace) -> None:
    """A process's life: what the way is, then seconds of some runs for each line it is given."""
    threads = int(options.threads)
    if way in TORCH:
        run, about = torch_way(options.model, TORCH[way], threads)
    else:
        run, about = penstock_way(bundle_path(options.bundles, options.model, way), threads)
    run()
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        seconds = []
        for number in range(options.runs + 1):
            start = time.perf_counter()
            run()
            if number:
                seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


@dataclass
class Way:
    """A way in its process."""

    name: str
    process: subprocess.Popen[str]
    about: dict[str, Any]
    seconds: list[float]

    def turn(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(file=self.process.stdin, flush=True)
        self.seconds += json.loads(self.process.stdout.readline())


def start(name: str, threads: int, options: argparse.Namespace) -> Way:
    command = [sys.executable, __file__, "--worker", name, "--bundles", str(options.bundles)]
    command += ["--model", options.model, "--threads", str(threads), "--runs", str(options.runs)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Way(name, process, json.loads(process.stdout.readline()), [])


def measure(threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way."""
    ways = [start(name, threads, options) for name in (*BUNDLES, *TORCH) if options.only in name]
    try:
        for _ in range(options.rounds):
            for way in ways:
                time.sleep(0.02)
                way.turn()
    finally:
        for way in ways:
            way.process.communicate()
    return [
        {
            "way": way.name,
            "threads": threads,
            "microseconds": round(statistics.median(way.seconds) * 1e6, 1),
            "fastest_tenth_microseconds": round(statistics.quantiles(way.seconds, n=10)[0] * 1e6, 1),
            "tokens_per_second": round(1 / (statistics.median(way.seconds) * options.layers), 2),
            **way.about,
        }
        for way in ways
    ]


def show(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    per = f"tokens/s of {options.layers} layers" if options.layers > 1 else "tokens/s"
    print(f"{'way':22} thr {'µs':>8} {'µs, 10%':>8} {per:>22} {'error':>9} from float {'MB':>7} MB in memory")
    for one in rows:
        print(
            f"{one['way']:22} {one['threads']:3} {one['microseconds']:8.0f} "
            f"{one['fastest_tenth_microseconds']:8.0f} {one['tokens_per_second']:22.2f} {one['error']:9.1e} "
            f"{one['from_float']:10.1e} {one['file_bytes'] / 1e6:7.1f} {one['memory_bytes'] / 1e6:7.1f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="one token through a model with packed weights")
    parser.add_argument("--bundles", type=Path, required=True, help="folder that keeps the compiled bundles")
    parser.add_argument("--model", default="zoo:llama-7b-layer")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=4, help="runs a turn (4)")
    parser.add_argument(
        "--layers", type=int, default=0, help="layers a token passes (32 of a 7B layer, else 1)"
    )
    parser.add_argument("--only", default="", help="ways whose name contains this")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.layers = options.layers or (32 if "7b-layer" in options.model else 1)
    if options.worker:
        worker(options.worker, options)
        return 0
    prepare(options.bundles, options.model, options.only)
    rows = [row for threads in map(int, options.threads.split(",")) for row in measure(threads, options)]
    if options.json:
        print(json.dumps({"model": options.model, "layers": options.layers, "rows": rows}, indent=2))
    else:
        show(rows, options)
    return 0 if all(row["error"] <= row.get("bound", 1) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
