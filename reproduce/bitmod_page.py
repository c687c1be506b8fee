"""The comparison with BitMoD as a page: figures 7 and 8 drawn from our numbers, the published ones marked."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..sim.cost import bitmod_paper as paper
from ..sim.report.figure import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, drawn
from ..sim.report.html import document
from ..sim.report.markup import details, note, table
from .bitmod_text import TASKS
from .page import all_rows, deviations
from .rows import Reproduction, Row

COLOURS = dict(zip(paper.DESIGNS, (GREY, PURPLE, ORANGE, BLUE, GREEN), strict=True))
"""By design."""
LABELS = {"fp16": "FP16", "ll": "BitMoD lossless", "ant": "ANT", "olive": "OliVe", "ly": "BitMoD lossy"}
FIGURES = (
    ("Figure 7: speed", "speedup", "speed, FP16 = 1"),
    ("Figure 8: energy", "energy_ratio", "energy, FP16 = 1"),
)
WIDTH = 0.16
"""Of a bar, where the bars of one model share a width of 1."""


def page(found: Reproduction) -> str:
    """The text of the page."""
    rows = {row.id: row for row in found.rows}
    parts = [
        "<h1>BitMoD: published figures beside ours</h1>",
        note(
            "Bars are ours, by the authors' model with its oddities; a short line across a bar is the "
            "published number, a circle the corrected model's. Chen et al., HPCA 2025."
        ),
        "<h2>Worst deviations</h2>",
        deviations(found),
    ]
    for title, quantity, label in FIGURES:
        parts += [f"<h2>{title}</h2>", _bars(quantity, rows, label)]
    if any(name.startswith("mse/") for name in rows):
        parts += ["<h2>Errors of data types on a normal matrix</h2>", _errors(rows)]
    quirks = [[str(quirk["name"]), str(quirk["effect"])] for quirk in found.quirks]
    parts += ["<h2>Oddities of the published figures</h2>", table(["name", "effect"], quirks)]
    parts += ["<h2>Not reproduced</h2>", *map(note, found.missing)]
    every = all_rows(found, ["corrected", "reference"])
    parts += ["<h2>All rows</h2>", details(f"{len(found.rows)} figures", every, kind="fold")]
    return document("BitMoD, published and ours", "\n".join(parts))


def _bars(quantity: str, rows: Mapping[str, Row], label: str) -> str:
    """A panel a setting: a group of bars for each model and their mean, a bar for each design."""

    def draw(figure: Figure) -> None:
        for (setting, said), axes in zip(TASKS.items(), figure.subplots(2, 1).flat, strict=True):
            _panel(axes, quantity, setting, rows)
            axes.set_title(said)
            axes.grid(axis="y")
        figure.supylabel(label)
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))

    return drawn(quantity, draw, 6.2)


def _panel(axes: Axes, quantity: str, setting: str, rows: Mapping[str, Row]) -> None:
    groups = [f"{quantity}/{setting}/{model}" for model in paper.LLMS] + [f"mean/{quantity}/{setting}"]
    for place, (design, colour) in enumerate(COLOURS.items()):
        offset = (place - (len(COLOURS) - 1) / 2) * WIDTH
        found = [rows[f"{group}/{design}"] for group in groups]
        xs = [at + offset for at in range(len(found))]
        axes.bar(xs, [row.ours or 0 for row in found], WIDTH * 0.9, color=colour, label=LABELS[design])
        for x, row in zip(xs, found, strict=True):
            axes.plot([x - WIDTH / 2, x + WIDTH / 2], [row.paper or 0] * 2, color=INK, linewidth=1.2)
            axes.plot([x], [row.beside["corrected"] or 0], "o", markersize=3, mfc="none", mec=INK, mew=0.7)
    axes.set_xticks(range(len(groups)), [*paper.LLMS, "arithmetic mean"])


def _errors(rows: Mapping[str, Row]) -> str:
    """Bars by format, 3 and 4 bits side by side."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = list(dict.fromkeys(name.split("/")[2] for name in rows if name.startswith("mse/")))
        for place, (bits, colour) in enumerate((("3", ORANGE), ("4", BLUE))):
            there = [at for at, name in enumerate(names) if f"mse/{bits}/{name}" in rows]
            values = [rows[f"mse/{bits}/{names[at]}"].ours or 0 for at in there]
            xs = [at + (place - 0.5) * 0.4 for at in there]
            axes.bar(xs, values, 0.36, color=colour, label=f"{bits} bits")
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_ylabel("ΣΔ² / Σw²")
        axes.grid(axis="y")
        axes.legend()

    return drawn("errors", draw, 3.8)
