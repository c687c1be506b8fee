"""Access energies of the 512 KB buffers by the width of their port (BitMoD, HPCA 2025, section V-A: CACTI).

The authors took them from CACTI and published none. These are solved from the 60 on-chip energies behind
figure 8: 12 unknowns, weighted least squares, residual at most 2e-4 of the buffers' part. Between the widths
solved for, the figures are interpolated; 576 bits (one of the 60) is such a width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from ....ir.errors import InputError

WORD_BITS = 64
"""What a write is charged by."""


@dataclass(frozen=True)
class Port:
    """A buffer's port.

    Attributes:
        read_pj: of one access of the whole port.
        write_pj: of writing one word of `WORD_BITS`.
    """

    read_pj: float
    write_pj: float


PORTS: Mapping[int, Port] = MappingProxyType(
    {
        192: Port(66.57, 14.81),
        256: Port(70.10, 12.93),
        288: Port(72.60, 12.02),
        384: Port(82.83, 10.67),
        512: Port(92.79, 10.42),
        1024: Port(138.44, 9.756),
    }
)
"""Width in bits → energies."""


def port(bits: int) -> Port:
    """A port of that many bits; beyond those known, reads grow by the bit as between the outermost two.

    Raises:
        InputError: no bits.
    """
    if bits < 1:
        raise InputError(f"a port of {bits} bits", accepted="one bit or more")
    if bits in PORTS:
        return PORTS[bits]
    widths = sorted(PORTS)
    low, high = next(((a, b) for a, b in pairwise(widths) if bits < b), (widths[-2], widths[-1]))
    share = (bits - low) / (high - low)
    held = min(1.0, max(0.0, share))  # the energy of a 64-bit write does not fall for ever
    return Port(
        PORTS[low].read_pj + share * (PORTS[high].read_pj - PORTS[low].read_pj),
        PORTS[low].write_pj + held * (PORTS[high].write_pj - PORTS[low].write_pj),
    )
