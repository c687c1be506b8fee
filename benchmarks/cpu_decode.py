"""Decode on the CPU: one token behind a cache, weights in float32, bfloat16 or packed BitMoD codes.

Llama's decoder layer of 7B size, or another zoo model with a cache: penstock beside eager PyTorch whose cache
holds just the positions asked for. A 7B layer's weights exceed the last-level cache in every format, so
that each step reads them from memory; the read loop of roofs.py says how fast that can be. Ways are processes
of their own and take turns with the loop; medians are printed. Beside each: the share of the read loop's rate
in the same round (the median over rounds) at which weights and cached keys and values are read, the share of
its best rate in the least time, the error (penstock's as verified, against eager PyTorch with the weights its
codes stand for; PyTorch's against float64), the weights' bytes.

Bundles are compiled and verified once, into --bundles (minutes for the 7B layer), and used again.

Usage: python benchmarks/cpu_decode.py --bundles DIR [--model zoo:llama-7b-layer] [--positions 1,128,511]
           [--threads 1,2] [--rounds N] [--runs N] [--pause S] [--only NAME] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from roofs import Roofs

QUANTIZED = "relabel,simplify,quantize{format=%s,activations=%s},fuse,place"
BUNDLES = {
    "penstock fp32": {},
    "penstock bf16": {"precision": "bf16"},
    "penstock bitmod4": {"pipeline": QUANTIZED % ("bitmod4", "float")},
    "penstock bitmod4 int15": {"pipeline": QUANTIZED % ("bitmod4", "int15")},
    "penstock bitmod4 int8": {"pipeline": QUANTIZED % ("bitmod4", "int8")},
}
CACHE, PROMPT = 512, 16
TABLES = ("rotary.", "embed_tokens.")  # read a row at a time
TORCH = {"torch fp32": "float32", "torch bf16": "bfloat16"}


def bundle_path(folder: Path, model: str, way: str) -> Path:
    return folder / re.sub(r"\W+", "-", f"{model} {way}")


def prepare(folder: Path, model: str, only: str) -> None:
    """Compile and verify what is not there yet."""
    import penstock

    for way, options in BUNDLES.items():
        if only not in way:
            continue
        path = bundle_path(folder, model, way)
        if not (path / "verify.json").exists():
            cached = f"{model},cache={CACHE}"
            bundle = penstock.compile(cached, shapes={"s": [1, PROMPT]}, out=path, **options)
            bundle.verify([1, PROMPT])


Step = Callable[[int], Callable[[], object]]
"""Makes ready for a position; gives the step there."""


def penstock_way(path: Path, threads: int) -> tuple[Step, dict[str, Any]]:
    from penstock.backends.cpu.generate import Decoder, random_prompt
    from penstock.backends.cpu.loader import load

    program = load(path)
    decoder = Decoder(program, threads)
    token, draw = random_prompt(decoder, 1, 0), np.random.default_rng(0)
    for kept in decoder.state.arrays.values():
        kept[...] = draw.standard_normal(kept.shape)
    cases = json.loads((path / "verify.json").read_text())["cases"]
    stored = {name: size for name, size in program.tables["weights"].items() if not _table(name)}
    about = {
        "error": max(each["relative"] for case in cases for each in case["outputs"]),
        "bound": max(case["bound"] for case in cases),
        "weight_bytes": sum(stored.values()),
        "cache_bytes": sum(kept.nbytes for kept in decoder.state.arrays.values()) // CACHE,
    }

    def at(position: int) -> Callable[[], object]:
        def run() -> object:
            decoder.position = position
            return decoder.feed(token)

        return run

    return at, about


def _table(name: str) -> bool:
    return any(table in name for table in TABLES)


def torch_way(model: str, kind: str, threads: int) -> tuple[Step, dict[str, Any]]:
    import torch

    from penstock.frontend.zoo import build
    from penstock.frontend.zoo.llama import LlamaAttention

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    dtype = getattr(torch, kind)
    built = build(f"{model},cache={CACHE}")
    inputs = list(built.example_inputs(1).values())
    exact = flat(built.module.double()(*converted(inputs, torch.float64)))
    module = built.module.to(dtype)
    given = converted(inputs, dtype)
    found = flat(module(*given))
    layers = [each for each in module.modules() if isinstance(each, LlamaAttention)]
    size = layers[0].keys.element_size()
    tables = [name for name, _ in module.named_parameters() if _table(name)]
    about = {
        "error": float(np.linalg.norm(found - exact) / np.linalg.norm(exact)),
        "weight_bytes": sum(p.numel() * size for name, p in module.named_parameters() if name not in tables),
        "cache_bytes": sum(2 * size * each.keys.numel() // CACHE for each in layers),
    }

    def at(position: int) -> Callable[[], object]:
        for each in layers:  # just the positions there are
            each.config = replace(each.config, cache=position + 1)
            for name in ("keys", "values"):
                shape = (*getattr(each, name).shape[:2], position + 1, getattr(each, name).shape[3])
                setattr(each, name, torch.randn(shape, dtype=torch.float32).to(dtype))
        place = torch.tensor([position])
        return lambda: module(given[0], place)

    return at, about


def converted(inputs: list[Any], dtype: Any) -> list[Any]:
    return [value.to(dtype) if value.is_floating_point() else value for value in inputs]


def flat(returned: Any) -> np.ndarray:
    import torch.utils._pytree as pytree

    return np.concatenate([each.double().numpy().ravel() for each in pytree.tree_leaves(returned)])


def worker(way: str, options: argparse.Namespace) -> None:
    """A process's life: what the way is, then seconds of some steps for each position it is given."""
    threads = int(options.threads)
    if way in TORCH:
        at, about = torch_way(options.model, TORCH[way], threads)
    else:
        at, about = penstock_way(bundle_path(options.bundles, options.model, way), threads)
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        run, seconds = at(int(line)), []
        for number in range(options.runs + 1):
            start = time.perf_counter()
            run()
            if number:
                seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


@dataclass
class Way:
    """A way in its process; seconds by position."""

    name: str
    process: subprocess.Popen[str]
    about: dict[str, Any]
    seconds: dict[int, list[list[float]]]

    def turn(self, position: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(position, file=self.process.stdin, flush=True)
        self.seconds.setdefault(position, []).append(json.loads(self.process.stdout.readline()))


def start(name: str, threads: int, options: argparse.Namespace) -> Way:
    command = [sys.executable, __file__, "--worker", name, "--bundles", str(options.bundles)]
    command += ["--model", options.model, "--threads", str(threads), "--runs", str(options.runs)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Way(name, process, json.loads(process.stdout.readline()), {})


def measure(threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way and position."""
    ways = [start(name, threads, options) for name in (*BUNDLES, *TORCH) if options.only in name]
    with tempfile.TemporaryDirectory() as folder:
        roofs = Roofs(Path(folder))
        rates = []
        try:
            for _ in range(options.rounds):
                rates.append(roofs.read_now(threads))
                for position in options.positions:
                    for way in ways:
                        time.sleep(options.pause)
                        way.turn(position)
        finally:
            for way in ways:
                way.process.communicate()
    return [row(way, position, threads, rates) for way in ways for position in options.positions]


def row(way: Way, position: int, threads: int, rates: list[float]) -> dict[str, Any]:
    """A way's figures at a position; `rates` are the read loop's by rounds, bytes a second."""
    turns = way.seconds[position]
    every = [seconds for turn in turns for seconds in turn]
    median, least = statistics.median(every), min(every)
    read = way.about["weight_bytes"] + (position + 1) * way.about["cache_bytes"]
    return {
        "way": way.name,
        "threads": threads,
        "position": position,
        "microseconds": round(median * 1e6, 1),
        "least_microseconds": round(least * 1e6, 1),
        "tokens_per_second": round(1 / median, 2),
        "roof_bytes_per_s": round(statistics.median(rates)),
        "fraction_of_roof": round(
            statistics.median(
                read / statistics.median(turn) / rate for turn, rate in zip(turns, rates, strict=True)
            ),
            3,
        ),
        "least_fraction_of_roof": round(read / least / max(rates), 3),
        **way.about,
    }


def show(rows: list[dict[str, Any]]) -> None:
    head = f"{'way':22} thr  position {'µs':>8} {'least':>8} {'tokens/s':>9} of roof  least"
    print(f"{head} {'error':>9} {'MB':>7}")
    for one in rows:
        print(
            f"{one['way']:22} {one['threads']:3} {one['position']:9} {one['microseconds']:8.0f} "
            f"{one['least_microseconds']:8.0f} {one['tokens_per_second']:9.1f} "
            f"{one['fraction_of_roof']:7.2f} {one['least_fraction_of_roof']:6.2f} "
            f"{one['error']:9.1e} {one['weight_bytes'] / 1e6:7.1f}"
        )
    roofs = {one["threads"]: one["roof_bytes_per_s"] / 1e9 for one in rows}
    print("read loop: " + ", ".join(f"{roof:.1f} GB/s on {n}" for n, roof in roofs.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description="one token behind a cache")
    parser.add_argument("--bundles", type=Path, required=True, help="folder that keeps the compiled bundles")
    parser.add_argument("--model", default="zoo:llama-7b-layer")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=4, help="runs a turn (4)")
    parser.add_argument("--positions", default="1,128,511", help=f"below {CACHE}")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds before each turn (.05)")
    parser.add_argument("--only", default="", help="ways whose name contains this")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options)
        return 0
    options.positions = [int(number) for number in options.positions.split(",")]
    prepare(options.bundles, options.model, options.only)
    rows = [row for threads in map(int, options.threads.split(",")) for row in measure(threads, options)]
    if options.json:
        print(json.dumps({"model": options.model, "rows": rows}, indent=2))
    else:
        show(rows)
    return 0 if all(row["error"] <= row.get("bound", 1) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
