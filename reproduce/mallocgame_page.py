"""The memory-mapping benchmark as a page: speed-ups by program, anytime curves, all rows."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..sim.report.figure import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, drawn
from ..sim.report.html import document
from ..sim.report.markup import details, note
from .mallocgame import HEADLINE
from .page import all_rows, deviations
from .rows import Reproduction

COLOURS = {"greedy": GREY, "insertion": PURPLE, "msa": ORANGE, "evolution": GREEN, "hybrid": BLUE}
"""By player."""
WIDTH = 0.16


def page(found: Reproduction) -> str:
    """The text of the page."""
    parts = [
        "<h1>Memory mapping after mallocGame</h1>",
        note(
            "Speed-up over everything in slow memory, under a public cost model; the line across a group is "
            "the bound that no mapping passes. Nothing here is the paper's: its programs are not public."
        ),
        "<h2>Checks</h2>",
        deviations(found),
        *(f"<h2>Profile {profile}</h2>{_bars(found, profile)}" for profile in HEADLINE),
        "<h2>Not reproduced</h2>",
        *map(note, found.missing),
    ]
    every = all_rows(found, ["bound", "queued", "lowest", "highest", "evaluations", "seconds"])
    parts += ["<h2>All rows</h2>", details(f"{len(found.rows)} figures", every, kind="fold")]
    return document("Memory mapping", "\n".join(parts))


def _bars(found: Reproduction, profile: str) -> str:
    rows = {row.id: row for row in found.rows}
    graphs = [key.split("/")[1] for key in rows if key.endswith(f"/{profile}/hybrid")]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (player, colour) in enumerate(COLOURS.items()):
            offset = (place - (len(COLOURS) - 1) / 2) * WIDTH
            heights = [rows[f"map/{graph}/{profile}/{player}"].ours or 0 for graph in graphs]
            xs = [at + offset for at in range(len(graphs))]
            axes.bar(xs, heights, WIDTH * 0.9, color=colour, label=player)
        for at, graph in enumerate(graphs):
            bound = rows[f"map/{graph}/{profile}/hybrid"].beside["bound"] or 0
            axes.plot([at - 0.45, at + 0.45], [bound, bound], color=INK, linewidth=1)
        axes.set_xticks(range(len(graphs)), graphs, rotation=40, ha="right")
        axes.set_ylim(bottom=0.9)
        axes.set_ylabel("speed-up")
        axes.grid(axis="y")
        axes.legend(ncols=len(COLOURS))

    return drawn(f"map-{profile}", draw, 4.4)
