"""What an adversary on the host sees of the oblivious map, and the tests that it tells nothing.

T1 exact coupling (`coupling`), T2 shape (`shape`), T3 statistics (`statistics`), T4 timing (`timing`); the
patterns of access they run on, and variant A, which the statistics must tell apart. They take traces as
arrays, whether a model or the RTL made them.
"""

from .coupling import first_difference, tape_for
from .patterns import PATTERNS, Load, pattern
from .shape import shape_faults, touched_by_access
from .statistics import LIMIT, Finding, against_uniform, failing, lag_counts, two_sample
from .timing import hidden_effects, welch_t
from .variant_a import variant_a

__all__ = [
    "LIMIT",
    "PATTERNS",
    "Finding",
    "Load",
    "against_uniform",
    "failing",
    "first_difference",
    "hidden_effects",
    "lag_counts",
    "pattern",
    "shape_faults",
    "tape_for",
    "touched_by_access",
    "two_sample",
    "variant_a",
    "welch_t",
]
