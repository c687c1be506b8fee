"""A spatial accelerator as paper mode sees it: sizes and energies, all read from a target file."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from .....ir.errors import TargetError
from .....ir.targets import Target, Unit, load
from .workload import WORD_BYTES

ARRAY_2D, ARRAY_1D, BUFFER = "array-2d", "array-1d", "sram"
TYPE = "f16"


@dataclass(frozen=True)
class Chip:
    """What the closed forms need.

    Attributes:
        rows, cols: of the 2D array; M0 and P0 of the mapping (figure 5). The 1D array has `cols` lanes.
        clock_hz: of both arrays.
        bandwidth_bytes_per_s: of DRAM, reads and writes together.
        buffer_bytes: the global buffer.
        row_bytes: one row of it, what an access moves.
        mac_pj … exp_pj: of one operation; None where the chip has no such unit.
        dram_pj_per_byte: either way.
        row_read_pj, row_write_pj: of one row of the global buffer.
    """

    name: str
    rows: int
    cols: int
    clock_hz: float
    bandwidth_bytes_per_s: float
    buffer_bytes: int
    row_bytes: int
    mac_pj: float
    add_pj: float
    max_pj: float
    div_pj: float
    exp_pj: float
    dram_pj_per_byte: float
    row_read_pj: float
    row_write_pj: float
    target: Target = field(repr=False, compare=False)

    def seconds(self, cycles: float) -> float:
        """Time of a number of clock cycles."""
        return cycles / self.clock_hz

    def dram_seconds(self, count: float) -> float:
        """Time DRAM takes for a number of bytes."""
        return count / self.bandwidth_bytes_per_s

    def tiles(self, b: int, h: int, m: int, p: int) -> float:
        """Tiles of M0 keys × P0 queries in all heads."""
        return b * h * (m / self.rows) * (p / self.cols)


@functools.cache
def chip(name: str = "fusemax-cloud") -> Chip:
    """The chip a target file describes.

    Raises:
        TargetError: no such target, or one without both arrays, a global buffer and their figures.
    """
    target = load(name)
    flat, line = target.find_unit(ARRAY_2D), target.find_unit(ARRAY_1D)
    buffer, dram = target.find_tier(BUFFER), target.main
    rows, cols = flat.shape

    def known(value: float | None, what: str) -> float:
        if value is None:
            raise TargetError(f"{what} is unpublished", where=name, accepted="a target file with a figure")
        return value

    return Chip(
        name=target.name,
        rows=rows,
        cols=cols,
        clock_hz=flat.clock_hz,
        bandwidth_bytes_per_s=known(dram.bandwidth_read_bytes_per_s, "DRAM bandwidth"),
        buffer_bytes=int(known(buffer.capacity_bytes, "the buffer's capacity")),
        row_bytes=cols * WORD_BYTES,
        mac_pj=2 * _energy(flat, "mac"),
        add_pj=_energy(flat, "add"),
        max_pj=_energy(line, "max"),
        div_pj=_energy(line, "div"),
        exp_pj=_energy(line, "exp"),
        dram_pj_per_byte=known(dram.energy_read_pj_per_byte, "DRAM energy"),
        row_read_pj=known(buffer.energy_read_pj_per_byte, "the buffer's read energy") * cols * WORD_BYTES,
        row_write_pj=known(buffer.energy_write_pj_per_byte, "the buffer's write energy") * cols * WORD_BYTES,
        target=target,
    )


def _energy(unit: Unit, operator: str) -> float:
    energies = (unit.energy_pj_per_op or {}).get(operator, {})
    if TYPE not in energies:
        raise TargetError(f"no energy of {operator} in {TYPE}", where=f"unit {unit.name}")
    return energies[TYPE]
