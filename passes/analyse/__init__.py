"""Analysis of cascades: passes, live footprints, operations, traffic and its bounds (FuseMax §III)."""

from ...ir.view import Cascade, check
from ...ir.view_text import parse_cascade, read_cascade
from .algebra import Polynomial
from .bounds import Bound, lower_bounds
from .extract import extract_cascade
from .footprint import einsum_counts, live_footprint, operation_counts, outer_ranks
from .passes import PassCount, count_passes, most_passes
from .traffic import Traffic, least_traffic

__all__ = [
    "Bound",
    "Cascade",
    "PassCount",
    "Polynomial",
    "Traffic",
    "check",
    "count_passes",
    "einsum_counts",
    "extract_cascade",
    "least_traffic",
    "live_footprint",
    "lower_bounds",
    "most_passes",
    "operation_counts",
    "outer_ranks",
    "parse_cascade",
    "read_cascade",
]
