"""The comparison with MEMO as a page: the swapped fraction over the length, and all rows."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..sim.cost.swap import GPTS
from ..sim.report.figure import COLOURS, GREY, drawn
from ..sim.report.html import document
from ..sim.report.markup import details, note, table
from .memo import K, alpha
from .page import all_rows, deviations
from .rows import Reproduction


def page(found: Reproduction) -> str:
    """The text of the page."""
    quirks = [[str(quirk["name"]), str(quirk["effect"])] for quirk in found.quirks]
    parts = [
        "<h1>MEMO: published figures beside ours</h1>",
        note("SIGMOD 2025, arXiv 2407.12117. Little is printed in what was at hand; the rest is derived."),
        "<h2>Worst deviations</h2>",
        deviations(found),
        "<h2>Fraction of tokens that may be swapped</h2>",
        _fractions(),
        "<h2>Oddities of the published figures</h2>",
        table(["name", "effect"], quirks),
        "<h2>Not reproduced</h2>",
        *map(note, found.missing),
        "<h2>All rows</h2>",
        details(f"{len(found.rows)} figures", all_rows(found, []), kind="fold"),
    ]
    return document("MEMO, published and ours", "\n".join(parts))


def _fractions() -> str:
    """What link and host allow, over the length."""
    lengths = range(32, 1409, 16)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (name, model), colour in zip(GPTS.items(), COLOURS, strict=False):
            values = [alpha(name, tokens * K).value for tokens in lengths]
            axes.plot(lengths, values, color=colour, label=f"{name}, {model.gpus} GPUs")
        axes.axvline(192, color=GREY, linestyle="--", linewidth=1, label="the paper's crossover for 7B")
        axes.set(ylim=(0, 1.05), xlim=(0, 1408))
        axes.set_xlabel("thousand tokens")
        axes.set_ylabel("largest fraction")
        axes.grid(axis="both")
        axes.legend()

    return drawn("fractions", draw, 3.8)
