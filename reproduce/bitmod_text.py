"""The comparison with BitMoD as tables: cycles, speed, energy, headlines, errors, deviations found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..sim.cost import bitmod_paper as paper
from .rows import Check, Row, Section
from .tables import deviations, percent

SETTINGS = {"disc": "a prompt of 256 tokens", "gen": "per token generated"}
TASKS = {"disc": "reading a prompt", "gen": f"reading it and generating {paper.GENERATED_TOKENS} tokens"}
FIGURES = (
    *((f"Cycles, {said}", "cycles", setting) for setting, said in SETTINGS.items()),
    *((f"Figure 7: speed over FP16, {said}", "speedup", setting) for setting, said in TASKS.items()),
    *((f"Energy, J, {said}", "energy", setting) for setting, said in SETTINGS.items()),
    *((f"Figure 8: energy over FP16's, {said}", "energy_ratio", setting) for setting, said in TASKS.items()),
)
"""Title, quantity, setting."""


def sections(rows: Sequence[Row], checks: Sequence[Check]) -> tuple[Section, ...]:
    """Tables of all figures."""
    by_id = {row.id: row for row in rows}
    parts = [_figure(title, quantity, setting, by_id) for title, quantity, setting in FIGURES]
    parts.append(_headlines(rows))
    if any(row.id.startswith("mse/") for row in rows):
        parts.append(_errors(rows))
    return (*parts, deviations(checks))


def _figure(title: str, quantity: str, setting: str, by_id: dict[str, Row]) -> Section:
    columns = list(paper.LLMS)

    def lines() -> Iterator[tuple[object, ...]]:
        for design in paper.DESIGNS:
            found = [by_id[f"{quantity}/{setting}/{model}/{design}"] for model in columns]
            mean = by_id.get(f"mean/{quantity}/{setting}/{design}")
            found += [mean] if mean else []
            off = max(abs(row.deviation) for row in found if row.deviation is not None)
            yield design, "ours", *(row.ours for row in found), percent(off)
            yield "", "paper", *(row.paper for row in found), ""
            yield "", "corrected", *(row.beside["corrected"] for row in found), ""

    mean = ["mean"] if quantity in ("speedup", "energy_ratio") else []
    return Section(title, ("design", "", *columns, *mean, "off by"), tuple(lines()))


def _headlines(rows: Sequence[Row]) -> Section:
    by_id = {row.id: row for row in rows}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, row in by_id.items():
            if name.startswith("headline/") and not name.endswith("/data"):
                data = by_id.get(f"{name}/data")
                yield (
                    name.removeprefix("headline/"),
                    row.ours,
                    data.paper if data else None,
                    row.paper,
                    row.beside["corrected"],
                    "" if row.deviation is None else percent(abs(row.deviation)),
                )

    columns = ("headline", "ours", "their data", "as printed", "corrected", "off print by")
    return Section("Headlines: ratios of arithmetic means", columns, tuple(lines()))


def _errors(rows: Sequence[Row]) -> Section:
    found = {tuple(row.id.split("/")[1:]): row for row in rows if row.id.startswith("mse/")}

    def lines() -> Iterator[tuple[object, ...]]:
        for name in dict.fromkeys(name for _, name in found):
            pair = [found.get((bits, name)) for bits in ("3", "4")]
            values = [(row.ours, row.beside["reference"]) if row else (None, None) for row in pair]
            yield name, *(value for two in values for value in two)

    columns = ("format", "3 bits", "reference", "4 bits", "reference")
    return Section("Errors of data types on a normal matrix, ΣΔ²/Σw²", columns, tuple(lines()))
