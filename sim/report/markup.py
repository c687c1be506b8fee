"""The few HTML pieces the report is written with; all text given to them is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """A table cell: what is shown, and the number it sorts by (None for text)."""

    text: str
    value: float | None = None
    style: str = ""


def cell(content: Cell | str | int) -> Cell:
    """Text and whole numbers as cells."""
    return (
        content
        if isinstance(content, Cell)
        else Cell(str(content), content if isinstance(content, int) else None)
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell | str | int]], *, total: bool = False) -> str:
    """A table that sorts on a click; with ``total`` the last row stays below the others."""
    filled = [[cell(content) for content in row] for row in rows]
    numeric = [
        bool(filled) and all(row[at].value is not None or row[at].text in ("", "—") for row in filled)
        for at in range(len(columns))
    ]
    head = "".join(
        f'<th class="number">{escape(name)}</th>' if number else f"<th>{escape(name)}</th>"
        for name, number in zip(columns, numeric, strict=True)
    )
    body, foot = (filled[:-1], filled[-1:]) if total else (filled, [])
    lines = "".join(_row(row, numeric) for row in body)
    last = "".join(_row(row, numeric, "total") for row in foot)
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody><tfoot>{last}</tfoot></table></div>"
    )


def _row(row: Sequence[Cell], numeric: Sequence[bool], style: str = "") -> str:
    cells = []
    for content, number in zip(row, numeric, strict=True):
        classes = " ".join(filter(None, ["number" if number else "", content.style]))
        attributes = f' class="{classes}"' if classes else ""
        attributes += f' data-value="{content.value!r}"' if content.value is not None else ""
        cells.append(f"<td{attributes}>{escape(content.text)}</td>")
    return (f'<tr class="{style}">' if style else "<tr>") + "".join(cells) + "</tr>"


def pre(lines: Iterable[str]) -> str:
    """Lines in a fixed-width block."""
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def details(summary: str, body: str, *, kind: str, shown: bool = False) -> str:
    """A part that folds; ``summary`` is HTML."""
    return f'<details class="{kind}"{" open" if shown else ""}><summary>{summary}</summary>{body}</details>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Figures with what they are, side by side."""
    boxes = "".join(
        f'<div class="fact"><b>{escape(figure)}</b><span>{escape(label)}</span></div>'
        for label, figure in pairs
    )
    return f'<div class="facts">{boxes}</div>'


def note(text: str) -> str:
    """A sentence under a heading."""
    return f'<p class="note">{escape(text)}</p>'


def verdict(ok: bool, good: str, bad: str) -> Cell:
    """A cell that says how a check went."""
    return Cell(good, 1, "good") if ok else Cell(bad, 0, "bad")
