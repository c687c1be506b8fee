"""What a PMU does, in NumPy: addresses, banks, images, and the cycles its accesses wait.

Independent of the RTL's structure; registers as in ``sn40l_pkg.sv`` (SN40L, MICRO 2024, section IV-B).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LANES, DIMS = 8, 5
CONTROL, BASE, LANE_STRIDE, LOW, HIGH, UNITS, SEQ_STRIDE, CREDITS, SKEW = range(9)
EXTENT, STRIDE = 16, 24
MASK = (1 << 20) - 1


@dataclass(frozen=True)
class Access:
    """An address pattern, of vectors of 8 words.

    Attributes:
        extents, strides: of the nested counters, innermost first; those left out count to 1.
        dims: counters that make a unit.
        base, lane_stride: in words.
        low, high: only words with low <= address < high.
        units: of a run.
        seq_stride: words for each step of a packet's number.
        skew: shift of the diagonal striping; None: none.
    """

    extents: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dims: int = 0
    base: int = 0
    lane_stride: int = 1
    low: int = 0
    high: int = 1 << 15
    units: int = 1
    seq_stride: int = 0
    skew: int | None = None

    @property
    def of_unit(self) -> int:
        """Accesses of a unit."""
        return int(np.prod(self.extents[: self.dims], dtype=int))

    def addresses(self, seqs: Sequence[int] | None = None) -> NDArray[np.int64]:
        """Word addresses ``[access, lane]`` of a run; ``seqs``: numbers of the packets, in order."""
        grids = [
            np.arange(extent) * stride for extent, stride in zip(self.extents, self.strides, strict=True)
        ]
        turn = np.zeros(1, np.int64)
        for grid in grids:
            turn = (turn[None, :] + grid[:, None]).ravel()
        count = self.of_unit * self.units
        first = self.base + turn[np.arange(count) % len(turn)]
        if seqs is not None:
            first = first + np.asarray(seqs) * self.seq_stride
        return first[:, None] + np.arange(LANES) * self.lane_stride

    def inside(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which words the predicate lets through."""
        return (addresses >= self.low) & (addresses < self.high)

    def words(
        self, context: int, flow: int, plane: int, awaits: int = 0, room: int = 0
    ) -> Iterator[tuple[int, int]]:
        """Registers' addresses and contents; contexts 0, 1 read, 2, 3 write."""
        control = awaits << 11 | self.dims << 8 | flow << 2 | plane << 1 | 1
        skew = 0 if self.skew is None else 16 | self.skew
        plain = {
            CONTROL: control,
            BASE: self.base,
            LANE_STRIDE: self.lane_stride,
            LOW: self.low,
            HIGH: self.high,
            UNITS: self.units,
            SEQ_STRIDE: self.seq_stride,
            CREDITS: room,
            SKEW: skew,
        }
        for index in range(DIMS):
            plain[EXTENT + index] = (*self.extents, *[1] * DIMS)[index]
            plain[STRIDE + index] = (*self.strides, *[0] * DIMS)[index]
        for register, value in plain.items():
            yield 32 * context + register, value & (0xFFFFFF if register == CREDITS else MASK)


@dataclass(frozen=True)
class Banks:
    """How addresses are spread over banks.

    Attributes:
        count: of banks.
        depth: words of a bank.
        bits: position of each bit of the bank in the address.
        single_port: reads and writes share a bank's port.
    """

    count: int
    depth: int
    bits: tuple[int, ...]
    single_port: bool = False

    def place(
        self, addresses: NDArray[np.int64], skew: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bank and row of each address."""
        mapped = addresses % (self.count * self.depth)
        for bit, position in enumerate(self.bits):
            differs = (mapped >> bit ^ mapped >> position) & 1
            mapped = mapped ^ (differs << bit | differs << position) * (bit != position)
        bank, row = mapped % self.count, mapped // self.count
        return (bank if skew is None else (bank + (row >> skew)) % self.count), row

    def waits(self, reads: Sequence[Access], writes: Sequence[Access], turns: list[int]) -> tuple[int, int]:
        """Cycles that reads and writes wait for banks, all begun at once and never held up by anything else.

        ``turns`` is whose turn it is at each port: it is carried from run to run.
        """
        streams = [self._banks_asked(each) for each in (*reads, *writes)]
        kinds = [0] * len(reads) + [1] * len(writes)
        groups = [range(len(streams))] if self.single_port else [range(2), range(2, 4)]
        waited = [0, 0]
        for port, group in enumerate(groups):
            queues = {context: list(streams[context]) for context in group}
            pending = {context: queues[context].pop(0) if queues[context] else None for context in group}
            while any(each is not None for each in pending.values()):
                if any(pending.values()):
                    order = [group[(turns[port] + step) % len(group)] for step in range(len(group))]
                    taken: set[int] = set()
                    waiting = set()
                    for context in order:
                        left = []
                        for bank in pending[context] or []:
                            if bank in taken:
                                left.append(bank)
                            taken.add(bank)
                        if left:
                            waiting.add(context)
                            waited[kinds[context]] += 1
                        if pending[context] is not None:
                            pending[context] = left
                    if order[0] not in waiting:
                        turns[port] = (turns[port] + 1) % len(group)
                for context in group:
                    if pending[context] == []:
                        pending[context] = queues[context].pop(0) if queues[context] else None
        return waited[0], waited[1]

    def _banks_asked(self, access: Access) -> list[list[int]]:
        addresses = access.addresses()
        banks, _ = self.place(addresses, access.skew)
        inside = access.inside(addresses)
        return [list(map(int, bank[keep])) for bank, keep in zip(banks, inside, strict=True)]
