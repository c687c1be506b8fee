"""What every paper's tables share."""

from __future__ import annotations

from collections.abc import Sequence

from .rows import Check, Section


def percent(share: float) -> str:
    """A relative deviation as people read it: nothing below what rounding explains."""
    return "exact" if share < 1e-12 else f"{share:.2g}" if share < 1e-5 else f"{share:.3%}"


def deviations(checks: Sequence[Check]) -> Section:
    """What was compared, and how it came out."""
    lines = [
        (
            each.quantity,
            each.compared,
            percent(each.worst),
            percent(each.bound),
            "held" if each.ok else "BROKEN",
            each.row,
        )
        for each in checks
    ]
    return Section(
        "Worst deviation from the published figures",
        ("quantity", "rows", "worst", "bound", "", "at"),
        tuple(lines),
    )
