"""A PMU in the simulator: registers, packets in and out with pauses, tokens."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from axi_memory import reset, start_clock
from cocotb.triggers import FallingEdge, ReadOnly
from numpy.typing import NDArray
from sn40l_pmu_model import LANES, Access

PACKET, PLANES = 280, 2
PATIENCE = 40_000
READ_CONFLICTS, WRITE_CONFLICTS, STRAYS, POISONED = range(4)


@dataclass(frozen=True)
class Packet:
    """One packet; the data as 8 words."""

    flow: int
    seq: int
    words: tuple[int, ...]
    last: bool = False
    poison: bool = False

    def bits(self) -> int:
        data = sum(word << 32 * lane for lane, word in enumerate(self.words))
        return self.flow << 274 | self.seq << 258 | self.last << 257 | self.poison << 256 | data

    @classmethod
    def of(cls, bits: int) -> Packet:
        words = tuple(bits >> 32 * lane & 0xFFFFFFFF for lane in range(LANES))
        return cls(
            bits >> 274 & 63, bits >> 258 & 0xFFFF, words, bool(bits >> 257 & 1), bool(bits >> 256 & 1)
        )


class Pmu:
    """The design under test, and what went in and came out.

    Attributes:
        feed: packets to come, per plane.
        out: packets that came, per plane.
        tokens: how often each of the unit's tokens was pulsed.
        give: called with a packet that came and its plane; the tokens to give for it.
    """

    def __init__(self, dut: Any, seed: int = 0) -> None:
        self.dut = dut
        self.chance = random.Random(seed)
        self.pause, self.stall = 0.0, 0.0
        self.feed: list[deque[Packet]] = [deque(), deque()]
        self.give: Callable[[Packet, int], int] = lambda packet, plane: 0
        self.clear()

    def clear(self) -> None:
        """Forget what came."""
        self.out: list[list[Packet]] = [[], []]
        self.tokens = [0] * 8
        self._held = [False, False]
        self._owed = 0

    async def start(self) -> None:
        for name in (
            "start_i",
            "cfg_valid_i",
            "cfg_addr_i",
            "cfg_data_i",
            "token_i",
            "rx_valid_i",
            "rx_packet_i",
        ):
            getattr(self.dut, name).value = 0
        self.dut.tx_ready_i.value = 0
        start_clock(self.dut)
        await self.reset()

    async def reset(self) -> None:
        self.dut.rx_valid_i.value = 0
        self.dut.token_i.value = 0
        self._held = [False, False]
        for feed in self.feed:
            feed.clear()
        await reset(self.dut)

    async def write(self, words: Iterable[tuple[int, int]]) -> None:
        """Registers."""
        self.dut.cfg_valid_i.value = 1
        for address, data in words:
            self.dut.cfg_addr_i.value, self.dut.cfg_data_i.value = address, data
            await FallingEdge(self.dut.clk_i)
        self.dut.cfg_valid_i.value = 0

    async def bank_bits(self, bits: tuple[int, ...]) -> None:
        await self.write((128 + index, position) for index, position in enumerate(bits))

    async def begin(self) -> None:
        self.dut.start_i.value = 1
        await FallingEdge(self.dut.clk_i)
        self.dut.start_i.value = 0

    def stat(self, word: int) -> int:
        return int(self.dut.stat_o.value) >> 32 * word & 0xFFFFFFFF

    async def cycle(self, extra: int = 0) -> None:
        """One cycle: offer, take, note; ``extra`` tokens beside those that packets give."""
        dut = self.dut
        for plane in range(PLANES):
            some = bool(self.feed[plane])
            self._held[plane] = some and (self._held[plane] or self.chance.random() >= self.pause)
        dut.rx_valid_i.value = self._held[0] | self._held[1] << 1
        dut.rx_packet_i.value = sum(
            self.feed[plane][0].bits() << PACKET * plane for plane in range(PLANES) if self._held[plane]
        )
        ready = sum((self.chance.random() >= self.stall) << plane for plane in range(PLANES))
        dut.tx_ready_i.value = ready
        dut.token_i.value = self._owed | extra
        await ReadOnly()
        taken, offered = int(dut.rx_ready_o.value), int(dut.tx_valid_o.value) & ready
        tokens = int(dut.token_o.value)
        packets = int(dut.tx_packet_o.value) if offered else 0
        self._owed = 0
        for plane in range(PLANES):
            if self._held[plane] and taken >> plane & 1:
                self.feed[plane].popleft()
                self._held[plane] = False
            if offered >> plane & 1:
                packet = Packet.of(packets >> PACKET * plane & (1 << PACKET) - 1)
                self.out[plane].append(packet)
                self._owed |= self.give(packet, plane)
        for bit in range(8):
            self.tokens[bit] += tokens >> bit & 1
        await FallingEdge(dut.clk_i)

    async def finish(self) -> None:
        """Cycles until all is done."""
        for _ in range(PATIENCE):
            await self.cycle()
            if int(self.dut.done_o.value) and not any(self.feed) and not self._owed:
                return
        raise AssertionError(f"no end after {PATIENCE} cycles")

    async def fill(self, image: NDArray[np.uint32]) -> None:
        """Write a whole image, in order, through writer 0."""
        access = Access((len(image) // LANES,), (LANES,), 1)
        await self.write([*access.words(2, 0, 0), *_off(0, 1, 3)])
        await self.begin()
        self.feed[0].extend(
            Packet(0, at, tuple(map(int, row))) for at, row in enumerate(image.reshape(-1, LANES))
        )
        await self.finish()

    async def image(self, words: int) -> NDArray[np.uint32]:
        """Read all words in order, through reader 0; no poison."""
        access = Access((words // LANES,), (LANES,), 1)
        await self.write([*access.words(0, 0, 0), *_off(1, 2, 3)])
        self.out = [[], []]
        await self.begin()
        await self.finish()
        return np.array([packet.words for packet in self.out[0]], np.uint32).ravel()


def _off(*contexts: int) -> list[tuple[int, int]]:
    """Registers that take contexts out of use."""
    return [(32 * context, 0) for context in contexts]
