"""Where a run's time goes: the least time of every step in several runs, summed by kernel beside its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .ir.bundle import COST

if TYPE_CHECKING:
    from .bundle import Bundle

RUNS = 5


def profile(bundle: Bundle, inputs: Mapping[str, Any], threads: int | None = None) -> list[dict[str, Any]]:
    """A row per step of a run, in order: ``step``, ``kernel``, ``instance``, and its least ``ms`` in `RUNS`.

    Raises:
        PenstockError: as for `Bundle.run`.
    """
    runs = [bundle.run(inputs, threads, profile=True)["profile"] for _ in range(RUNS)]
    return [{**steps[0], "ms": min(step["ms"] for step in steps)} for steps in zip(*runs, strict=True)]


def by_kernel(bundle: Bundle, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The profile's rows summed by kernel, in the order of their first runs.

    Gives ``kernel``, ``runs``, ``ms``, ``share`` of the whole and ``gflops`` (10⁹ floating-point operations a
    second, by the bundle's ``cost.json``; None where that counts no work).
    """
    milliseconds: Counter[str] = Counter()
    for row in rows:
        milliseconds[row["kernel"]] += row["ms"]
    runs = Counter(row["kernel"] for row in rows)
    whole, flops = sum(milliseconds.values()), _flops(bundle)
    return [
        {
            "kernel": kernel,
            "runs": runs[kernel],
            "ms": ms,
            "share": ms / whole if whole else 0.0,
            "gflops": flops[kernel] * runs[kernel] / ms / 1e6 if ms and flops.get(kernel) else None,
        }
        for kernel, ms in milliseconds.items()
    ]


def _flops(bundle: Bundle) -> dict[str, int]:
    """Operations of one run of each kernel, as the cost record counts the group of its name or Einsums."""
    counted: dict[object, int] = {}
    for entry in bundle.files.json(COST)["entries"].values():
        for group in entry["groups"]:
            counted[group["function"], group["name"]] = group["flops"]
            counted[tuple(group["einsums"])] = group["flops"]
    tables, found = bundle.program().tables, {}
    for step in tables["steps"]:
        node = next((output["node"] for output in step["outputs"]), "")
        einsums = tuple(tables["kernels"][step["kernel"]]["einsums"])
        named = (step["function"], f"{step['name']} {node}")
        found[step["kernel"]] = counted.get(named, counted.get(einsums, 0))
    return found
