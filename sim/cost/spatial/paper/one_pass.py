"""The one-pass cascade (equations 39-56) in three bindings: +Cascade, +Architecture, +Binding (section VI-A).

A tile is M0 keys × P0 queries, one per processing element. On it the 2D array spends E cycles on BQK, 1 on
LM, 7 on SLN (exp is six multiply-accumulates, section V, after a subtraction), 1 on SLD and F on SLNV; the 1D
array 1 on RM, 7 on PRM, 1 on SPD, F on SPNV, 1 on RD, F on RNV, and F for each P0 queries on AV, shared by
their M1 tiles. The bindings differ in what of this overlaps (figure 4).
"""

from __future__ import annotations

from dataclasses import replace

from .chip import Chip, chip
from .elision import phantom_reads
from .energy import Counts
from .outcome import Figures, outcome
from .workload import WORD_BYTES, Workload

EXP_MACS = 6
EXP = EXP_MACS + 1
"""Cycles of e^(a - b) on multiply-accumulate units: a subtraction, then six of them (section V)."""


def queries_per_tile(work: Workload, on: Chip, *, per_query: int = 0) -> int:
    """P1: how many tiles of P0 queries the global buffer holds beside one tile of K and V (mapping 1).

    The largest divisor of P/P0 whose Q, RM, RD and RNV fit; at least 1.

    Args:
        work: the workload.
        on: the chip.
        per_query: words a query needs besides.
    """
    free = on.buffer_bytes - on.rows * (work.e + work.f) * WORD_BYTES
    fits = free // (on.cols * WORD_BYTES * (work.e + work.f + 2 + per_query))
    groups = max(1, work.p // on.cols)
    return max((n for n in range(1, min(fits, groups) + 1) if groups % n == 0), default=1)


def binding(work: Workload, on: Chip | None = None) -> Figures:
    """FuseMax: consecutive tiles interleaved, both arrays busy (figure 4)."""
    on = on or chip("fusemax-cloud")
    m1 = work.m / on.rows
    epoch = max(work.e + 1, 1 + work.f + work.f / m1) + 1 + (EXP + 1) + work.f
    return _fusemax(work, on, epoch)


def architecture(work: Workload, on: Chip | None = None) -> Figures:
    """+Architecture: each tile finished before the next, so that LM's drain through the rows stalls."""
    on = on or chip("fusemax-cloud")
    m1 = work.m / on.rows
    epoch = max(work.e + 1, 1 + work.f / m1) + on.rows + 1 + (EXP + 1) + 2 * work.f
    return _fusemax(work, on, epoch)


def cascade(work: Workload, on: Chip | None = None) -> Figures:
    """+Cascade: the one-pass cascade on FLAT's arrays, all but the two products on the 1D array.

    BQK and SLN of the resident queries stay in the buffer, 2·M0 words a query. The buffer of this
    configuration is FuseMax's, the energies are those of FLAT's chip.
    """
    on = on or chip("flat-cloud")
    m1 = work.m / on.rows
    room = chip("fusemax-cloud").buffer_bytes
    p1 = queries_per_tile(work, replace(on, buffer_bytes=room), per_query=2 * on.rows)
    tiles = on.tiles(work.b, work.h, work.m, work.p)
    line = 4 * on.rows + 5 + 2 * work.f + work.f / m1  # LM, SLN (2), SLD a row each; RM, PRM (2), SPD, RD
    counts = _counts(work, on, p1, in_elements=False)
    latency = max(
        on.seconds(tiles * max(work.e + work.f, line)),
        on.dram_seconds(counts.dram_bytes),
    )
    busy = {"QK": tiles * work.e, "SLNV": tiles * work.f}
    return outcome(on, latency, counts, busy_1d=tiles * line, busy_2d=busy, p1=p1)


def _fusemax(work: Workload, on: Chip, epoch: float) -> Figures:
    p1 = queries_per_tile(work, on)
    tiles = on.tiles(work.b, work.h, work.m, work.p)
    counts = _counts(work, on, p1, in_elements=True)
    latency = max(on.seconds(tiles * epoch), on.dram_seconds(counts.dram_bytes))
    cycles = {"QK": work.e, "LM": 1, "SLN": EXP, "SLD": 1, "SLNV": work.f}
    line = 1 + EXP + 1 + work.f + 1 + work.f + work.f * on.rows / work.m
    busy = {name: tiles * count for name, count in cycles.items()}
    return outcome(on, latency, counts, busy_1d=tiles * line, busy_2d=busy, p1=p1)


def dram_bytes(work: Workload, on: Chip, p1: int) -> float:
    """Q and AV once, K and V once for each P1·P0 queries (mapping 1)."""
    sweeps = work.p / (p1 * on.cols)
    queries = work.b * work.h * (work.e + work.f) * work.p
    keys = work.b * work.h * (work.e + work.f) * work.m
    return WORD_BYTES * (queries + sweeps * keys)


def _counts(work: Workload, on: Chip, p1: int, *, in_elements: bool) -> Counts:
    """Operations and accesses; `in_elements` where the 2D array does softmax's share too."""
    heads, m1 = work.b * work.h, work.m // on.rows
    points, summaries, queries = heads * work.m * work.p, heads * m1 * work.p, heads * work.p
    operations = Counts(
        macs=points * (work.e + work.f) + summaries * (1 + work.f),
        adds=points * 2 + summaries * (2 + work.f),
        maxima=points + summaries,
        divides=queries * work.f,
    )
    tiles = on.tiles(work.b, work.h, work.m, work.p)
    loads = tiles / p1 * (work.e + work.f) + tiles / m1 * work.e  # K and V for each P1, Q once
    rows = Counts(
        row_reads=tiles * (2 * work.e + 2 * work.f + 2) + tiles / m1 * (work.f + 1),
        row_writes=tiles * (work.f + 2) + loads,
        dram_bytes=dram_bytes(work, on, p1),
    )
    held = p1 * on.cols
    phantom = phantom_reads(summaries * work.f, held * work.f)
    if in_elements:
        exps = Counts(macs=EXP_MACS * (points + summaries), registers=summaries * (work.f + 1))
    else:  # BQK and SLN go through the buffer, a row for each key
        exps = Counts(row_reads=tiles * 2 * on.rows, row_writes=tiles * 2 * on.rows)
        phantom += 2 * phantom_reads(points, held * on.rows)
    return operations + rows + exps + Counts(row_reads=phantom / on.cols)
