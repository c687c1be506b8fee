"""A plan of a training step in pictures: memory of the device over the step, and the three streams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ..cost.swap.schedule import STREAMS
from ..cost.swap.streams import Ran, Timeline
from . import units
from .figure import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, WIDTH_IN, drawn
from .html import document
from .markup import Cell, facts, note, table

KINDS = {
    "forward": BLUE,
    "backward": GREEN,
    "recompute": RED,
    "out": ORANGE,
    "back": PURPLE,
    "begin": GREY,
    "head": GREY,
    "finish": GREY,
}
"""First word of a task → its colour; tasks that take no time are not drawn."""
_HEIGHTS_IN = (3.4, 2.2)


@dataclass(frozen=True)
class Curve:
    """Memory of the device.

    Attributes:
        label: whose.
        points: seconds and bytes, from each point to the next.
    """

    label: str
    points: tuple[tuple[float, int], ...]


def memory(axes: Axes, curves: Sequence[Curve], capacity_bytes: int) -> None:
    """Bytes over seconds, a curve for each way to run the step, and the device's size."""
    for curve, colour in zip(curves, (GREY, ORANGE, BLUE), strict=False):
        seconds, sizes = zip(*curve.points, strict=True) if curve.points else ((0.0,), (0,))
        axes.step(seconds, sizes, where="post", color=colour, linewidth=1.2, label=curve.label)
    axes.axhline(capacity_bytes, color=RED, linewidth=1, linestyle="--", label="device")
    last = max((curve.points[-1][0] for curve in curves if curve.points), default=1.0)
    axes.set(ylim=(0, None), xlim=(0, last))
    axes.set_ylabel("memory of the device")
    _formatted(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.size(value)))
    axes.yaxis.set_major_locator(MultipleLocator(2.0 ** math.ceil(math.log2(axes.get_ylim()[1] / 7))))
    axes.legend(loc="upper right")


def streams(axes: Axes, timeline: Timeline) -> None:
    """A row for each stream, a bar for each task; gaps of the first are stalls."""
    seen: dict[str, str] = {}
    for row, name in enumerate(STREAMS):
        for each in timeline.stream(name):
            kind = _kind(each)
            if each.end > each.start and kind in KINDS:
                label = kind if kind not in seen else None
                seen[kind] = kind
                axes.barh(
                    row, each.end - each.start, left=each.start, height=0.7, color=KINDS[kind],
                    edgecolor="white", linewidth=0.2, label=label,
                )  # fmt: skip
    axes.set_yticks(range(len(STREAMS)), STREAMS)
    axes.invert_yaxis()
    axes.set_xlim(0, max(timeline.seconds, 1e-12))
    _formatted(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=len(KINDS))


def _kind(ran: Ran) -> str:
    return ran.task.name.partition("/")[2].split(" ")[0]


def _formatted(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: units.duration(value)))
    axes.grid(axis="both", alpha=0.25)


def svg(curves: Sequence[Curve], capacity_bytes: int, timeline: Timeline) -> tuple[str, str]:
    """Both pictures for a page."""
    return (
        drawn("memory", lambda figure: memory(figure.subplots(), curves, capacity_bytes), _HEIGHTS_IN[0]),
        drawn("streams", lambda figure: streams(figure.subplots(), timeline), _HEIGHTS_IN[1]),
    )


def write_png(place: Path, curves: Sequence[Curve], capacity_bytes: int, timeline: Timeline) -> None:
    """Both pictures, one above the other, in one file."""
    with matplotlib.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(WIDTH_IN, sum(_HEIGHTS_IN)), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=_HEIGHTS_IN)
        streams(lower, timeline)
        memory(upper, curves, capacity_bytes)  # the longest step sets the axis both share
        figure.savefig(place, format="png", dpi=120)


def page(
    title: str,
    figures: Sequence[tuple[str, str]],
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[Cell | str | int]]]],
    pictures: tuple[str, str],
    notes: Sequence[str],
) -> str:
    """A page: figures side by side, both pictures, and tables.

    Args:
        title: of it.
        figures: what each is, and how much.
        tables: title, columns and rows of each.
        pictures: of `svg`.
        notes: sentences under the figures.
    """
    parts = [f"<h1>{title}</h1>", facts(figures), *map(note, notes)]
    parts += ["<h2>Memory of the device over a step</h2>", pictures[0], "<h2>Streams</h2>", pictures[1]]
    for name, columns, rows in tables:
        parts += [f"<h2>{name}</h2>", table(columns, rows)]
    return document(title, "\n".join(parts))
