"""The epoch as a Gantt chart: as text, as data for JSON, and as a self-contained SVG (FuseMax figure 4).

Rows are units and their tasks, columns the cycles of one period in the steady state. Letters are tiles: a is
the oldest in flight. ``|`` joins tasks that take turns cycle by cycle.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from string import ascii_lowercase
from typing import Any

from ...ir.schedule import Schedule

WIDTH = 100
"""Columns of text, names aside."""


@dataclass(frozen=True)
class Bar:
    """Steps of a task on one tile within the period: in cycles start, start + stride, … (count of them)."""

    unit: str
    task: str
    tile: str
    start: int
    stride: int
    count: int

    @property
    def end(self) -> int:
        """The cycle after the last step."""
        return self.start + (self.count - 1) * self.stride + 1


def letter(schedule: Schedule, stage: int) -> str:
    """The tile that began `stage` epochs ago: a is the oldest, and after z come numbers."""
    age = schedule.stages - 1 - stage
    return ascii_lowercase[age] if age < len(ascii_lowercase) else str(age)


def bars(schedule: Schedule) -> tuple[Bar, ...]:
    """Every task within one period, in order of unit and time; what goes on into the next period is two."""
    found = []
    for place in schedule.placed:
        runs: dict[tuple[int, int], list[int]] = {}
        for step in range(place.task.steps):
            stage, cycle = divmod(place.at(step), schedule.period)
            apart = place.stride if place.switch is None or step < place.switch else place.then
            runs.setdefault((stage, apart), []).append(cycle)
        for (stage, apart), cycles in runs.items():
            tile = letter(schedule, stage)
            found.append(Bar(place.task.unit, place.task.name, tile, cycles[0], apart, len(cycles)))
    return tuple(sorted(found, key=lambda bar: (schedule.units.index(bar.unit), bar.start)))


def sequence(schedule: Schedule, unit: str) -> str:
    """A unit's epoch in one line: ``(BQK[d] | SLNV[b]) LM[d] SLN[c] SLD[c]``."""
    groups: list[list[Bar]] = []
    end = 0
    for bar in bars(schedule):
        if bar.unit == unit:
            if groups and bar.start < end:
                groups[-1].append(bar)
            else:
                groups.append([bar])
            end = max(end, bar.end)
    said = [" | ".join(f"{bar.task}[{bar.tile}]" for bar in group) for group in groups]
    return " ".join(f"({text})" if len(group) > 1 else text for text, group in zip(said, groups, strict=True))


def text(schedule: Schedule, width: int = WIDTH) -> str:
    """The chart as text: per unit its sequence, then a line per task, ``.`` where it idles."""
    period = schedule.period
    cycles = -(-period // max(1, width))
    columns = -(-period // cycles)
    names = max(len(place.task.name) for place in schedule.placed)
    scale = f"{cycles} cycles" if cycles > 1 else "1 cycle"
    lines = [f"period {period}: a column is {scale}; {schedule.stages} tiles in flight, a the oldest"]
    for unit in schedule.units:
        busy = schedule.busy(unit)
        lines += ["", f"{unit}, busy {busy} of {period}: {sequence(schedule, unit)}"]
        rows: dict[str, list[str]] = {}
        for bar in bars(schedule):
            if bar.unit == unit:
                row = rows.setdefault(bar.task, ["."] * columns)
                for step in range(bar.count):
                    row[(bar.start + step * bar.stride) // cycles] = bar.tile if len(bar.tile) == 1 else "#"
        lines += [f"  {task:{names}}  {''.join(row)}" for task, row in rows.items()]
    return "\n".join(lines)


def data(schedule: Schedule) -> list[dict[str, Any]]:
    """The bars as JSON objects."""
    return [asdict(bar) for bar in bars(schedule)]


_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2", "#edc948", "#9c755f")
_LETTER, _ROW, _GAP, _PLOT = 7, 22, 14, 900


def svg(schedule: Schedule, title: str = "") -> str:
    """The chart as SVG, complete in itself: a row per task, a rectangle per run of steps."""
    scale, left = _PLOT / schedule.period, 20 + _LETTER * max(len(p.task.name) for p in schedule.placed)
    parts: list[str] = []
    y = 44
    for unit in schedule.units:
        share = schedule.busy(unit) / schedule.period
        parts.append(f'<text x="4" y="{y + 12}" class="unit">{escape(unit)} {share:.1%}</text>')
        y += _GAP + 4
        rows: dict[str, int] = {}
        for bar in bars(schedule):
            if bar.unit == unit:
                if bar.task not in rows:
                    rows[bar.task] = y
                    parts.append(f'<text x="{left - 6}" y="{y + 15}" class="task">{escape(bar.task)}</text>')
                    y += _ROW
                parts.append(_bar(bar, rows[bar.task], left, scale))
        y += _GAP
    parts += [
        f'<text x="{left + cycle * scale:.1f}" y="{y + 12}" class="tick">{cycle}</text>'
        for cycle in sorted({round(schedule.period * part / 8) for part in range(9)})
    ]
    head = escape(title or f"period {schedule.period} cycles, {schedule.stages} tiles in flight")
    width, height = left + _PLOT + 30, y + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        "<style>.unit{font-weight:bold}.task{text-anchor:end}.tick{text-anchor:middle;fill:#555}"
        ".name{text-anchor:middle;font-size:11px;stroke:#fff;stroke-width:3;paint-order:stroke}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/><text x="4" y="20" font-size="15">{head}</text>'
        + "".join(parts)
        + "</svg>\n"
    )


def _bar(bar: Bar, y: int, origin: int, scale: float) -> str:
    """One run of steps: a box where they are neighbours, a comb where others take turns with them."""
    age = ascii_lowercase.index(bar.tile) if bar.tile in ascii_lowercase else int(bar.tile)
    colour = _COLOURS[age % len(_COLOURS)]
    said = f"{bar.task}[{bar.tile}], cycles {bar.start} to {bar.end - 1}, every {bar.stride}"
    left = origin + bar.start * scale
    teeth = 1 if bar.stride == 1 else bar.count
    width = scale * (bar.count if teeth == 1 else 1)
    path = "".join(
        f"M{left + tooth * bar.stride * scale:.2f} {y + 2}h{width:.2f}v{_ROW - 4}h{-width:.2f}z"
        for tooth in range(teeth)
    )
    middle = left + (bar.end - bar.start) * scale / 2
    name = f'<text x="{middle:.1f}" y="{y + 15}" class="name">{bar.tile}</text>'
    return f'<g><title>{escape(said)}</title><path d="{path}" fill="{colour}"/>{name}</g>'


def page(schedule: Schedule, title: str) -> str:
    """The chart as an HTML page, complete in itself."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<body>{svg(schedule, title)}</body></html>\n"
    )
