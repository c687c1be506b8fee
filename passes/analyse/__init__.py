"""Analysis of cascades: passes over ranks, live footprints, operation counts (FuseMax §III)."""

from ...ir.view import Cascade, check
from ...ir.view_text import parse_cascade, read_cascade
from .algebra import Polynomial
from .extract import extract_cascade
from .footprint import einsum_counts, live_footprint, operation_counts, outer_ranks
from .passes import PassCount, count_passes, most_passes

__all__ = [
    "Cascade",
    "PassCount",
    "Polynomial",
    "check",
    "count_passes",
    "einsum_counts",
    "extract_cascade",
    "live_footprint",
    "most_passes",
    "operation_counts",
    "outer_ranks",
    "parse_cascade",
    "read_cascade",
]
