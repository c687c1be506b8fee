"""Cost of a Composition of Experts: many models in a far memory, one at a time run from the near one.

After Samba-CoE (Prabhakar et al., "SambaNova SN40L", MICRO 2024, sections II, V and VI-C). A router picks an
expert for every prompt; the expert is copied near, unless it is there, and run. The near memory is managed by
software: the least recently used expert makes room, and what it only read is not copied back.
"""

from .cache import Activation, ExpertCache
from .fit import Fit, Observation, Times, fit
from .machine import Node
from .model import Expert, distinct_experts, expert_of, hit_rate, nodes_needed, popularity
from .simulate import Served, Workload, batches_of, serve

__all__ = [
    "Activation",
    "Expert",
    "ExpertCache",
    "Fit",
    "Node",
    "Observation",
    "Served",
    "Times",
    "Workload",
    "batches_of",
    "distinct_experts",
    "expert_of",
    "fit",
    "hit_rate",
    "nodes_needed",
    "popularity",
    "serve",
]
