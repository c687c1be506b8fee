"""The comparison with SN40L as tables, and what is to be said about its figures."""

from __future__ import annotations

from collections.abc import Sequence

from ..sim.cost.coe import Times
from .rows import Check, Row, Section
from .tables import deviations

NOTES = {
    "fitted": "fitted to; DGX figures are the paper's estimates from published latencies, not measured",
    "predicted": "predicted; the batches of eight alone allow anything from lowest to highest",
    "coe/switch_ratio/h100": "table V says 15, the text 16; the ratio of bandwidths is 15.6",
    "coe/footprint_nodes": "assumes the router and eight prompts of 4096 positions beside the experts in HBM",
    "coe/experts_in_hbm": "loose: below 50 all fit, the paper says; 512 GiB hold the weights of 40.8",
    "coe/experts_in_hbm/dgx": "loose: read off a curve",
    "coe/experts_in_ddr": "weights alone; 850 leaves 15.5 GB for each, 15 % more than its weights",
    "coe/experts_in_ddr/dgx": "if 2 TB of the host hold them all: an assumption in DGX's favour",
    "coe/copy_s/llama-3-8b": "at the bandwidth of DDR; over 1 TB/s is all the paper says of the way to HBM",
    "monarch/unfused": "predicted from the other two; the shapes of figure 3 are not in the text",
    "monarch/partial": "fitted to; the shapes of figure 3 are not in the text",
    "monarch/full": "fitted to; the shapes of figure 3 are not in the text",
}
"""Beside a row's id, or what kind of row it is."""

QUIRKS = (
    {
        "name": "times are not published",
        "effect": "milliseconds of router and runs are inferred; batches of eight alone do not tell them "
        "apart, so the router, of the experts' size, is taken to be as long as the shortest run",
    },
    {
        "name": "eight prompts, eight experts",
        "effect": "every prompt of a batch is taken to miss; uniform requests to 150 would name 7.8 "
        "different ones, and six fit table V as well, with other times",
    },
    {
        "name": "three figures for HBM, three for DDR",
        "effect": "1.8, 2 and 1.6 TB/s, 200, over 200 and 100 GB/s a socket; switching follows from 1 TB/s a "
        "node and comes out wrong from any of the others",
    },
    {
        "name": "7B or 8B",
        "effect": "the introduction says 8B once, everything else 7B; 7B is used",
    },
    {
        "name": "DGX is estimated",
        "effect": "the node is measured, DGX put together from published latencies and optimistic switching",
    },
)

MISSING = (
    "figures 1, 10, 11, 12 and 13: their values are plotted and not printed",
    "table V's overall speed-ups of single requests: predicted here, the printed ones were not at hand",
    "kernel launches, hardware- over software-orchestrated: no overhead is given in seconds",
    "tokens per second: those of 70B and 405B are above the roofline, for they decode speculatively",
)


def sections(rows: Sequence[Row], times: Times, checks: Sequence[Check]) -> tuple[Section, ...]:
    """Tables of all figures."""
    overall = [row for row in rows if row.id.startswith("coe/overall")]
    spilled = [row for row in rows if row.id.startswith("spill")]
    served = [row for row in rows if row.id.startswith(("coe/batch_s", "coe/prefetch_gain"))]
    others = [row for row in rows if row not in overall and row not in spilled and row not in served]
    groups = zip(spilled[::3], spilled[1::3], spilled[2::3], strict=True)
    fitted = [("router", times.router_s * 1e3), *((f"{n} tokens", s * 1e3) for n, s in times.run_s.items())]
    return (
        Section(
            "Table V: overall speed of the node over a DGX; lowest and highest that print the same",
            ("row", "ours", "paper", "off by", "lowest", "highest"),
            tuple((*_line(row), row.beside["lowest"], row.beside["highest"]) for row in overall),
        ),
        Section("Fitted times, ms: inferred, not published", ("", "ms"), tuple(fitted)),
        Section(
            "Footprints, switching, operational intensity, and a decoder layer as one kernel",
            ("row", "ours", "paper", "off by", "unit", "beware"),
            tuple((*_line(row), row.unit, row.note) for row in others),
        ),
        _latency(served),
        Section(
            "Orders to spill symbols in, on 500 random programs",
            ("policy", "optimal", "time added, × the optimum", "worst program"),
            tuple((row.id.split("/")[1], row.ours, total.ours, worst.ours) for row, total, worst in groups),
        ),
        deviations(checks),
    )


def _latency(served: Sequence[Row]) -> Section:
    """A line for each number of experts, and one for what fetching ahead gains."""
    cells: dict[str, dict[str, float | None]] = {}
    for row in served:
        kind, machine, *count = row.id.split("/")[1:]
        cells.setdefault(count[0] if count else kind, {})[machine] = row.ours
    machines = tuple(next(iter(cells.values())))
    lines = ((name, *(found[machine] for machine in machines)) for name, found in cells.items())
    title = "Seconds for eight prompts of 20 tokens by number of experts, uniform; gain of fetching ahead"
    return Section(title, ("experts", *machines), tuple(lines))


def _line(row: Row) -> tuple[object, ...]:
    off = "" if row.deviation is None else f"{row.deviation:+.1%}"
    return row.id, row.ours, row.paper, off
