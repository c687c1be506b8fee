"""Offsets for buffers with fixed lifetimes: greedies, an exact search, CP-SAT, and an independent checker."""

from .check import check
from .conflict import Conflict, Infeasible
from .minimalloc import read_csv, write_csv
from .planner import plan
from .pools import plan_pools
from .problem import Buffer, Plan, busiest, lower_bound_bytes
from .race import Race, race

__all__ = [
    "Buffer",
    "Conflict",
    "Infeasible",
    "Plan",
    "Race",
    "busiest",
    "check",
    "lower_bound_bytes",
    "plan",
    "plan_pools",
    "race",
    "read_csv",
    "write_csv",
]
