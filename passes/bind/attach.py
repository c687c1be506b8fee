"""The pass `bind`: a unit and cycles for every Einsum of an iterative group, as attributes of the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...ir.build import attributes
from ...ir.cascade import FUSED, ITERATE, walk
from ...ir.mlir import ir
from ...ir.schedule import Placed
from ...ir.targets import load
from ..analyse import extract_cascade
from ..base import Pass
from .plan import Binding, bind


@dataclass
class Bind(Pass):
    """Writes ``penstock.target``, ``penstock.partition`` and ``penstock.epoch`` on groups that iterate.

    Attributes:
        target: the accelerator, a name or a file.
        time_limit_s: effort of the scheduler for one group.
    """

    name: ClassVar[str] = "bind"
    description: ClassVar[str] = "a unit and cycles of the epoch for every Einsum of an iterative group"

    target: str = "fusemax-cloud"
    time_limit_s: float = 20.0

    def run(self, module: ir.Module) -> ir.Module:
        """Bind every iterative group.

        Raises:
            TargetError: no such target.
            PlanError: a group that the target cannot run.
        """
        machine = load(self.target)
        for op in walk(module.operation):
            if op.name == FUSED and any(each.name == ITERATE for each in walk(op)):
                found = bind(extract_cascade(op), machine, time_limit_s=self.time_limit_s)
                with module.context:
                    for name, value in attributes(_said(found)).items():
                        op.attributes[name] = value
        return module


def _said(found: Binding) -> dict[str, str | int | list[str]]:
    parts, schedule = found.partition, found.schedule
    return {
        "penstock.target": found.target,
        "penstock.period": schedule.period,
        "penstock.partition": [f"p2={parts.p2}", f"p1={parts.p1}", f"p0={parts.p0}"],
        "penstock.epoch": [_line(place) for place in schedule.placed],
    }


def _line(place: Placed) -> str:
    """``QK on array-2d, 64 steps from 0 every 2``."""
    task = place.task
    rhythm = f" every {place.stride}" if place.stride > 1 else ""
    later = f", every {place.then} after {place.switch}" if place.switch is not None else ""
    return f"{task.name} on {task.unit}, {task.steps} steps from {place.first}{rhythm}{later}"
