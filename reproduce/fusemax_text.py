"""The comparison with FuseMax as tables: one for each figure, then headlines and the deviations found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..sim.cost.spatial import paper
from .rows import Check, Row, Section
from .tables import deviations, percent

SHOWN = ("bert", "xlm")
"""TrXL and T5 differ from BERT in size only: their ratios are equal, and all their rows are in the JSON."""

FIGURES = (
    ("Figure 6a: utilisation of the 1D array", "attn/util_1d"),
    ("Figure 6b: utilisation of the 2D array", "attn/util_2d"),
    ("Latency of attention, s", "attn/latency_s"),
    ("DRAM traffic of attention, bytes", "attn/dram_bytes"),
    ("Figure 8: speed of attention over Unfused", "attn/speedup_vs_unfused"),
    ("Figure 9: energy of attention, J", "attn/energy_j"),
    ("Figure 10: speed of a layer over Unfused", "e2e/speedup_vs_unfused"),
    ("Figure 11: energy of a layer, J", "e2e/energy_j"),
)


def sections(rows: Sequence[Row], checks: Sequence[Check]) -> tuple[Section, ...]:
    """Tables of all figures."""
    by_id = {row.id: row for row in rows}
    return (
        *(_figure(title, prefix, by_id) for title, prefix in FIGURES),
        _figure_7(by_id),
        _figure_12(by_id),
        _figure_1b(by_id),
        _headlines(rows),
        deviations(checks),
    )


def _deviation(rows: Sequence[Row]) -> str:
    found = [abs(row.deviation) for row in rows if row.deviation is not None]
    return percent(max(found)) if found else ""


def _figure(title: str, prefix: str, by_id: dict[str, Row]) -> Section:
    lines: list[tuple[object, ...]] = []
    for model in SHOWN:
        for name in paper.CONFIGURATIONS:
            found = [by_id["/".join((prefix, model, length, name))] for length in paper.SEQUENCES]
            lines.append((model, name, "ours", *(row.ours for row in found), _deviation(found)))
            lines.append(("", "", "paper", *(row.paper for row in found), ""))
            if any("physical" in row.beside for row in found):
                lines.append(("", "", "physical", *(row.beside.get("physical") for row in found), ""))
    columns = ("model", "configuration", "", *paper.SEQUENCES, "off by")
    return Section(f"{title} (TrXL and T5: --json)", columns, tuple(lines))


def _figure_7(by_id: dict[str, Row]) -> Section:
    lines: list[tuple[object, ...]] = []
    for name in paper.CONFIGURATIONS:
        for einsum in paper.EINSUMS_2D:
            ids = [f"fig7/{einsum.lower()}/bert/{length}/{name}" for length in paper.SEQUENCES]
            found = [by_id[each] for each in ids if each in by_id]
            if found:
                lines.append((name, einsum, *(row.ours for row in found), _deviation(found)))
    return Section(
        "Figure 7: share of the time an Einsum has the 2D array, BERT",
        ("configuration", "Einsum", *paper.SEQUENCES, "off by"),
        tuple(lines),
    )


def _figure_12(by_id: dict[str, Row]) -> Section:
    lines: list[tuple[object, ...]] = []
    for model in paper.MODELS:
        for name in ("latency_s", "dram_bytes", "area_cm2", "area_scaled_cm2"):
            found = [by_id[f"pareto/{name}/{model}/{side}"] for side in paper.SIDES]
            lines.append((model, name, "ours", *(row.ours for row in found), _deviation(found)))
            lines.append(("", "", "paper", *(row.paper for row in found), ""))
    sides = tuple(str(side) for side in paper.SIDES)
    return Section(
        "Figure 12: arrays of other sizes, 256K tokens", ("model", "", "", *sides, "off by"), tuple(lines)
    )


def _figure_1b(by_id: dict[str, Row]) -> Section:
    shares = tuple(by_id[f"fig1b/linear_share/bert/{length}"].ours for length in paper.SEQUENCES)
    return Section(
        "Figure 1b: linear layers' share of the multiply-accumulates, BERT", tuple(paper.SEQUENCES), (shares,)
    )


def _headlines(rows: Sequence[Row]) -> Section:
    by_id = {row.id: row for row in rows}
    names = [row.id.split("/")[1] for row in rows if row.id.endswith("/printed")]

    def lines() -> Iterator[tuple[object, ...]]:
        for name in names:
            mean, geometric = by_id[f"headline/{name}"], by_id[f"headline/{name}_geomean"]
            printed = by_id[f"headline/{name}/printed"].paper
            yield name, mean.ours, mean.paper, printed, geometric.ours, _deviation([mean, geometric])

    columns = ("headline", "ours", "their data", "as printed", "geometric mean", "off by")
    return Section("Headlines: +Binding's ratios, arithmetic means", columns, tuple(lines()))
