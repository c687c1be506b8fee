"""BitMoD (Chen et al., HPCA 2025): figures 7 and 8 beside the authors' own numbers, errors of its data types.

Published numbers are the arrays the paper's plots were drawn from; the text prints a few, rounded. Ours are
the authors' cost model with its oddities (`sim.cost.bitmod_paper`), beside them the model corrected. Errors
of data types are ours alone: the paper gives perplexities, which need its models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from ..sim.cost import bitmod_paper as paper
from ..sim.cost.bitmod_paper import CORRECTED, PUBLISHED, Cost, Rules
from .bitmod_errors import REFERENCE_BOUND, errors
from .bitmod_text import sections
from .published import read
from .rows import Check, Reproduction, Row, check

UJ = 1e-6
Point = tuple[str, str, str]
"""Setting, model, design."""


@dataclass(frozen=True)
class Published:
    """What the authors' notebooks hold of one point: a prompt (``disc``) or one token (``gen``)."""

    cycles: int
    onchip_j: float
    energy_j: float

    @property
    def dram_j(self) -> float:
        """Energy of DRAM alone."""
        return self.energy_j - self.onchip_j


@dataclass(frozen=True)
class Quantity:
    """What a row holds: its name, unit, where it was published, and the deviation allowed."""

    name: str
    unit: str
    source: str
    bound: float


EXACT, ROUNDED_UJ, FITTED, BUFFERS = 0.0, 2e-5, 2e-3, 1e-2
"""Cycles; energies in whole microjoules; with fitted buffers; on chip alone (one width is interpolated)."""
PRINTED_BOUND = 1.5e-2
"""Half a unit of the last printed digit, rounded twice."""

CYCLES = Quantity("cycles", "cycles", "figure 7; speedup_plot.ipynb: cycle_{design}_{setting}", EXACT)
ENERGIES = (
    Quantity("energy", "J", "figure 8; energy_plot.ipynb: energy_{design}_{setting}", FITTED),
    Quantity(
        "energy_dram", "J", "figure 8; energy_plot.ipynb: energy_{design}_{setting}[1] - [0]", ROUNDED_UJ
    ),
    Quantity("energy_onchip", "J", "figure 8; energy_plot.ipynb: energy_{design}_{setting}[0]", BUFFERS),
)
SPEEDUP = Quantity("speedup", "×", "figure 7; from speedup_plot.ipynb", 1e-12)
ENERGY_RATIO = Quantity("energy_ratio", "1", "figure 8; from energy_plot.ipynb", FITTED)
THEIR_NAMES = {"fp16": "fp16", "ll": "bitmod_con", "ant": "ant", "olive": "olive", "ly": "bitmod_agg"}

PRINTED: Mapping[str, float] = {
    "ll_vs_fp16": 2.2,
    "vs_ant": 1.69,
    "vs_ant/disc": 1.72,
    "vs_ant/gen": 1.66,
    "vs_olive": 1.48,
    "vs_olive/disc": 1.56,
    "vs_olive/gen": 1.39,
    "energy_ll_vs_fp16": 2.31,
    "energy_vs_ant": 1.48,
    "energy_vs_olive": 1.31,
}
"""Headlines as section V-C prints them: ratios of mean speedups, or energies, and both settings' mean."""
PAIRS = {"ll_vs_fp16": ("ll", "fp16"), "vs_ant": ("ly", "ant"), "vs_olive": ("ly", "olive")}
"""Headline → the design praised, and over which."""
MANY_TOKENS = 256
"""Tokens that section V-A says are generated."""

MISSING = (
    "tables I, II and V to XII (perplexity, accuracy): they need the language models and their text",
    "table X (synthesis) and figures 9 and 10: areas of a cell library",
    "figure 3 is a plot without published numbers: errors of data types stand on a matrix of our own",
)


def reproduce(with_errors: bool = True) -> Reproduction:
    """Compute everything.

    Args:
        with_errors: the rows ``mse/…`` too, which take seconds and not milliseconds.
    """
    theirs = _published()
    ours = {point: paper.figure(*point) for point in theirs}
    corrected = {point: paper.figure(*point, CORRECTED) for point in theirs}
    rows = [*_costs(ours, theirs, corrected), *_ratios(ours, theirs, corrected)]
    rows += _means(rows)
    rows += [*_headlines(rows), *_at_many_tokens()]
    if with_errors:
        rows += errors()
    checks = tuple(_checks(rows))
    return Reproduction(
        paper="bitmod",
        rows=tuple(rows),
        how="computed",
        checks=checks,
        quirks=tuple(asdict(quirk) for quirk in paper.QUIRKS),
        missing=MISSING,
        sections=sections(rows, checks),
    )


def _published() -> dict[Point, Published]:
    energies = {
        (line["setting"], line["model"], line["design"]): (float(line["onchip_uj"]), float(line["total_uj"]))
        for line in read("bitmod", "energy")
    }
    return {
        (line["setting"], line["model"], design): Published(
            int(line[design]), *(UJ * energy for energy in energies[line["setting"], line["model"], design])
        )
        for line in read("bitmod", "cycles")
        for design in paper.DESIGNS
    }


def _costs(
    ours: Mapping[Point, Cost], theirs: Mapping[Point, Published], corrected: Mapping[Point, Cost]
) -> Iterator[Row]:
    """Cycles and energies of a prompt and of a token."""
    for quantity, name in zip((CYCLES, *ENERGIES), ("cycles", "energy_j", "dram_j", "onchip_j"), strict=True):
        for point, found in ours.items():
            yield Row(
                "/".join((quantity.name, *point)),
                getattr(found, name),
                getattr(theirs[point], name),
                quantity.unit,
                quantity.source.format(design=THEIR_NAMES[point[2]], setting=point[0][0]),
                {"corrected": getattr(corrected[point], name)},
            )


def _ratios(
    ours: Mapping[Point, Cost], theirs: Mapping[Point, Published], corrected: Mapping[Point, Cost]
) -> Iterator[Row]:
    """Bars of figures 7 and 8: whole tasks, a prompt and the tokens made after it, beside FP16's."""

    def task(found: Mapping[Point, Cost | Published], point: Point, name: str) -> float:
        setting, model, design = point
        prompt = getattr(found["disc", model, design], name)
        return prompt if setting == "disc" else prompt + paper.GENERATED_TOKENS * getattr(found[point], name)

    for quantity, name in ((SPEEDUP, "cycles"), (ENERGY_RATIO, "energy_j")):
        for point in ours:
            base = (*point[:2], "fp16")
            values = []
            for found in (ours, theirs, corrected):
                mine, fp16 = task(found, point, name), task(found, base, name)
                values.append(fp16 / mine if quantity is SPEEDUP else mine / fp16)
            yield Row(
                "/".join((quantity.name, *point)),
                values[0],
                values[1],
                quantity.unit,
                quantity.source,
                {"corrected": values[2]},
            )


def _means(rows: Sequence[Row]) -> Iterator[Row]:
    """Over the models: the bars labelled geometric mean, which are arithmetic, and the geometric mean."""
    for quantity in (SPEEDUP, ENERGY_RATIO):
        for setting in paper.SETTINGS:
            for design in paper.DESIGNS:
                ids = [f"{quantity.name}/{setting}/{model}/{design}" for model in paper.LLMS]
                found = [row for row in rows if row.id in ids]
                name = f"mean/{quantity.name}/{setting}/{design}"
                yield _merged(
                    name, found, _mean, f"{quantity.source}: the bar “Geo Mean”, an arithmetic mean"
                )
                yield _merged(f"{name}/geomean", found, _geomean, "geometric mean; the paper has none")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _geomean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _merged(name: str, rows: Sequence[Row], how: Callable[[Sequence[float]], float], source: str) -> Row:
    """A row of each column's values taken together."""

    def column(pick: Callable[[Row], float | None]) -> float:
        return how([value for row in rows if (value := pick(row)) is not None])

    beside = {"corrected": column(lambda row: row.beside["corrected"])}
    return Row(
        name, column(lambda row: row.ours), column(lambda row: row.paper), rows[0].unit, source, beside
    )


def _headlines(rows: Sequence[Row]) -> Iterator[Row]:
    """The text's figures; ``/data`` beside holds the same from the authors' arrays, before rounding."""
    means = {row.id.removeprefix("mean/"): row for row in rows if row.id.startswith("mean/")}
    for quantity, prefix in ((SPEEDUP, ""), (ENERGY_RATIO, "energy_")):
        for pair, (design, base) in PAIRS.items():
            found: dict[str, Row] = {}
            for setting in paper.SETTINGS:
                ends = [means[f"{quantity.name}/{setting}/{each}"] for each in (design, base)]
                ends = ends if quantity is SPEEDUP else ends[::-1]
                found[setting] = _merged(
                    f"headline/{prefix}{pair}/{setting}", ends, lambda v: v[0] / v[1], "ratio of the means"
                )
            both = _merged(f"headline/{prefix}{pair}", list(found.values()), _mean, "mean of both settings")
            for row in (both, *found.values()):
                printed = PRINTED.get(row.id.removeprefix("headline/"))
                said = "section V-C, rounded" if printed else "not printed"
                yield replace(row, paper=printed, unit="×", source=f"{said}; {row.source}")
                yield replace(row, id=f"{row.id}/data", unit="×", source=f"{quantity.source}; {row.source}")


def _at_many_tokens() -> Iterator[Row]:
    """The generative headlines, were `MANY_TOKENS` tokens generated as the text says."""

    def ratio(pair: tuple[str, str], rules: Rules) -> float:
        means = [
            _mean([paper.speedup("gen", model, each, rules, MANY_TOKENS) for model in paper.LLMS])
            for each in pair
        ]
        return means[0] / means[1]

    for name, pair in PAIRS.items():
        yield Row(
            f"headline/{name}/gen/{MANY_TOKENS}_tokens",
            ratio(pair, PUBLISHED),
            None,
            "×",
            f"not published; {MANY_TOKENS} tokens generated, as in section V-A",
            {"corrected": ratio(pair, CORRECTED)},
        )


def _checks(rows: Sequence[Row]) -> Iterator[Check]:
    def of(prefix: str, data: bool = True) -> Iterable[Row]:
        return (row for row in rows if row.id.startswith(prefix) and row.id.endswith("/data") == data)

    for quantity in (CYCLES, *ENERGIES, SPEEDUP, ENERGY_RATIO):
        yield check(f"{quantity.name}/", quantity.bound, of(f"{quantity.name}/", data=False))
    yield check("mean/speedup", SPEEDUP.bound, of("mean/speedup", data=False))
    yield check("mean/energy_ratio", FITTED, of("mean/energy_ratio", data=False))
    yield check("headline/", PRINTED_BOUND, of("headline/", data=False))
    yield check("headline/…/data", FITTED, of("headline/"))
    referenced = [replace(row, paper=row.beside["reference"]) for row in of("mse/", data=False)]
    if referenced:
        yield check("mse/", REFERENCE_BOUND, referenced)
