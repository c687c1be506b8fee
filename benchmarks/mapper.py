"""The mapper: mappings priced per second, the best it finds beside the optimum, and ZigZag on the same.

The optimum is that of an exhaustive search of the same space. ZigZag, a peer that needs an environment of its
own, is optional:

    python -m venv zigzag && zigzag/bin/pip install zigzag-dse==3.9.1 six
    python benchmarks/mapper.py --zigzag zigzag/bin/python

Both take the same matmuls (attention's two among them) on the same array, registers, buffer and DRAM; they
have to agree on multiply-accumulates and, where everything fits, on the words that cross the DRAM's edge.
Their cycles are of two models and not the same thing.

Usage: python benchmarks/mapper.py [--rounds N] [--seeds N] [--zigzag PYTHON] [--json]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from penstock.ir import targets
from penstock.ir.targets import Target
from penstock.ir.view import Cascade
from penstock.ir.view_text import parse_cascade
from penstock.passes.bind.mapper import search
from penstock.passes.bind.mapper_space import boxes
from penstock.sim.cost.spatial.attention import attention, one_pass, three_pass
from penstock.sim.cost.spatial.batch import OBJECTIVES, figures
from penstock.sim.cost.spatial.legal import legal

MAPPINGS = 1 << 14
FUSEMAX = targets.load("fusemax-cloud")


def matmul(m: int, n: int, k: int) -> Cascade:
    return parse_cascade(f"M={m} N={n} K={k}\nZ[m,n] = sum[k] mul(A[m,k], B[k,n])\n")


def machine(side: int, buffer_bytes: int) -> Target:
    """FuseMax with an array of side × side, and a buffer of this size."""
    units = [dataclasses.replace(u, shape=(side,) * len(u.shape)) for u in FUSEMAX.unit]
    tiers = [
        dataclasses.replace(tier, capacity_bytes=buffer_bytes) if tier.name == "sram" else tier
        for tier in FUSEMAX.tier
    ]
    return dataclasses.replace(FUSEMAX, unit=tuple(units), tier=tuple(tiers))


def rates(rounds: int) -> list[dict[str, Any]]:
    """Mappings checked and priced in a second, by the size of the cascade."""
    cases = {
        "matmul 1024x1024x1024": matmul(1024, 1024, 1024),
        "three-pass attention, 6 Einsums": three_pass(4, 2, 64, 64, 4096, 4096),
        "one-pass attention, 12 Einsums": one_pass(4, 2, 64, 64, 4096, 4096, 256),
    }
    rows = []
    for name, cascade in cases.items():
        box = boxes(cascade, FUSEMAX)[0]
        digits = box.likely(MAPPINGS, np.random.default_rng(0))
        taken: dict[str, list[float]] = {"checked": [], "priced": []}
        for _ in range(rounds):
            start = time.perf_counter()
            points = box.points(digits)
            legal(box.problem, points)
            middle = time.perf_counter()
            figures(box.problem, points)
            taken["checked"].append(middle - start)
            taken["priced"].append(time.perf_counter() - middle)
        medians = {step: MAPPINGS / statistics.median(times) for step, times in taken.items()}
        whole = 1 / (1 / medians["checked"] + 1 / medians["priced"])
        rows.append(
            {
                "case": name,
                "per_second": round(whole),
                **{f"{s}_per_second": round(r) for s, r in medians.items()},
            }
        )
    return rows


def optima(seeds: int) -> list[dict[str, Any]]:
    """What sampling finds, over what there is."""
    cases = {
        "matmul 64x64x64, 12 KiB": (matmul(64, 64, 64), machine(16, 12 << 10)),
        "matmul 32x96x48, 6 KiB": (matmul(32, 96, 48), machine(8, 6 << 10)),
        "3-pass attention 8x8, 1 KiB": (three_pass(1, 1, 2, 2, 8, 8), machine(4, 1 << 10)),
        "1-pass attention 4x4, 1 KiB": (one_pass(1, 1, 1, 2, 4, 4, 2), machine(4, 1 << 10)),
    }
    rows = []
    for name, (cascade, target) in cases.items():
        for objective in OBJECTIVES:
            best = search(cascade, target, objective=objective, exhaustive=1 << 23)
            found = [
                search(cascade, target, objective=objective, exhaustive=0, budget=40_000, seed=seed)
                for seed in range(seeds)
            ]
            rows.append(
                {
                    "case": name,
                    "objective": objective,
                    "exhaustive": best.exhaustive,
                    "considered": best.considered,
                    "sampled": max(each.considered for each in found),
                    "worst_over_optimum": max(each.value for each in found) / best.value,
                    "optimum_over_bound": best.value / best.bound,
                }
            )
    return rows


def paper() -> list[dict[str, Any]]:
    """BERT's attention: the best mapping found beside FuseMax's own, in the same model."""
    rows = []
    for length in (1024, 4096):
        own = attention(64, 12, 64, 64, length, length, FUSEMAX)
        cascade = one_pass(64, 12, 64, 64, length, length, 256)
        found = search(cascade, FUSEMAX)
        rows.append(
            {
                "case": f"BERT attention {length}",
                "fusemax_ms": own.latency_s * 1e3,
                "found_ms": found.value * 1e3,
                "bound_ms": found.bound * 1e3,
                "per_second": round(found.rate),
            }
        )
    return rows


def zigzag(python: str) -> list[dict[str, Any]]:
    """The same matmuls on the same machine, everything fitting, and in a small buffer."""
    rows = []
    cases = {
        "matmul 128": (128, 128, 128, 16, 1 << 20),
        "matmul 256x64x512": (256, 64, 512, 16, 1 << 21),
        "attention QK, M=P=1024 E=64": (1024, 1024, 64, 16, 1 << 23),
        "attention AV, M=P=1024 F=64": (64, 1024, 1024, 16, 1 << 23),
        "matmul 256, 64 KiB": (256, 256, 256, 16, 1 << 16),
    }
    for name, (m, n, k, side, size) in cases.items():
        asked = {"m": m, "n": n, "k": k, "side": side, "buffer_bytes": size, "objective": "energy"}
        theirs = _peer(python, asked)
        ours = search(matmul(m, n, k), machine(side, size), objective="energy")
        cost = ours.cost
        rows.append(
            {
                "case": name,
                "macs": {"penstock": cost.operations["mac"], "zigzag": theirs["macs"]},
                "dram_words": {
                    "penstock": cost.dram_bytes // 2,
                    "zigzag": round(sum(sum(ways.values()) for ways in theirs["words"].values())),
                    "compulsory": cost.compulsory_bytes // 2,
                },
                "per_second": {
                    "penstock": round(ours.rate),
                    "zigzag": round(theirs["evaluations"] / theirs["seconds"]),
                },
                "cycles": {"penstock": round(cost.cycles), "zigzag": round(theirs["latency_cycles"])},
            }
        )
    return rows


def _peer(python: str, asked: dict[str, Any]) -> dict[str, Any]:
    script = Path(__file__).with_name("mapper_zigzag.py")
    done = subprocess.run(
        [python, str(script)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("ZIGZAG "):
            return json.loads(line.removeprefix("ZIGZAG "))
    raise SystemExit(f"ZigZag did not answer:\n{done.stderr}")


def agree(rows: list[dict[str, Any]]) -> bool:
    """Same multiply-accumulates; the same words where the buffer holds everything."""
    fit = [row for row in rows if "KiB" not in row["case"]]
    return all(row["macs"]["penstock"] == row["macs"]["zigzag"] for row in rows) and all(
        row["dram_words"]["penstock"] == row["dram_words"]["zigzag"] == row["dram_words"]["compulsory"]
        for row in fit
    )


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    for row in found["rates"]:
        print(f"{row['case']:36} {row['per_second']:>10} mappings a second")
    print(
        f"\n{'small spaces':30} {'objective':11} {'all':>9} {'sampled':>8} {'worst/best':>14} {'/bound':>8}"
    )
    for row in found["optima"]:
        print(
            f"{row['case']:30} {row['objective']:11} {row['considered']:9} {row['sampled']:8} "
            f"{row['worst_over_optimum']:14.6f} {row['optimum_over_bound']:8.3f}"
        )
    print(f"\n{'':22} {'FuseMax ms':>11} {'found ms':>10} {'bound ms':>10} {'a second':>9}")
    for row in found["paper"]:
        print(
            f"{row['case']:22} {row['fusemax_ms']:11.4f} {row['found_ms']:10.4f} {row['bound_ms']:10.4f} "
            f"{row['per_second']:9}"
        )
    for row in found.get("zigzag", []):
        print(f"\n{row['case']}")
        for figure in ("macs", "dram_words", "per_second", "cycles"):
            print(f"  {figure:11} " + "  ".join(f"{who} {count}" for who, count in row[figure].items()))


def main() -> int:
    parser = argparse.ArgumentParser(description="the mapper: speed, optimality, and a peer")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds, the median counts (7)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of sampled searches (3)")
    parser.add_argument("--zigzag", default="", help="an interpreter that has zigzag-dse")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = {"rates": rates(options.rounds), "optima": optima(options.seeds), "paper": paper()}
    if options.zigzag:
        found["zigzag"] = zigzag(options.zigzag)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    optimal = all(row["exhaustive"] and row["worst_over_optimum"] <= 1 + 1e-12 for row in found["optima"])
    return 0 if optimal and agree(found.get("zigzag", [])) else 1


if __name__ == "__main__":
    sys.exit(main())
