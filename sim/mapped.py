"""A memory map executed: tensors at their places, copies really made, results compared with the plain run.

How long a map takes is the event simulator's affair and stands in the plan; here it is seen to be right.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..ir.cascade import shape_of
from ..ir.entries import NAME, arguments, text_attribute
from ..ir.errors import InputError
from ..ir.interpreter import interpret
from ..ir.interpreter.arenas import run_map
from ..ir.mlir import func, ir
from ..ir.steps import functions

SPREAD = 0.1
"""Standard deviation of random parameters and inputs."""


@dataclass(frozen=True)
class MapRun:
    """One entry run in arenas and plainly.

    Attributes:
        entry: its name.
        results, differ: values of its results, and how many of them differ in any bit.
        moved_bytes: what copies moved, by the tier they went to; planned bytes.
        planned_bytes: the same by the plan.
        latency_s, queued_s, all_slow_s: of the plan, with copies that queue, and of no map.
        seconds: of both runs.
    """

    entry: str
    results: int
    differ: int
    moved_bytes: Mapping[str, int]
    planned_bytes: Mapping[str, int]
    latency_s: float
    queued_s: float
    all_slow_s: float
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every bit is the same, and as much was moved as planned."""
        return not self.differ and dict(self.moved_bytes) == dict(self.planned_bytes)

    def text(self) -> str:
        """Lines for people."""
        moved = ", ".join(f"{size} bytes to {tier}" for tier, size in sorted(self.moved_bytes.items()))
        same = "as planned" if self.moved_bytes == self.planned_bytes else f"planned: {self.planned_bytes}"
        exact = "equal to the plain run, bit for bit" if not self.differ else f"{self.differ} DIFFER"
        return (
            f"{self.entry}: {self.results} values {exact}\n"
            f"  copies moved {moved or 'nothing'} ({same})\n"
            f"  {self.latency_s * 1e6:.2f} µs mapped, {self.queued_s * 1e6:.2f} µs with queued copies, "
            f"{self.all_slow_s * 1e6:.2f} µs with all in slow memory\n"
            f"  executed twice in {self.seconds:.1f} s"
        )


@dataclass(frozen=True)
class MapRuns:
    """All entries of a bundle."""

    runs: tuple[MapRun, ...]

    @property
    def ok(self) -> bool:
        """Whether all are."""
        return all(run.ok for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {"ok": self.ok, "maps": [{"ok": run.ok, **asdict(run)} for run in self.runs]}

    def text(self) -> str:
        """Lines for people."""
        return "\n".join(run.text() for run in self.runs)


def execute(
    module: ir.Module,
    entry: str,
    figures: Mapping[str, Any],
    inputs: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> MapRun:
    """Run a mapped entry in arenas and plainly, and compare.

    Args:
        module: mapped.
        entry: which function.
        figures: what the bundle's plan says of the entry.
        inputs: arrays by name; what is missing is made up by the seed.
        seed: of what is made up.

    Raises:
        InputError: an input of another shape, or one that the entry does not take.
        PlanError: a place outside its tier, a copy read too early.
    """
    begun = time.perf_counter()
    given = _inputs(functions(module)[entry], inputs or {}, seed)
    mapped, moved = run_map(module, entry, given)
    plain = interpret(module, entry, given)
    return MapRun(
        entry,
        sum(array.size for array in plain.values()),
        sum(_differing(plain[name], mapped[name]) for name in plain),
        moved,
        _planned(figures),
        figures["latency_s"],
        figures["queued_s"],
        figures["all_slow_s"],
        time.perf_counter() - begun,
    )


def _differing(one: np.ndarray, two: np.ndarray) -> int:
    if one.shape != two.shape or one.dtype != two.dtype:
        return max(one.size, two.size)
    bits = (np.ascontiguousarray(each).reshape(-1, 1).view(np.uint8) for each in (one, two))
    left, right = bits
    return int((left != right).any(axis=1).sum())


def _planned(figures: Mapping[str, Any]) -> dict[str, int]:
    """Bytes that the plan's copies move, by tier."""
    sizes = [row[1] for row in figures["problem"]["tensors"]]
    moved: dict[str, int] = {}
    for copy in figures["plan"]["copies"]:
        tier = figures["tiers"][1 if copy["out"] else 0]
        size = sizes[figures["plan"]["rectangles"][copy["rectangle"]]["tensor"]]
        moved[tier] = moved.get(tier, 0) + size
    return moved


def _inputs(function: func.FuncOp, known: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Arrays for every argument: normal floats, small integers, fair booleans."""
    random, found = np.random.default_rng(seed), {}
    for place, (value, table) in enumerate(zip(function.arguments, arguments(function), strict=True)):
        name = text_attribute(table, NAME, f"arg{place}")
        shape, element = shape_of(value), str(ir.RankedTensorType(value.type).element_type)
        if name in known:
            found[name] = known[name]
        elif element == "i1":
            found[name] = random.random(shape) < 0.5
        elif element.startswith("i"):
            found[name] = random.integers(0, 2, shape)
        else:
            found[name] = random.normal(scale=SPREAD, size=shape)
    unknown = sorted(set(known) - set(found))
    if unknown:
        raise InputError(f"no input {unknown[0]!r}", where=function.name.value, accepted=", ".join(found))
    return found
