"""Offsets for buffers with fixed lifetimes: greedies, an exact search, CP-SAT, and an independent checker."""

from .check import check
from .conflict import Conflict, Infeasible
from .minimalloc import read_csv, write_csv
from .planner import plan
from .problem import Buffer, Plan, busiest, lower_bound_bytes

__all__ = [
    "Buffer",
    "Conflict",
    "Infeasible",
    "Plan",
    "busiest",
    "check",
    "lower_bound_bytes",
    "plan",
    "read_csv",
    "write_csv",
]
