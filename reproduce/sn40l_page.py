"""The comparison with SN40L as a page: table V drawn from our numbers, the published ones marked."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..sim.report.figure import BLUE, INK, ORANGE, drawn
from ..sim.report.html import document
from ..sim.report.markup import details, note, table
from .page import all_rows, deviations
from .rows import Reproduction

WIDTH = 0.36
COLOURS = {"a100": ORANGE, "h100": BLUE}


def page(found: Reproduction) -> str:
    """The text of the page."""
    quirks = [[str(quirk["name"]), str(quirk["effect"])] for quirk in found.quirks]
    every = all_rows(found, ["lowest", "highest"])
    parts = [
        "<h1>SN40L: published figures beside ours</h1>",
        note(
            "Bars are ours, fitted to the batches of eight; a short line across a bar is the published "
            "number, a thin line the range that prints the same. Prabhakar et al., MICRO 2024."
        ),
        "<h2>Worst deviations</h2>",
        deviations(found),
        "<h2>Table V: overall speed over a DGX</h2>",
        _bars(found),
        "<h2>Oddities of the published figures</h2>",
        table(["name", "effect"], quirks),
        "<h2>Not reproduced</h2>",
        *map(note, found.missing),
        "<h2>All rows</h2>",
        details(f"{len(found.rows)} figures", every, kind="fold"),
    ]
    return document("SN40L, published and ours", "\n".join(parts))


def _bars(found: Reproduction) -> str:
    """A group for each batch and number of tokens, a bar for each machine."""
    rows = {row.id.removeprefix("coe/overall/"): row for row in found.rows if "/overall/" in row.id}
    groups = list(dict.fromkeys(name.split("/", 1)[1] for name in rows))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (machine, colour) in enumerate(COLOURS.items()):
            xs = [at + (place - 0.5) * WIDTH for at in range(len(groups))]
            there = [rows[f"{machine}/{group}"] for group in groups]
            axes.bar(xs, [row.ours or 0 for row in there], WIDTH * 0.9, color=colour, label=machine.upper())
            for x, row in zip(xs, there, strict=True):
                axes.plot(
                    [x, x], [row.beside["lowest"] or 0, row.beside["highest"] or 0], color=INK, linewidth=0.7
                )
                if row.paper is not None:
                    axes.plot([x - WIDTH / 2, x + WIDTH / 2], [row.paper] * 2, color=INK, linewidth=1.2)
        axes.set_xticks(range(len(groups)), [group.replace("/", ", ") + " tokens" for group in groups])
        axes.set_ylabel("times faster")
        axes.grid(axis="y")
        axes.legend()

    return drawn("overall", draw, 3.8)
