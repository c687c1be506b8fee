"""The layer's six matrix products: Q, K, V, Z, and two of the feed-forward layer (section VI-A, figure 10).

The same on both chips but for the buffer: weights that fit it are read once; others stream once for each
block of tokens, whose inputs take half of the buffer.
"""

from __future__ import annotations

from .chip import Chip
from .energy import Counts
from .outcome import Figures, outcome
from .workload import WORD_BYTES, Workload


def linear(work: Workload, on: Chip) -> Figures:
    """Latency, traffic and energy of the linear layers, one after another."""
    width = work.h * work.e
    layers = ((work.d, width, 3), (width, work.d, 1), (work.d, work.s, 1), (work.s, work.d, 1))
    latency, counts, busy = 0.0, Counts(), 0.0
    for inputs, outputs, times in layers:
        for _ in range(times):
            seconds, done = _product(work.tokens, inputs, outputs, on)
            latency += seconds
            counts += done
            busy += done.macs / (on.rows * on.cols)
    return outcome(on, latency, counts, busy_1d=0.0, busy_2d={"linear": busy})


def _product(tokens: int, inputs: int, outputs: int, on: Chip) -> tuple[float, Counts]:
    macs = tokens * inputs * outputs
    weights = inputs * outputs * _weight_reads(tokens, inputs, outputs, on)
    traffic = WORD_BYTES * (tokens * (inputs + outputs) + weights)
    elements = on.rows * on.cols
    counts = Counts(
        macs=macs,
        row_reads=macs / elements * (on.rows + on.cols) / on.cols,  # a row of each operand every cycle
        row_writes=(tokens * inputs + weights) / on.cols,
        dram_bytes=traffic,
    )
    return max(on.seconds(macs / elements), on.dram_seconds(traffic)), counts


def _weight_reads(tokens: int, inputs: int, outputs: int, on: Chip) -> float:
    if WORD_BYTES * inputs * outputs < on.buffer_bytes:
        return 1
    block = on.buffer_bytes // 2 // (WORD_BYTES * inputs)
    return max(1, tokens / block)
