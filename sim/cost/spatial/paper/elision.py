"""Reads that accumulating in the global buffer does not need, counted by the artifact where numbers overflow.

The first write of an element of a buffered result has nothing to add to, so no read goes with it. The
published energies are those of a statistic that finds these reads as (writes × elements held) ÷ elements held
in 64 bits: beyond 2⁶⁴ the product wraps, and reads that never happen are charged.
"""

from __future__ import annotations

WRAP = 2**64


def phantom_reads(writes: int, held: int) -> int:
    """Reads charged for a result of which every write is the first of its element.

    Args:
        writes: elements written in all.
        held: elements of it in the buffer at a time.
    """
    return writes - (writes * held) % WRAP // held
