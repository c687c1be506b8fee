"""The mesh of a fabric: which node is what, and which are neighbours (``rtl/sn40l/sn40l_fabric.sv``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ....ir.targets.fabric import Machine

PCU, PMU, AGCU, BITMOD = "pcu", "pmu", "agcu", "bitmod pcu"
KINDS = {PCU: 0, PMU: 1, AGCU: 2, BITMOD: 3}
"""As `sn40l_node` numbers them."""
LOCAL, NORTH, EAST, SOUTH, WEST = range(5)
"""Ports of a switch."""
STEPS = {NORTH: (0, -1), EAST: (1, 0), SOUTH: (0, 1), WEST: (-1, 0)}
OPPOSITE = {NORTH: SOUTH, SOUTH: NORTH, EAST: WEST, WEST: EAST}


@dataclass(frozen=True)
class Mesh:
    """Nodes in rows and columns; node n = y · cols + x.

    Attributes:
        rows, cols: of the mesh.
        agcu_cols: columns of AGCUs. In the others PCUs and PMUs alternate like the squares of a chessboard.
        bitmod_cols: columns whose PCUs have a BitMoD array for a body.
    """

    rows: int
    cols: int
    agcu_cols: tuple[int, ...]
    bitmod_cols: tuple[int, ...] = ()

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Of each node."""
        return tuple(self._kind(x, y) for y in range(self.rows) for x in range(self.cols))

    def _kind(self, x: int, y: int) -> str:
        if x in self.agcu_cols:
            return AGCU
        before = sum(column < x for column in self.agcu_cols)
        if (y + x - before) % 2:
            return PMU
        return BITMOD if x in self.bitmod_cols else PCU

    def of_kind(self, kind: str) -> list[int]:
        """Nodes of a kind, in order."""
        return [node for node, each in enumerate(self.kinds) if each == kind]

    def place(self, node: int) -> tuple[int, int]:
        """Column and row of a node."""
        return node % self.cols, node // self.cols

    def neighbours(self, node: int) -> list[tuple[int, int]]:
        """Pairs of the port that leads there and the neighbour."""
        x, y = self.place(node)
        found = []
        for port, (dx, dy) in STEPS.items():
            if 0 <= x + dx < self.cols and 0 <= y + dy < self.rows:
                found.append((port, node + dy * self.cols + dx))
        return found


SMALL = Mesh(rows=4, cols=12, agcu_cols=(0, 4, 7, 11))
"""Of ``sn40l-small``: 16 of each kind."""

SMALL_BITMOD = replace(SMALL, bitmod_cols=(1, 2, 3, 8, 9, 10))
"""The same for quantized weights: all PCUs but those in the middle have a BitMoD array for a body."""


def mesh_of(machine: Machine, quantized: bool) -> Mesh | None:
    """The mesh with so many units of each kind, if it is one of those known."""
    arrays = machine.bitmod_pcus if quantized else 0
    return _KNOWN.get((machine.pcus - arrays, arrays, machine.pmus, machine.agcus))


_KNOWN = {
    tuple(len(mesh.of_kind(kind)) for kind in (PCU, BITMOD, PMU, AGCU)): mesh
    for mesh in (SMALL, SMALL_BITMOD)
}
