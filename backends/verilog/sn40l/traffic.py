"""How many vectors each flow of a section carries for a tile."""

from __future__ import annotations

from ....ir.fabric import Buffer, Compute, Load, Section


def traffic(section: Section) -> dict[str, int]:
    """Flow → vectors a tile."""
    found: dict[str, int] = {}
    for unit in section.units:
        if isinstance(unit, Load):
            found[unit.flow] = unit.unit_vectors
        elif isinstance(unit, Compute):
            found[unit.out] = unit.packets
        elif isinstance(unit, Buffer):
            found |= {reader.flow: reader.walk.vectors for reader in unit.readers}
    return found
