"""Streaming fusion: a layer's operators in sections, each one kernel (SN40L, MICRO 2024, section III-A)."""

from .graph import graphs
from .partition import METHODS, Partition, partition
from .report import SectionPlan, plan_sections

__all__ = ["METHODS", "Partition", "SectionPlan", "graphs", "partition", "plan_sections"]
