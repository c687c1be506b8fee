"""The streamed initialisation: the sealed input is read whole in each of a fixed number of passes.

Pairs and placements are drawn by a record's number alone. Each pass keeps the records whose bin lies in its
range of host bins and then writes that range, so that the trace depends on sizes only: no sort network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...ir.errors import FaultError, InputError
from .config import FRAME_SLACK, BoltConfig
from .memory import HostMemory
from .page import PageCipher, Slot

STARTING = -1
"""Index of the events before the first access."""


@dataclass(frozen=True)
class Records:
    """What a map begins with.

    Attributes:
        keys: ``[n]`` uint32, no two the same.
        values: ``[n, value_bytes]`` uint8.
    """

    keys: np.ndarray
    values: np.ndarray

    def check(self, config: BoltConfig) -> None:
        """Raise `InputError` where the records do not fit the map."""
        count, where = len(self.keys), "initial records"
        if self.keys.dtype != np.uint32 or self.keys.shape != (count,):
            raise InputError(
                f"keys are {self.keys.dtype}{list(self.keys.shape)}", where=where, accepted="uint32[n]"
            )
        if self.values.dtype != np.uint8 or self.values.shape != (count, config.value_bytes):
            raise InputError(
                f"values are {self.values.dtype}{list(self.values.shape)}",
                where=where,
                accepted=f"uint8[{count}, {config.value_bytes}]",
            )
        if count > config.capacity:
            raise InputError(f"{count} keys are too many", where=where, accepted=f"up to {config.capacity}")
        if len(np.unique(self.keys)) != count:
            raise InputError("a key occurs twice", where=where, accepted="distinct keys")


def input_address(config: BoltConfig) -> int:
    """Where the sealed records begin: behind the image."""
    return config.base + config.image_bytes


def input_pages(config: BoltConfig, initial: Records | None) -> int:
    """Pages the sealed records take."""
    return 0 if initial is None else -(-len(initial.keys) // config.slots)


def memory_bytes(config: BoltConfig, initial: Records | None) -> int:
    """Bytes of host memory, from address 0 on."""
    return input_address(config) + input_pages(config, initial) * config.page_bytes


def pass_frames(config: BoltConfig) -> int:
    """F', frames a pass may fill: those that no key of an HBM bin needs."""
    return config.frames - math.ceil(config.hbm_bound)


def ranges(config: BoltConfig) -> list[range]:
    """Host bins by pass: as many as fill F' but for what their load may exceed its mean."""
    room = pass_frames(config) - FRAME_SLACK // 2
    spread = 4 * math.sqrt(room)
    size = max(1, int((room - spread) / config.bin_keys))
    starts = range(config.hbm_bins, max(config.bins, config.hbm_bins + 1), size)  # one pass at least
    return [range(start, min(start + size, config.bins)) for start in starts]


def lay_records(initial: Records, config: BoltConfig, cipher: PageCipher, memory: HostMemory) -> None:
    """What the owner of the records does: seal them into host memory, a page of Z records at a time."""
    for page in range(input_pages(config, initial)):
        part = slice(page * config.slots, (page + 1) * config.slots)
        slots = [
            (key, value.tobytes())
            for key, value in zip(initial.keys[part].tolist(), initial.values[part], strict=True)
        ]
        address = input_address(config) + page * config.page_bytes
        memory.data[address : address + config.page_bytes] = cipher.seal(page, 1, slots)


def read_records(pages: int, config: BoltConfig, cipher: PageCipher, memory: HostMemory) -> Iterator[Slot]:
    """One pass over the sealed records.

    Raises:
        FaultError: a page of them does not open.
    """
    for page in range(pages):
        address = input_address(config) + page * config.page_bytes
        yield from cipher.open(page, 1, memory.read(STARTING, address, config.page_bytes))


def check_pass(kept: int, config: BoltConfig) -> None:
    """Raise `FaultError` when a pass keeps more than its frames hold."""
    if kept > pass_frames(config):
        raise FaultError(f"a pass keeps {kept} records, {pass_frames(config)} fit", where="initialisation")
