"""Cycles of the SN40L-style fabric: of a PCU's run, exactly, and of a section that streams tiles."""

from .section import FabricCosts, SectionCycles, section_cycles

__all__ = ["FabricCosts", "SectionCycles", "section_cycles"]
