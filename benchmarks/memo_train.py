"""Training long sequences: memory and time of a step by PyTorch's ways and by `penstock.memo`.

Every way trains the same seeded Llama in a process of its own: plain, `torch.utils.checkpoint`,
`save_on_cpu`, hooks that offload on a stream of their own (torchtune's `OffloadActivations` where it is
installed, else ours), `activation_memory_budget`, and `penstock.memo` at alpha 0, alpha* and 1. Alpha* is the
largest fraction whose copy hides under a layer's forward (MEMO, SIGMOD 2025, arXiv 2407.12117, section
4.1), from the layer's time and the link's bandwidth as measured on the spot.

On a GPU memory is what torch's allocator counts at the most, allocated and reserved. Without one the same
script runs on the CPU and says so: memory is then the process's private resident memory at the most, above
what it had before the first step, and the slab is a mapped file, counted apart. There device and host share
memory and cores, so no way that offloads can gain time. Beside each figure stands how far the gradients of
the first step are from those of plain autograd, or of the first way that fits.

Usage: python benchmarks/memo_train.py [--layers N] [--width N] [--heads N] [--seq N] [--dtype f32|bf16]
           [--steps N] [--threads N] [--ways NAMES] [--longest] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from memo_ways import DTYPES, WAYS, Settings, run

TIMEOUT_S = 900
SIZES = {
    "cuda": {"layers": 12, "width": 2048, "heads": 16, "seq": 65536, "dtype": "bf16"},
    "cpu": {"layers": 8, "width": 256, "heads": 4, "seq": 2048, "dtype": "f32"},
}
"""What is measured where nothing is said: a layer's tensors at 64K tokens take 4 GiB on a GPU."""


def measured(way: str, settings: Settings, gradients: Path) -> dict[str, Any]:
    """A way's row, from a process of its own; one with ``error`` where it failed."""
    given = json.dumps(settings.to_json())
    command = [sys.executable, __file__, "--worker", way, given, str(gradients)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {"way": way, "error": f"more than {TIMEOUT_S} s"}
    if done.returncode == 0:
        return {"way": way, **json.loads(done.stdout.splitlines()[-1])}
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return {"way": way, "error": (lines or [f"exit status {done.returncode}"])[-1][:160]}


def difference(ours: Path, reference: Path | None) -> float | None:
    """Relative distance of all gradients together; None where there are none to compare with."""
    if reference is None or not ours.exists():
        return None
    one, other = torch.load(ours), torch.load(reference)
    far = sum(float((a.double() - b.double()).square().sum()) for a, b in zip(one, other, strict=True))
    return math.sqrt(far / sum(float(each.double().square().sum()) for each in other))


def rows_of(settings: Settings, ways: list[str]) -> list[dict[str, Any]]:
    """All ways' rows, each said on standard error as it comes."""
    rows, reference = [], None
    with tempfile.TemporaryDirectory() as folder:
        for way in ways:
            gradients = Path(folder) / f"{way}.pt"
            row = measured(way, settings, gradients)
            if "error" not in row:
                reference = reference or gradients
                row["gradient_difference"] = difference(gradients, reference)
            print(said(row), file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def longest(settings: Settings, ways: list[str]) -> dict[str, int]:
    """The longest sequence of each way by doubling, in tokens."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in ways:
            seq = settings.seq
            while "error" not in measured(way, settings.at(seq), Path(folder) / "gradients.pt"):
                found[way] = seq
                seq *= 2
            print(f"{way:22} longest {found.get(way, 0)} tokens", file=sys.stderr, flush=True)
    return found


def said(row: Mapping[str, Any]) -> str:
    """A row as text."""
    if "error" in row:
        return f"{row['way']:22} {row['error']}"
    memory = " ".join(
        f"{name[:-4]} {row[name]:8.1f} MiB" for name in ("peak_mib", "reserved_mib") if name in row
    )
    alpha = "" if row.get("alpha") is None else f" alpha {row['alpha']:.2f}"
    host = f" host {row['host_mib']:.1f} MiB" if row.get("host_mib") else ""
    far = row.get("gradient_difference")
    return (
        f"{row['way']:22} {row['step_s'] * 1e3:9.1f} ms  {memory}"
        f"  gradients {'-' if far is None else f'{far:.1e}'}{alpha}{host} {row['note']}".rstrip()
    )


def main() -> int:
    """Measure; 1 where ours fails, or departs from plain autograd by more than rounding."""
    if sys.argv[1:2] == ["--worker"]:
        way, given, gradients = sys.argv[2:5]
        print(json.dumps(run(way, Settings(**json.loads(given)), Path(gradients))))
        return 0
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in SIZES[device].items():
        choices = tuple(DTYPES) if name == "dtype" else None
        parser.add_argument(f"--{name}", type=type(value), default=value, choices=choices)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--longest", action="store_true", help="double the sequence until a way fails")
    parser.add_argument("--json", action="store_true")
    given = vars(parser.parse_args())
    ways, as_json, far = given.pop("ways").split(","), given.pop("json"), given.pop("longest")
    if unknown := [way for way in ways if way not in WAYS]:
        parser.error(f"no way {', '.join(unknown)} (accepted: {', '.join(WAYS)})")
    settings = Settings(device=device, **given)
    where = torch.cuda.get_device_name() if device == "cuda" else "CPU: no GPU here, so no copy can gain time"
    print(f"{where}; {settings.said()}", file=sys.stderr)
    report: dict[str, Any] = {
        "device": where,
        "settings": settings.to_json(),
        "rows": rows_of(settings, ways),
    }
    if far:
        report["longest_tokens"] = longest(settings, ways)
    if as_json:
        print(json.dumps(report, indent=1))
    # On a GPU attention's backward adds in no fixed order, so gradients differ from run to run.
    bound = 1e-2 if device == "cuda" else 0.0
    ours = [row for row in report["rows"] if row["way"].startswith("memo")]
    return int(any(not row.get("gradient_difference", math.nan) <= bound for row in ours))


if __name__ == "__main__":
    sys.exit(main())
