"""The comparison with FuseMax as a page: its figures drawn from our numbers, the published ones marked."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..sim.cost.spatial import paper
from ..sim.report.figure import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED, drawn
from ..sim.report.html import document
from ..sim.report.markup import details, note, table
from .page import all_rows, deviations
from .rows import Reproduction, Row

COLOURS = dict(zip(paper.CONFIGURATIONS, (GREY, BLUE, PURPLE, ORANGE, GREEN), strict=True))
"""By configuration."""
EINSUM_COLOURS = dict(zip(paper.EINSUMS_2D, (BLUE, GREY, ORANGE, PURPLE, GREEN), strict=True))
BARS = (
    ("Figure 6a: utilisation of the 1D array", "attn/util_1d", "share of the time", 1.0),
    ("Figure 6b: utilisation of the 2D array", "attn/util_2d", "share of the time", 1.0),
    ("Figure 8: attention", "attn/speedup_vs_unfused", "speed, Unfused = 1", None),
    ("Figure 10: a whole layer", "e2e/speedup_vs_unfused", "speed, Unfused = 1", None),
)
RATIOS = (
    ("Figure 9: energy of attention", "attn/energy_j"),
    ("Figure 11: energy of a whole layer", "e2e/energy_j"),
)
WIDTH = 0.16
"""Of a bar, where the bars of one sequence length share a width of 1."""


def page(found: Reproduction) -> str:
    """The text of the page."""
    rows = {row.id: row for row in found.rows}
    parts = [
        "<h1>FuseMax: published figures beside ours</h1>",
        note(
            "Bars and lines are ours, in paper mode; a short line across a bar is the published number, a "
            "circle the physical model's. Nayak et al., MICRO 2024."
        ),
        "<h2>Worst deviations</h2>",
        deviations(found),
    ]
    for title, prefix, label, most in BARS:
        values = {key: _three(rows[f"{prefix}/{'/'.join(key)}"]) for key in _keys()}
        parts += [f"<h2>{title}</h2>", _bars(prefix, values, label, most)]
    for title, prefix in RATIOS:
        values = {key: _relative(rows, prefix, key) for key in _keys()}
        parts += [f"<h2>{title}</h2>", _bars(prefix, values, "energy, Unfused = 1", None)]
    parts += ["<h2>Figure 7: what the 2D array does, BERT</h2>", _shares(rows)]
    parts += ["<h2>Figure 12: arrays of side 16 to 512, 256K tokens</h2>", _pareto(rows)]
    quirks = [[quirk["name"], quirk["effect"]] for quirk in found.quirks]
    parts += ["<h2>Oddities of the published figures</h2>", table(["name", "effect"], quirks)]
    parts += ["<h2>Not reproduced</h2>", *map(note, found.missing)]
    parts += [
        "<h2>All rows</h2>",
        details(f"{len(found.rows)} figures", all_rows(found, ["physical"]), kind="fold"),
    ]
    return document("FuseMax, published and ours", "\n".join(parts))


Three = tuple[float | None, float | None, float | None]
"""Ours, the paper's, the physical model's."""


def _keys() -> list[tuple[str, str, str]]:
    return [(m, s, c) for m in paper.MODELS for s in paper.SEQUENCES for c in paper.CONFIGURATIONS]


def _three(row: Row) -> Three:
    return row.ours, row.paper, row.beside.get("physical")


def _relative(rows: Mapping[str, Row], prefix: str, key: tuple[str, str, str]) -> Three:
    """A quantity over Unfused's, each in its own model."""
    mine = _three(rows["/".join((prefix, *key))])
    base = _three(rows["/".join((prefix, *key[:2], "unfused"))])
    ours, published, physical = (
        a / b if a is not None and b else None for a, b in zip(mine, base, strict=True)
    )
    return ours, published, physical


def _bars(name: str, values: Mapping[tuple[str, str, str], Three], label: str, most: float | None) -> str:
    """One panel a model: a group of bars for each length, a bar for each configuration."""

    def draw(figure: Figure) -> None:
        panels = figure.subplots(2, 2, sharey=True).flat
        for model, axes in zip(paper.MODELS, panels, strict=True):
            _panel(axes, model, values)
            axes.set_title(model)
            axes.grid(axis="y")
            if most is not None:
                axes.set_ylim(0, 1.1 * most)
        figure.supylabel(label)
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))

    return drawn(name.replace("/", "-"), draw, 6.2)


def _panel(axes: Axes, model: str, values: Mapping[tuple[str, str, str], Three]) -> None:
    for place, (name, colour) in enumerate(COLOURS.items()):
        offset = (place - (len(COLOURS) - 1) / 2) * WIDTH
        found = [values[model, length, name] for length in paper.SEQUENCES]
        xs = [at + offset for at in range(len(found))]
        axes.bar(xs, [ours or 0 for ours, _, _ in found], WIDTH * 0.9, color=colour, label=name)
        for x, (_, published, physical) in zip(xs, found, strict=True):
            if published is not None:
                axes.plot([x - WIDTH / 2, x + WIDTH / 2], [published] * 2, color=INK, linewidth=1.2)
            if physical is not None:
                axes.plot([x], [physical], "o", markersize=3, mfc="none", mec=INK, mew=0.7)
    axes.set_xticks(range(len(paper.SEQUENCES)), list(paper.SEQUENCES))


def _shares(rows: Mapping[str, Row]) -> str:
    """Stacked shares of the Einsums, a bar for each configuration and length."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = [name for name in paper.CONFIGURATIONS if f"fig7/qk/bert/1k/{name}" in rows]
        for group, length in enumerate(paper.SEQUENCES):
            for place, name in enumerate(names):
                _stack(axes, rows, group + (place - (len(names) - 1) / 2) * 0.2, length, name)
        axes.set_xticks(range(len(paper.SEQUENCES)), list(paper.SEQUENCES))
        axes.set_xlabel(f"each: {', '.join(names)}")
        axes.set_ylabel("share of the time")
        axes.grid(axis="y")
        for einsum, colour in EINSUM_COLOURS.items():
            axes.bar([0], [0], color=colour, label="SLNV or AV" if einsum == "SLNV" else einsum)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))

    return drawn("fig7", draw, 3.6)


def _stack(axes: Axes, rows: Mapping[str, Row], x: float, length: str, name: str) -> None:
    height = published = 0.0
    for einsum, colour in EINSUM_COLOURS.items():
        row = rows.get(f"fig7/{einsum.lower()}/bert/{length}/{name}")
        if row is not None:
            axes.bar([x], [row.ours or 0], 0.17, bottom=[height], color=colour)
            height += row.ours or 0
            published += row.paper or 0
    axes.plot([x - 0.1, x + 0.1], [published] * 2, color=INK, linewidth=1.2)


def _pareto(rows: Mapping[str, Row]) -> str:
    """Latency over area, ours as lines and the published points as crosses."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for model, colour in zip(paper.MODELS, (BLUE, ORANGE, GREEN, RED), strict=True):
            areas = [rows[f"pareto/area_cm2/{model}/{side}"] for side in paper.SIDES]
            times = [rows[f"pareto/latency_s/{model}/{side}"] for side in paper.SIDES]
            axes.plot(
                [row.ours or 0 for row in areas],
                [row.ours or 0 for row in times],
                "o-",
                color=colour,
                label=model,
            )
            axes.plot([row.paper or 0 for row in areas], [row.paper or 0 for row in times], "x", color=INK)
        axes.set(xscale="log", yscale="log", xlabel="area, cm²", ylabel="latency of attention, s")
        axes.grid(visible=True)
        axes.legend()

    return drawn("fig12", draw, 4.2)
