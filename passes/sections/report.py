"""Sections as people and programs read them: operators, units, and bytes across the borders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...ir.errors import PassError
from ...ir.mlir import ir
from ...ir.targets import Target
from ...progress import Progress
from ...sim.cost.streaming import Fabric, Graph, Section
from .graph import graphs
from .partition import Partition, lower_bound_s, partition


@dataclass(frozen=True)
class SectionPlan:
    """A function's sections by each method, and a bound that none passes.

    Attributes:
        graph, fabric: what was cut, and for what.
        partitions: by method.
        bound_s: no sections are faster.
    """

    graph: Graph
    fabric: Fabric
    partitions: Mapping[str, Partition]
    bound_s: float

    @property
    def best(self) -> Partition:
        """The fastest sections found."""
        return self.partitions["best"]

    def intensity(self, found: Partition) -> float:
        """Operations for a byte across a border."""
        return self.graph.operations / found.off_chip_bytes if found.off_chip_bytes else 0.0

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return {
            "function": self.graph.name,
            "fabric": vars(self.fabric),
            "operators": len(self.graph.operators),
            "streamed_extent": self.graph.length,
            "operations": self.graph.operations,
            "lower_bound_s": self.bound_s,
            "methods": {name: self._method(each) for name, each in self.partitions.items()},
        }

    def _method(self, found: Partition) -> dict[str, Any]:
        return {
            "sections": [self._section(each) for each in found.sections],
            "seconds": found.seconds,
            "off_chip_bytes": found.off_chip_bytes,
            "operations_per_byte": self.intensity(found),
            "exact": found.exact,
        }

    def _section(self, each: Section) -> dict[str, Any]:
        return {
            "operators": [self.graph.operators[at].name for at in each.operators],
            "tiles": each.tiles,
            "fill_tiles": each.fill_tiles,
            "pcus": each.pcus,
            "pcu_share": each.pcus / self.fabric.pcus,
            "pmus": each.pmus,
            "pmu_share": each.pmus / self.fabric.pmus,
            "streams": each.streams,
            "read_bytes": each.read_bytes,
            "written_bytes": each.written_bytes,
            "held_bytes": each.held_bytes,
            "tile_s": each.tile_s,
            "seconds": each.seconds,
            "bound": each.bound,
        }

    def methods(self) -> list[dict[str, Any]]:
        """A line for each method; units are those of its section of most operators."""
        lines = []
        for name, each in self.partitions.items():
            largest = max(each.sections, key=lambda section: len(section.operators))
            lines.append(
                {
                    "method": name + (", exact" if each.exact else ""),
                    "sections": len(each.sections),
                    "most operators": len(largest.operators),
                    "its PCUs": f"{largest.pcus / self.fabric.pcus:.0%}",
                    "its PMUs": f"{largest.pmus / self.fabric.pmus:.0%}",
                    "MB across borders": each.off_chip_bytes / 1e6,
                    "ops/B": self.intensity(each),
                    "ms": each.seconds * 1e3,
                }
            )
        return lines

    def sections(self) -> list[dict[str, Any]]:
        """A line for each section of the best."""
        names = self.graph.operators
        return [
            {
                "section": number,
                "operators": len(each.operators),
                "from": names[each.operators[0]].name,
                "to": names[each.operators[-1]].name,
                "tiles": each.tiles,
                "PCUs": f"{each.pcus} ({each.pcus / self.fabric.pcus:.0%})",
                "PMUs": f"{each.pmus} ({each.pmus / self.fabric.pmus:.0%})",
                "streams": each.streams,
                "MB in": each.read_bytes / 1e6,
                "MB out": each.written_bytes / 1e6,
                "ms": each.seconds * 1e3,
                "bound": each.bound,
            }
            for number, each in enumerate(self.best.sections, 1)
        ]


def plan_sections(
    module: ir.Module,
    target: Target,
    fabric: Fabric,
    *,
    tile: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[SectionPlan], dict[str, str]]:
    """Cut every function of Einsums in sections; functions of other operations are named, with the first.

    Raises:
        PassError: no function is of Einsums alone.
        TargetError: the target does not perform an operator.
        InputError: a tile that is not within the streamed rank.
        PlanError: an operator alone does not fit.
    """
    found, left = graphs(module, target)
    plans = []
    for graph in found.values():
        if not graph.operators:
            raise PassError("no Einsum", where=graph.name)
        cuts = partition(graph, fabric, tile=tile, seed=seed, progress=progress)
        plans.append(SectionPlan(graph, fabric, cuts, lower_bound_s(graph, fabric)))
    return plans, left
