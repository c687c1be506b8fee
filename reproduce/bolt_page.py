"""The comparison with BOLT as a page: loads over patterns, latency over the share in HBM, and all rows."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..ir.targets import load
from ..sim.bolt.cost import Machine, latency_us
from ..sim.report.figure import COLOURS, drawn
from ..sim.report.html import document
from ..sim.report.markup import details, note, table
from .bolt import SHARES, TARGET
from .page import all_rows, deviations
from .rows import Reproduction


def page(found: Reproduction) -> str:
    """The text of the page."""
    quirks = [[str(quirk["name"]), str(quirk["effect"])] for quirk in found.quirks]
    parts = [
        "<h1>BOLT: the artifact's figures beside ours</h1>",
        note(
            "arXiv 2509.01742. Its body was not available; figures are its artifact's, the algorithm is ours."
        ),
        "<h2>Worst deviations</h2>",
        deviations(found),
        "<h2>Microseconds a command</h2>",
        _latencies(found),
        "<h2>Oddities of the published figures</h2>",
        table(["name", "effect"], quirks),
        "<h2>Not reproduced</h2>",
        *map(note, found.missing),
        "<h2>All rows</h2>",
        details(f"{len(found.rows)} figures", all_rows(found, ["max_load", "max_q"]), kind="fold"),
    ]
    return document("BOLT, published and ours", "\n".join(parts))


def _latencies(found: Reproduction) -> str:
    """The fitted line and the points it was fitted to."""
    machine = Machine.of(load(TARGET))
    published = {row.id: row.paper for row in found.rows}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        shares = [at / 100 for at in range(101)]
        axes.plot(shares, [latency_us(share, machine) for share in shares], color=COLOURS[0], label="fitted")
        points = [published[f"latency_us/{name}"] or 0.0 for name in SHARES]
        axes.plot(list(SHARES.values()), points, "o", color=COLOURS[1], label="artifact")
        axes.set(ylim=(0, 5.5), xlim=(0, 1))
        axes.set_xlabel("share of bins in HBM")
        axes.set_ylabel("µs a command")
        axes.grid(axis="both")
        axes.legend()

    return drawn("latencies", draw, 3.8)
