"""What a command has to say, for programs and for people, and the tables it says it in."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a command has to say: ``data`` for ``--json``, ``text`` for people; whether its checks held."""

    data: Mapping[str, Any]
    text: str
    ok: bool = True


def plain(value: Any) -> Any:
    """A value as JSON takes it: numpy's and paths become plain, what is not a finite number null."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Iterable):
        return [plain(each) for each in value]
    return value


def shown(cell: object) -> str:
    """One cell of a table: six significant digits of a number, nothing for what is not there."""
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return "" if cell is None else str(cell)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under their column names; numbers to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    listed = [list(row) for row in rows]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, column in enumerate(columns):
        numeric = all(isinstance(row[at], (int, float)) for row in listed)
        drawn.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        drawn.add_row(*map(shown, row))
    # The real one: while a command works, what models print goes elsewhere.
    width = None if sys.__stdout__ is not None and sys.__stdout__.isatty() else 160
    console = Console(file=io.StringIO(), width=width, highlight=False)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n")


def listing(rows: Sequence[Mapping[str, Any]], *, without: Sequence[str] = ()) -> str:
    """Dictionaries with the same keys as a table."""
    columns = [key for key in (rows[0] if rows else ()) if key not in without]
    return table(columns, ([row.get(column) for column in columns] for row in rows))
