"""Host memory as the accelerator sees it: bytes that anybody may change, and the trace of its use."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ...ir.bundle import write_error
from ...ir.errors import InputError

READ, WRITE = "R", "W"


class Event(NamedTuple):
    """A host transaction, as the adversary sees it but for its bytes.

    Attributes:
        index: number of the access that made it (the RTL's traces have the cycle here).
        direction: `READ` or `WRITE`.
        address, length: bytes.
    """

    index: int
    direction: str
    address: int
    length: int


@dataclass
class HostMemory:
    """Bytes from address 0, and the events of every transaction while ``trace`` is a list.

    A test plays the adversary by changing ``data`` between accesses, or by overriding `read` and `write`.

    Attributes:
        data: the image; a bytearray or a mapped file.
        trace: where transactions are noted; None for none.
    """

    data: bytearray | mmap.mmap
    trace: list[Event] | None = field(default=None)

    @classmethod
    def of(cls, size: int, file: Path | None = None) -> HostMemory:
        """Memory of a size, in a new file if one is named.

        Raises:
            InputError: the file cannot be written.
        """
        if file is None:
            return cls(bytearray(size))
        if size == 0:
            raise InputError(
                "a map without host bins has no image", where=str(file), accepted="alpha below 1"
            )
        try:
            with file.open("w+b") as opened:
                opened.truncate(size)
                return cls(mmap.mmap(opened.fileno(), size))
        except OSError as error:
            raise write_error(error, file) from error

    def read(self, index: int, address: int, length: int) -> bytes:
        """Bytes of the image."""
        if self.trace is not None:
            self.trace.append(Event(index, READ, address, length))
        return bytes(self.data[address : address + length])

    def write(self, index: int, address: int, data: bytes) -> None:
        """Change bytes of the image."""
        if self.trace is not None:
            self.trace.append(Event(index, WRITE, address, len(data)))
        self.data[address : address + len(data)] = data
