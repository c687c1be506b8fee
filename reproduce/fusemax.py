"""FuseMax (Nayak et al., MICRO 2024): figures 1b and 6 to 12 beside the authors' own numbers.

Published numbers are those of the authors' artifact, which the paper's plots were drawn from; the paper
prints only a few, rounded. Ours are the closed forms of `sim.cost.spatial.paper`, beside them the physical
model's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from ..sim.cost.spatial import paper
from .fusemax_physical import Physical, physical
from .fusemax_text import sections
from .published import read
from .rows import Reproduction, Row, check

ATTENTION, END_TO_END = "attn", "e2e"
CHIPS = {"flat-cloud": "flat", "fusemax-cloud": "fusemax"}
"""Target → name of its linear layers' published file."""


@dataclass(frozen=True)
class Published:
    """One line of an attention or linear-layer file, in SI units."""

    latency_s: float
    dram_bytes: float
    energy_j: float
    util_1d: float | None = None
    util_2d: float | None = None

    def plus(self, other: Published) -> Published:
        """One after the other."""
        return Published(
            self.latency_s + other.latency_s,
            self.dram_bytes + other.dram_bytes,
            self.energy_j + other.energy_j,
        )


@dataclass(frozen=True)
class Quantity:
    """A figure's axis: what it is called, its unit, where it was published, and the deviation allowed."""

    name: str
    unit: str
    source: str
    bound: float


EXACT, ENERGY, AREA, SCALED_AREA = 1e-6, 5e-3, 5e-3, 2e-2
ATTENTION_QUANTITIES = (
    Quantity("latency_s", "s", "{file}: latency", EXACT),
    Quantity("dram_bytes", "B", "{file}: traffic", EXACT),
    Quantity("util_1d", "1", "figure 6a; {file}: util_1d", EXACT),
    Quantity("util_2d", "1", "figure 6b; {file}: util_2d", EXACT),
    Quantity("energy_j", "J", "figure 9; {file}: energy", ENERGY),
)
LAYER_QUANTITIES = (
    Quantity("latency_s", "s", "{file}: latency", EXACT),
    Quantity("dram_bytes", "B", "{file}: traffic", EXACT),
    Quantity("energy_j", "J", "figure 11; {file}: energy", ENERGY),
)
LAYER_UTILISATION = (
    Quantity("util_1d", "1", "not published: busy cycles of attention over the whole layer's latency", EXACT),
    Quantity("util_2d", "1", "not published: busy cycles of attention and linear layers, likewise", EXACT),
)
SPEEDUPS = {
    ATTENTION: Quantity("speedup_vs_unfused", "×", "figure 8; from {file}", EXACT),
    END_TO_END: Quantity("speedup_vs_unfused", "×", "figure 10; from {file}", EXACT),
}
PRINTED = {
    "attn_speedup_vs_flat": 6.7,
    "attn_speedup_vs_unfused": 10,
    "attn_energy_vs_flat": 0.79,
    "attn_energy_vs_unfused": 0.77,
    "e2e_speedup_vs_flat": 5.3,
    "e2e_speedup_vs_unfused": 7.6,
    "e2e_energy_vs_flat": 0.83,
    "e2e_energy_vs_unfused": 0.82,
    "e2e_speedup_vs_flat_1m": 7.5,
    "e2e_speedup_vs_unfused_1m": 10,
}
"""Headlines as the paper prints them: arithmetic means over models and lengths, of FuseMax's ratios."""

CM2 = 1e-8
"""A square micrometre."""

MISSING = (
    "area 6.4 % below FLAT's (section VI-A): no published table has the two chips' buffers",
    "area of figure 12 to the last digit: its buffers are CACTI's, here a fit of two coefficients",
    "figure 1b is a plot without published numbers: ours stands alone",
    "utilisation over whole layers (e2e/util_1d, e2e/util_2d) is not published: ours stands alone",
)


def workloads() -> Iterator[tuple[str, str]]:
    """Models and sequence lengths, in the order of the figures."""
    return ((model, length) for model in paper.MODELS for length in paper.SEQUENCES)


Model = Callable[[str, str, str], Physical]
"""Model, sequence length, configuration → the figures another model of ours gives."""


def reproduce(beside: Model | None = physical) -> Reproduction:
    """Compute everything.

    Args:
        beside: what the column ``physical`` of attention's rows is; None leaves it empty.
    """
    rows = [*_attention(beside), *_end_to_end()]
    rows += _headlines(rows)
    rows += [*_figure_7(), *_figure_12(), *_figure_1b()]
    bounds = {
        **{f"{ATTENTION}/{q.name}": q.bound for q in (*ATTENTION_QUANTITIES, SPEEDUPS[ATTENTION])},
        **{f"{END_TO_END}/{q.name}": q.bound for q in (*LAYER_QUANTITIES, SPEEDUPS[END_TO_END])},
        "headline/attn_speedup": EXACT,
        "headline/attn_energy": ENERGY,
        "headline/e2e_speedup": EXACT,
        "headline/e2e_energy": ENERGY,
        "fig7": EXACT,
        "pareto/latency_s": EXACT,
        "pareto/dram_bytes": EXACT,
        "pareto/area_cm2": AREA,
        "pareto/area_scaled_cm2": SCALED_AREA,
    }
    compared = [row for row in rows if not row.id.endswith("/printed")]
    checks = tuple(
        check(name, bound, (row for row in compared if row.id.startswith(name)))
        for name, bound in bounds.items()
    )
    return Reproduction(
        paper="fusemax",
        rows=tuple(rows),
        how="computed",
        checks=checks,
        quirks=tuple(asdict(quirk) for quirk in paper.QUIRKS),
        missing=MISSING,
        sections=sections(rows, checks),
    )


def _published(name: str) -> dict[tuple[str, str], Published]:
    def number(line: Mapping[str, str], column: str) -> float | None:
        return float(line[column]) if column in line else None

    return {
        (line["model"].lower(), line["seq_len"].lower()): Published(
            float(line["latency"]),
            float(line["traffic"]),
            float(line["energy"]) * 1e-12,
            number(line, "util_1d"),
            number(line, "util_2d"),
        )
        for line in read("fusemax", name)
    }


def _attention(beside: Model | None) -> Iterator[Row]:
    ours = {
        (*point, name): paper.attention(paper.workload(*point), name)
        for point in workloads()
        for name in paper.CONFIGURATIONS
    }
    theirs = {
        (*point, name): line
        for name in paper.CONFIGURATIONS
        for point, line in _published(f"attn-{name}").items()
    }
    modelled = {key: beside(*key) if beside else None for key in ours}
    yield from _quantities(
        ATTENTION,
        ATTENTION_QUANTITIES,
        ours,
        theirs,
        source=lambda name: f"attn-{name}.csv",
        modelled=modelled,
    )


def _end_to_end() -> Iterator[Row]:
    layers = {target: _published(f"end2end-{name}") for target, name in CHIPS.items()}
    ours, theirs = {}, {}
    for name, (_, target) in paper.CONFIGURATIONS.items():
        for point, line in _published(f"attn-{name}").items():
            ours[(*point, name)] = paper.end_to_end(paper.workload(*point), name)
            theirs[(*point, name)] = line.plus(layers[target][point])

    def source(name: str) -> str:
        chip = CHIPS[paper.CONFIGURATIONS[name][1]]
        return f"attn-{name}.csv + end2end-{chip}.csv (the linear layers of the same chip)"

    yield from _quantities(END_TO_END, (*LAYER_QUANTITIES, *LAYER_UTILISATION), ours, theirs, source=source)


def _quantities(
    kind: str,
    quantities: Sequence[Quantity],
    ours: Mapping[tuple[str, str, str], paper.Figures],
    theirs: Mapping[tuple[str, str, str], Published],
    *,
    source: Callable[[str], str],
    modelled: Mapping[tuple[str, str, str], Physical | None] | None = None,
) -> Iterator[Row]:
    """Rows of every quantity, and the speed over Unfused."""
    for quantity in quantities:
        for key, found in ours.items():
            yield Row(
                "/".join((kind, quantity.name, *key)),
                getattr(found, quantity.name),
                getattr(theirs[key], quantity.name),
                quantity.unit,
                quantity.source.format(file=source(key[2])),
                {} if modelled is None else {"physical": getattr(modelled[key], quantity.name, None)},
            )
    speedup = SPEEDUPS[kind]
    for (model, length, name), found in ours.items():
        key, base = (model, length, name), (model, length, "unfused")
        yield Row(
            "/".join((kind, speedup.name, *key)),
            ours[base].latency_s / found.latency_s,
            theirs[base].latency_s / theirs[key].latency_s,
            speedup.unit,
            speedup.source.format(file=f"{source('unfused')} / {source(name)}: latency"),
            {} if modelled is None else {"physical": _ratio(modelled[key], modelled[base])},
        )


def _ratio(found: Physical | None, base: Physical | None) -> float | None:
    return found.speedup_over(base) if found and base else None


def _headlines(rows: Sequence[Row]) -> Iterator[Row]:
    """Means of FuseMax's ratios over the 24 points; `printed` beside what the paper's text says."""
    by_id = {row.id: row for row in rows}
    for name, printed in PRINTED.items():
        kind, quantity, _, base, *at = name.split("_")
        column = "latency_s" if quantity == "speedup" else "energy_j"
        points = [point for point in workloads() if not at or point[1] == at[0]]
        ratios: dict[str, list[float]] = {"ours": [], "paper": []}
        for point in points:
            ends = [by_id["/".join((kind, column, *point, config))] for config in (base, "binding")]
            for whose, values in ratios.items():
                other, fused = (getattr(end, whose) for end in ends)
                values.append(other / fused if quantity == "speedup" else fused / other)
        unit = "×" if quantity == "speedup" else "1"
        means = {whose: math.fsum(values) / len(values) for whose, values in ratios.items()}
        geometric = {whose: math.exp(math.fsum(map(math.log, v)) / len(v)) for whose, v in ratios.items()}
        said = f"of {len(points)} ratios of the {kind} CSV files"
        yield Row(f"headline/{name}", means["ours"], means["paper"], unit, f"arithmetic mean {said}")
        yield Row(
            f"headline/{name}_geomean",
            geometric["ours"],
            geometric["paper"],
            unit,
            f"geometric mean {said}; the paper gives none",
        )
        yield Row(
            f"headline/{name}/printed", means["ours"], printed, unit, "abstract and section VI, rounded"
        )


def _figure_7() -> Iterator[Row]:
    for line in read("fusemax", "fig7"):
        name, length = line["config"], line["seq_len"].lower()
        shares = paper.attention(paper.workload("bert", length), name).einsum_util_2d
        found = {("SLNV" if einsum == "AV" else einsum): share for einsum, share in shares.items()}
        for einsum in paper.EINSUMS_2D:
            if line[einsum]:
                yield Row(
                    f"fig7/{einsum.lower()}/bert/{length}/{name}",
                    found[einsum],
                    float(line[einsum]),
                    "1",
                    f"figure 7; attn-{name}.csv: {'AV' if name == 'flat' and einsum == 'SLNV' else einsum}",
                )


def _figure_12() -> Iterator[Row]:
    """Latency, traffic and area; the area also with the registers there are, from an earlier file."""
    scaled = {
        (line["model"], line["PE_dim"]): float(line["area"]) for line in read("fusemax", "pareto-scaled")
    }
    for line in read("fusemax", "pareto"):
        model, side = line["model"].lower(), line["PE_dim"]
        found = paper.design(paper.workload(model, "256k"), int(side))
        where = "figure 12; pareto.csv: {column}"
        for name, ours, theirs, unit, source in (
            ("latency_s", found.latency_s, float(line["latency"]), "s", where.format(column="latency")),
            ("dram_bytes", found.dram_bytes, float(line["traffic"]), "B", where.format(column="traffic")),
            (
                "area_cm2",
                found.area.charged * CM2,
                float(line["area"]) * CM2,
                "cm²",
                where.format(column="area"),
            ),
            (
                "area_scaled_cm2",
                found.area.scaled * CM2,
                scaled[line["model"], side] * CM2,
                "cm²",
                "pareto-scaled.csv: area",
            ),
        ):
            yield Row(f"pareto/{name}/{model}/{side}", ours, theirs, unit, source)


def _figure_1b() -> Iterator[Row]:
    for length in paper.SEQUENCES:
        share = paper.linear_share(paper.workload("bert", length))
        yield Row(f"fig1b/linear_share/bert/{length}", share, None, "1", "figure 1b (a plot; no numbers)")
