"""Energy as the artifact adds it up: counted actions × their energies (section VI-A: Accelergy, 45 nm).

Leakage counts as zero there. Of the processing elements' registers the artifact counts those of one element
only, which is nothing; of the 1D array's shared staging registers it counts all (`quirks`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from .chip import Chip

REGISTER_PJ = 2.194455 + 1.906455
"""A read and a write of registers, charged as a file of 64 × 32 bits at any depth (artifact's table)."""


@dataclass(frozen=True)
class Counts:
    """Actions of a whole layer.

    Attributes:
        macs … exps: operations on both arrays.
        row_reads, row_writes: rows of the global buffer.
        registers: reads of the 1D array's registers, each with a write.
        dram_bytes: both ways.
    """

    macs: float = 0
    adds: float = 0
    maxima: float = 0
    divides: float = 0
    exps: float = 0
    row_reads: float = 0
    row_writes: float = 0
    registers: float = 0
    dram_bytes: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        )


def components_j(counts: Counts, on: Chip) -> dict[str, float]:
    """Joules by component."""
    picojoules = {
        "mac": counts.macs * on.mac_pj,
        "add": counts.adds * on.add_pj,
        "max": counts.maxima * on.max_pj,
        "divide": counts.divides * on.div_pj,
        "exp": counts.exps * on.exp_pj,
        "global buffer": counts.row_reads * on.row_read_pj + counts.row_writes * on.row_write_pj,
        "registers": counts.registers * REGISTER_PJ,
        "dram": counts.dram_bytes * on.dram_pj_per_byte,
    }
    return {name: energy * 1e-12 for name, energy in picojoules.items()}


def energy_j(counts: Counts, on: Chip) -> float:
    """Joules of all actions."""
    return sum(components_j(counts, on).values())
