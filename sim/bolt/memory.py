"""Host memory as the accelerator sees it: bytes that anybody may change, and the trace of its use."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...ir.errors import InputError
from ...ir.files import refusal

READ, WRITE = 0, 1
EVENT = np.dtype([("index", "i8"), ("address", "u8"), ("length", "u4"), ("direction", "u1")], align=True)
"""A host transaction as the adversary sees it but for its bytes. ``index`` is the number of the access that
made it, or -1 before the first; the RTL's traces have the cycle there. ``direction`` is `READ` or `WRITE`."""


@dataclass
class Trace:
    """Events in order."""

    _events: list[tuple[int, int, int, int]] = field(default_factory=list)
    _before: list[np.ndarray] = field(default_factory=list)

    def add(self, index: int, direction: int, address: int, length: int) -> None:
        """One more event."""
        self._events.append((index, address, length, direction))

    def extend(self, events: np.ndarray) -> None:
        """More events, `EVENT` each."""
        self._before += [np.array(self._events, EVENT), events]
        self._events = []

    def array(self) -> np.ndarray:
        """All events: ``[n]`` of `EVENT`."""
        return np.concatenate([*self._before, np.array(self._events, EVENT)])


@dataclass
class HostMemory:
    """Bytes from address 0, and the events of every transaction while ``trace`` is one.

    A test plays the adversary by changing ``data`` between accesses, or by overriding `read` and `write`
    (which the plain model calls; the native engine goes to ``data`` itself).

    Attributes:
        data: the image; a bytearray or a mapped file.
        trace: where transactions are noted; None for nowhere.
    """

    data: bytearray | mmap.mmap
    trace: Trace | None = None

    @classmethod
    def of(cls, size: int, file: Path | None = None, trace: Trace | None = None) -> HostMemory:
        """Memory of a size, in a new file if one is named.

        Raises:
            InputError: the file cannot be written.
        """
        if file is None:
            return cls(bytearray(size), trace)
        if size == 0:
            raise InputError("a map without host bins has no image", where=str(file), accepted="alpha < 1")
        try:
            with file.open("w+b") as opened:
                opened.truncate(size)
                return cls(mmap.mmap(opened.fileno(), size), trace)
        except OSError as error:
            raise refusal(error, file) from error

    def read(self, index: int, address: int, length: int) -> bytes:
        """Bytes of the image."""
        if self.trace is not None:
            self.trace.add(index, READ, address, length)
        return bytes(self.data[address : address + length])

    def write(self, index: int, address: int, data: bytes) -> None:
        """Change bytes of the image."""
        if self.trace is not None:
            self.trace.add(index, WRITE, address, len(data))
        self.data[address : address + len(data)] = data
