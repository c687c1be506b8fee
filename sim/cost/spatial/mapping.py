"""A mapping: how a cascade's iteration space is laid out in loops on a machine of two levels and two arrays.

Every rank is split in three: trips of the loop over DRAM tiles, trips of the loop over what lies in the
global buffer, and a spatial factor over rows or columns of the array (FuseMax §V, mapping 1). A nest runs
some of the cascade's Einsums fused, tile by tile; nests follow one another through DRAM. `str(mapping)`
prints the loops.
"""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, field
from typing import Any

from ....ir.errors import PlanError

PLACES = ("array", "buffer", "dram")


class MappingError(PlanError):
    """A mapping that does not cover the cascade, does not fit the machine, or cannot be kept to."""


@dataclass(frozen=True)
class Split:
    """One rank: ``outer`` × ``inner`` × ``spatial`` points; the last tile may be ragged."""

    outer: int = 1
    inner: int = 1
    spatial: int = 1

    @staticmethod
    def of(extent: int, *, inner: int = 1, spatial: int = 1) -> Split:
        """The split with as many outer trips as cover the extent."""
        return Split(-(-extent // (inner * spatial)), inner, spatial)


@dataclass(frozen=True)
class Nest:
    """Einsums fused in one loop nest.

    Attributes:
        units: Einsum (by the tensor it writes) → unit of the target; its keys are the Einsums that run here.
        splits: rank → split, for every rank of those Einsums.
        rows, cols: ranks laid over the rows, and over the columns, of the two-dimensional array. On a
            one-dimensional unit the columns are lanes and the rows run one after the other.
        dram_order: the loops over DRAM tiles, outermost first; ranks left out have one trip.
        buffer_order: the loops inside, over array tiles, outermost first; ranks left out have one trip.
        tile_order: ranks whose inner trips are steps within an array tile, outermost first.
        keep: intermediate → ``array`` (registers), ``buffer`` or ``dram``. Without an entry: the buffer for
            what a generation hands to the next and for what a later pass reads, else the array.
        pipelined: tiles overlap on different units; else each unit finishes a tile before the next begins.
        double_buffered: DRAM tiles are loaded and stored while others are computed on.
        single: tensors of which the buffer has one tile all the same; their transfers overlap nothing.
        in_place: result → kept tensor whose storage it takes over, element by element, when it is written.
    """

    units: abc.Mapping[str, str]
    splits: abc.Mapping[str, Split]
    rows: tuple[str, ...] = ()
    cols: tuple[str, ...] = ()
    dram_order: tuple[str, ...] = ()
    buffer_order: tuple[str, ...] = ()
    tile_order: tuple[str, ...] = ()
    keep: abc.Mapping[str, str] = field(default_factory=dict)
    pipelined: bool = True
    double_buffered: bool = True
    single: tuple[str, ...] = ()
    in_place: abc.Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """The loops, outermost first, as text."""
        found = [("dram", f"for {rank} in {self.splits[rank].outer}") for rank in self.dram_order]
        found += [("buffer", f"for {rank} in {self.splits[rank].inner}") for rank in self.buffer_order]
        for axis, ranks in (("rows", self.rows), ("cols", self.cols)):
            found += [(axis, f"parallel {rank} in {self.splits[rank].spatial}") for rank in ranks]
        found += [("steps", f"for {rank} in {self.splits[rank].inner}") for rank in self.tile_order]
        shown = [(level, text) for level, text in found if not text.endswith(" in 1")]
        lines = [f"{level:6} {'  ' * depth}{text}" for depth, (level, text) in enumerate(shown)]
        depth = "  " * len(shown)
        return lines + [f"{'':6} {depth}{einsum} on {unit}" for einsum, unit in self.units.items()]

    def to_json(self) -> dict[str, Any]:
        """The nest as a JSON object."""
        return {
            "units": dict(self.units),
            "splits": {r: [s.outer, s.inner, s.spatial] for r, s in self.splits.items()},
            "rows": list(self.rows),
            "cols": list(self.cols),
            "dram_order": list(self.dram_order),
            "buffer_order": list(self.buffer_order),
            "tile_order": list(self.tile_order),
            "keep": dict(self.keep),
            "pipelined": self.pipelined,
            "double_buffered": self.double_buffered,
            "single": list(self.single),
            "in_place": dict(self.in_place),
        }


@dataclass(frozen=True)
class Mapping:
    """Loop nests, one after the other; what one leaves for another goes through DRAM."""

    nests: tuple[Nest, ...]

    def __str__(self) -> str:
        return "\n\n".join("\n".join(nest.lines) for nest in self.nests) + "\n"

    def to_json(self) -> dict[str, Any]:
        """The mapping as a JSON object."""
        return {"nests": [nest.to_json() for nest in self.nests]}
