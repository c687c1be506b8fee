"""The comparison with BOLT as tables, and what is to be said about its figures."""

from __future__ import annotations

from collections.abc import Sequence

from .bolt_bounds import Run
from .rows import Check, Row, Section
from .tables import deviations

SOURCES = {
    "bounds": "artifact exp_validation/result, 10^9 accesses",
    "overflow": "not published",
    "tail_log2": "not published",
    "bandwidth": "not published",
    "peer": "not published",
    "latency_us": "artifact terminal_output.txt, N = 10^6, 8 B",
    "fit": "least squares of the artifact's four latencies",
    "streamed_us": "not published",
    "hbm_bytes": "artifact mem_alocation/mem.cpp: N·4·12 bytes of hash table",
    "rtl_us": "artifact terminal_output.txt, N = 10^6, 8 B, a fifth in HBM: not to be reproduced but passed",
}
"""First part of an id → where its figure is from."""

NOTES = {
    "overflow": "greedy two-choice under hostile sequences has no proof when keys far outnumber bins",
    "tail_log2": "mean field: uniformly random accesses, many bins",
    "bandwidth": "16 slots a page, where 14 are the fewest that are safe and the prototype has 8",
    "peer": "Path ORAM is not recursive here: 4 slots a bucket, its positions for free",
    "latency_us": "a line fitted to these very figures: that they fit is all it says",
    "fit": "the model's constants, rounded to two places",
    "hbm_bytes": "2^20 keys of 8 bytes",
    "streamed_us": "the link's bandwidth alone",
    "rtl_us": "Verilator's cycles at 250 MHz, which no synthesis confirms; 4096 keys; host 300 cycles away",
}
"""First part of an id → what speaks against leaning on it."""

QUIRKS = (
    {
        "name": "which two bins",
        "effect": "the artifact's position entry is one bin, its simulator flushes two random ones. Showing "
        "a key's bin and a fresh one leaks (variant A, a negative control of tests); both candidates do not",
    },
    {
        "name": "the fullest bin",
        "effect": "the artifact's table has the fullest bin of a scan at the end, as our rows have. The "
        "fullest ever stands beside: at c = 8 it is 13, which mean field expects some six times in 10^9 "
        "accesses; the artifact's running maximum stays at 12",
    },
    {
        "name": "a bound without slack",
        "effect": "at a mean load of 16 the fullest bin reaches 21, the artifact's bound rounded down",
    },
    {
        "name": "no ciphers in the artifact",
        "effect": "its host writes pages, positions and values in plaintext; nothing shows that the times "
        "published include encryption",
    },
    {
        "name": "an effective load below 4",
        "effect": "one binary of 2^21 pages serves 10^5 to 10^7 keys: published latencies are not of c = 8",
    },
    {
        "name": "279 and 480 times",
        "effect": "the abstract's factors name no peer; the nearest in the logs are H2O2RAM's start at 64 B "
        "(284) and EnigMap's query at 2^18 keys (480)",
    },
)

MISSING = (
    "the paper's body: threat model, proofs, figures and tables were not available",
    "latencies at other sizes: the artifact has N = 5·10^6 and 64 B at one share only",
    "clock, utilisation and energy of the card: published nowhere that was found",
    "the initialisation's seconds: the artifact packs plaintext on the CPU; benchmarks/omap.py has ours",
)


def sections(rows: Sequence[Row], runs: Sequence[Run], checks: Sequence[Check]) -> tuple[Section, ...]:
    """The tables for people."""
    by_id = {row.id: row for row in rows}
    bounds = []
    for run in runs:
        found = run.found
        paper = by_id.get(f"bounds/{run.bin_keys}/{run.alpha:g}/max_q")
        shown = run.pattern == "uniform" and paper is not None and paper.ours == found.max_q
        bounds.append(
            (
                run.bin_keys,
                run.alpha,
                run.keys,
                run.pattern,
                f"{found.accesses:.0e}",
                found.final_load,
                found.max_load,
                found.max_h,
                found.max_q,
                paper.paper if shown and paper is not None and paper.paper is not None else "",
                found.stashed,
            )
        )
    figures = [
        (row.id, f"{row.ours:.6g}", "" if row.paper is None else f"{row.paper:.6g}", row.unit)
        for row in rows
        if row.ours is not None and not row.id.startswith(("bounds", "overflow"))
    ]
    titles = ("c", "alpha", "keys", "pattern", "accesses", "load", "ever", "H", "Q", "published Q", "stashed")
    return (
        Section("The most that was held", titles, tuple(bounds)),
        Section("Traffic, latency and tails", ("id", "ours", "published", "unit"), tuple(figures)),
        deviations(checks),
    )
