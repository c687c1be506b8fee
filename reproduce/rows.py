"""What a comparison with a paper consists of: rows, checks of them against bounds, tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        id: what it is, parts separated by ``/``.
        ours: computed here; None where we have no model of it.
        paper: published; None where nothing is.
        unit: of both.
        source: figure, table or file it was published in.
        beside: the same figure by other models of ours, by their names.
        note: what speaks against leaning on the figure.
    """

    id: str
    ours: float | None
    paper: float | None
    unit: str
    source: str
    beside: Mapping[str, float | None] = field(default_factory=dict)
    note: str = ""

    @property
    def deviation(self) -> float | None:
        """How far ours is from the published figure, relative to it."""
        if self.ours is None or not self.paper:
            return None
        return self.ours / self.paper - 1

    def to_json(self) -> dict[str, Any]:
        """The row as a flat JSON object."""
        return {
            "id": self.id,
            "ours": self.ours,
            "paper": self.paper,
            "unit": self.unit,
            "source": self.source,
            **self.beside,
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True)
class Check:
    """Rows of one quantity against the deviation they may have.

    Attributes:
        quantity: the beginning their ids share.
        bound: largest relative deviation allowed.
        worst: largest found.
        row: id of the row it was found at.
        compared: rows with both figures.
    """

    quantity: str
    bound: float
    worst: float
    row: str
    compared: int

    @property
    def ok(self) -> bool:
        """Whether the bound holds."""
        return self.worst <= self.bound

    def to_json(self) -> dict[str, Any]:
        """The check as a JSON object."""
        return {**asdict(self), "ok": self.ok}


def check(quantity: str, bound: float, rows: Iterable[Row]) -> Check:
    """The worst deviation of rows; a row that misses either figure is not compared."""
    found = [(abs(row.deviation), row.id) for row in rows if row.deviation is not None]
    worst, where = max(found, default=(math.inf, ""))
    return Check(quantity, bound, worst, where, len(found))


@dataclass(frozen=True)
class Section:
    """A table for people: a figure of the paper, or what there is to say about it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Reproduction:
    """A paper's figures beside ours.

    Attributes:
        paper: its name on the command line.
        rows: every figure.
        how: ``computed``, or the stored file and the command that regenerates it.
        checks: bounds on the rows; all must hold.
        quirks: oddities of the published figures, each with ``name`` and ``effect``.
        missing: published figures we do not reproduce, and why.
        sections: tables for people.
    """

    paper: str
    rows: tuple[Row, ...]
    how: str
    checks: tuple[Check, ...]
    quirks: tuple[Mapping[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether every bound holds."""
        return all(each.ok for each in self.checks)

    def to_json(self) -> dict[str, Any]:
        """``{"paper", "rows", "how", "checks", "quirks", "missing"}``."""
        return {
            "paper": self.paper,
            "rows": [row.to_json() for row in self.rows],
            "how": self.how,
            "checks": [each.to_json() for each in self.checks],
            "quirks": [dict(each) for each in self.quirks],
            "missing": list(self.missing),
        }
