"""Offsets in one arena for buffers with fixed lifetimes: greedies, CP-SAT, and an independent checker."""

from .check import check
from .minimalloc import read_csv
from .planner import plan
from .problem import Buffer, Plan, busiest, lower_bound_bytes

__all__ = ["Buffer", "Plan", "busiest", "check", "lower_bound_bytes", "plan", "read_csv"]
