"""What every paper's page shares: the table of deviations, and that of all rows."""

from __future__ import annotations

from collections.abc import Sequence

from ..sim.report.markup import Cell, table, verdict
from .rows import Reproduction
from .tables import percent


def deviations(found: Reproduction) -> str:
    """Worst deviation of each quantity, and whether its bound holds."""
    lines: list[Sequence[Cell | str | int]] = [
        [
            each.quantity,
            each.compared,
            Cell(percent(each.worst), each.worst),
            Cell(percent(each.bound), each.bound),
            verdict(each.ok, "held", "broken"),
            each.row,
        ]
        for each in found.checks
    ]
    return table(["quantity", "rows", "worst", "bound", "", "at"], lines)


def all_rows(found: Reproduction, beside: Sequence[str]) -> str:
    """Every figure, with some of the columns beside it."""

    def number(value: float | None) -> Cell:
        return Cell("" if value is None else f"{value:.6g}", value)

    lines = [
        [
            row.id,
            number(row.ours),
            number(row.paper),
            *(number(row.beside.get(name)) for name in beside),
            row.unit,
            row.source,
        ]
        for row in found.rows
    ]
    return table(["id", "ours", "paper", *beside, "unit", "source"], lines)
