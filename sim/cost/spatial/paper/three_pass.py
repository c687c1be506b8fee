"""The three-pass cascade (equations 33-38): Unfused, and FLAT with its authors' search results (VI-A).

Softmax runs on the 1D array, four cycles for each row of a tile: maximum, exponential (a pipelined unit of
its own), sum, division. Unfused does the two products and softmax one after another through DRAM; FLAT fuses
them row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .....ir.errors import InputError
from .chip import Chip, chip
from .elision import phantom_reads
from .energy import Counts
from .outcome import Figures, outcome
from .workload import SEQUENCES, WORD_BYTES, Workload

SOFTMAX_CYCLES = 4
LONG = 2**18
"""From this length on K and V of a head no longer fit the buffer."""


@dataclass(frozen=True)
class FlatMapping:
    """What FLAT's search chose for one embedding and length (artifact: ``flat_validation.csv``).

    Attributes:
        queries: resident at a time, the artifact's P1; all of them where a whole head is fused.
        resident: which of Q and V stays in the buffer, if any.
        on_chip: whether QK and A stay in the buffer.
        result_on_chip: whether AV does.
        spilled: share of the buffered data that does not fit and goes to DRAM.
    """

    queries: int
    resident: str = ""
    on_chip: bool = True
    result_on_chip: bool = False
    spilled: float = 0.0


_LONG = FlatMapping(1024, resident="Q", on_chip=False, result_on_chip=True)
FLAT_MAPPINGS: Mapping[int, Mapping[str, FlatMapping]] = MappingProxyType(
    {
        64: {
            "1k": FlatMapping(1024),
            "4k": FlatMapping(4096, spilled=1 / 129),
            "16k": FlatMapping(1024, spilled=1 / 129),
            "64k": FlatMapping(256, result_on_chip=True, spilled=1 / 129),
            "256k": _LONG,
            "1m": _LONG,
        },
        128: {
            "1k": FlatMapping(1024, resident="V"),
            "4k": FlatMapping(4096, resident="V", spilled=19 / 275),
            "16k": FlatMapping(1024, resident="Q", spilled=7 / 263),
            "64k": FlatMapping(256, resident="Q", result_on_chip=True, spilled=1 / 65),
            "256k": _LONG,
            "1m": _LONG,
        },
    }
)
"""By embedding E, then by length."""

UNFUSED_OPERANDS: Mapping[int, int] = MappingProxyType({64: 18, 128: 34})
"""E → how often a tensor of Q's size crosses DRAM in Unfused from `LONG` on, as the authors' mapper found."""

ONCE_EACH = 4
"""The same for shorter sequences: Q, K, V and AV."""


def flat_mapping(work: Workload) -> FlatMapping:
    """What FLAT's search chose.

    Raises:
        InputError: a workload the search was not run for.
    """
    names = {length: name for name, length in SEQUENCES.items()}
    searched = FLAT_MAPPINGS.get(work.e, {})
    if work.m != work.p or work.e != work.f or names.get(work.p) not in searched:
        raise InputError(
            f"FLAT's search has no result for E={work.e}, F={work.f}, M={work.m}, P={work.p}",
            accepted=f"E = F of {', '.join(map(str, FLAT_MAPPINGS))} and M = P of {', '.join(SEQUENCES)}",
        )
    return searched[names[work.p]]


def flat(work: Workload, on: Chip | None = None) -> Figures:
    """FLAT: products and softmax overlapped, bound by the slower array or by DRAM."""
    on = on or chip("flat-cloud")
    choice = flat_mapping(work)
    tiles = on.tiles(work.b, work.h, work.m, work.p)
    line = SOFTMAX_CYCLES * on.rows
    counts = (
        _operations(work) + _flat_rows(work, on, choice) + Counts(dram_bytes=_flat_bytes(work, on, choice))
    )
    latency = max(
        on.seconds(tiles * max(work.e + work.f, line)),
        on.dram_seconds(counts.dram_bytes),
    )
    busy = {"QK": tiles * work.e, "AV": tiles * work.f}
    return outcome(on, latency, counts, busy_1d=tiles * line, busy_2d=busy)


def unfused(work: Workload, on: Chip | None = None) -> Figures:
    """Unfused: QK, softmax and AV one after another, each bound by compute or by DRAM.

    Raises:
        InputError: a long sequence of an embedding the mapper was not run for.
    """
    on = on or chip("flat-cloud")
    operands = _unfused_operands(work) * work.operand_bytes
    scores = WORD_BYTES * work.b * work.h * work.m * work.p
    tiles = on.tiles(work.b, work.h, work.m, work.p)
    product = max(on.dram_seconds(scores + operands / 2), on.seconds(tiles * work.e))
    softmax = max(on.dram_seconds(2 * scores), on.seconds(tiles * SOFTMAX_CYCLES * on.rows))
    counts = (
        _operations(work)
        + _softmax_rows(work, on, on_chip=False)
        + _product_rows(work, on)
        + Counts(dram_bytes=4 * scores + operands)
    )
    busy = {"QK": tiles * work.e, "AV": tiles * work.f}
    return outcome(on, 2 * product + softmax, counts, busy_1d=tiles * SOFTMAX_CYCLES * on.rows, busy_2d=busy)


def _unfused_operands(work: Workload) -> int:
    if work.m < LONG:
        return ONCE_EACH
    if work.e not in UNFUSED_OPERANDS or work.e != work.f:
        raise InputError(
            f"no mapping of the products for E={work.e}, F={work.f}, M={work.m}",
            accepted=f"M below {LONG}, or E = F of {' or '.join(map(str, UNFUSED_OPERANDS))}",
        )
    return UNFUSED_OPERANDS[work.e]


def _operations(work: Workload) -> Counts:
    points = work.b * work.h * work.m * work.p
    return Counts(
        macs=points * (work.e + work.f), adds=points * 2, maxima=points, divides=points, exps=points
    )


def _flat_bytes(work: Workload, on: Chip, choice: FlatMapping) -> float:
    """DRAM bytes, in units of Q: operands streamed for every tile of the others, or kept but for spills."""
    sweeps = work.p / on.cols
    if not choice.on_chip:
        return work.operand_bytes * (4 * work.m / work.e + 2 * work.p / choice.queries + 2)
    times: dict[str, float] = dict.fromkeys(("Q", "K", "V"), sweeps)
    if choice.resident:
        times[choice.resident] = 1 + (sweeps - 1) * choice.spilled
    return work.operand_bytes * (sum(times.values()) + 1 + 7 * (work.m / work.e) * choice.spilled)


def _softmax_rows(work: Workload, on: Chip, *, on_chip: bool) -> Counts:
    """Rows of QK, SN and A, of maxima and denominators; QK written by the array, or filled from DRAM."""
    tiles, m1 = on.tiles(work.b, work.h, work.m, work.p), work.m / on.rows
    points = work.b * work.h * work.m * work.p
    written, read = (3, 4) if on_chip else (2, 3)
    results = 2 if on_chip else 1  # SN, and A where it stays
    return Counts(
        row_reads=tiles * read * on.rows + tiles / m1 * 2 + results * phantom_reads(points, work.m) / on.cols,
        row_writes=tiles * written * on.rows + tiles / m1 * 2,
    )


def _flat_rows(work: Workload, on: Chip, choice: FlatMapping) -> Counts:
    tiles, m1 = on.tiles(work.b, work.h, work.m, work.p), work.m / on.rows
    rows = _softmax_rows(work, on, on_chip=choice.on_chip)
    if choice.resident == "Q":
        rows += Counts(row_reads=tiles * work.e, row_writes=tiles / m1 * work.e)
    if choice.resident == "V":
        rows += Counts(row_reads=tiles * work.f, row_writes=tiles / m1 * work.f)
    if choice.on_chip:
        points = work.b * work.h * work.m * work.p
        rows += Counts(row_reads=phantom_reads(points, work.m * choice.queries) / on.cols)
        if choice.result_on_chip:
            rows += Counts(row_writes=tiles / m1 * work.f)
    else:  # V stays in the array, sums of AV go through the buffer
        rows += Counts(row_reads=(tiles - tiles / m1) * work.f, row_writes=tiles * work.f)
    return rows


def _product_rows(work: Workload, on: Chip) -> Counts:
    """Operands from DRAM and the sums of AV pass through the buffer; QK and A do not."""
    tiles, m1 = on.tiles(work.b, work.h, work.m, work.p), work.m / on.rows
    return Counts(
        row_reads=tiles * 2 * work.e + tiles * work.f + (tiles - tiles / m1) * work.f,
        row_writes=tiles / m1 * work.e * (_unfused_operands(work) - 1) + tiles * work.f,
    )
