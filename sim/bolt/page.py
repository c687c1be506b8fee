"""A host bin as bytes: valid mask, compact slots, zeros; AES-128-GCM with the bin and its counter as nonce.

The tag binds a page to its bin, its write counter and the number of slots, so that a page moved, replayed or
changed does not open. Neither nonce nor counter is stored with the page: the reader knows them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...ir.errors import FaultError
from .config import KEY_BYTES, MASK_BYTES, BoltConfig

Slot = tuple[int, bytes]
"""A key and its value."""


def encode(config: BoltConfig, slots: Sequence[Slot]) -> bytes:
    """The plaintext of a page, `config.body_bytes` long."""
    mask = (1 << len(slots)) - 1
    parts = [mask.to_bytes(MASK_BYTES, "little")]
    parts += [key.to_bytes(KEY_BYTES, "little") + value for key, value in slots]
    return b"".join(parts).ljust(config.body_bytes, b"\0")


def decode(config: BoltConfig, body: bytes) -> list[Slot]:
    """The slots of a page's plaintext, in order."""
    mask = int.from_bytes(body[:MASK_BYTES], "little")
    size = config.slot_bytes
    places = (MASK_BYTES + at * size for at in range(config.slots) if mask >> at & 1)
    return [
        (int.from_bytes(body[at : at + KEY_BYTES], "little"), body[at + KEY_BYTES : at + size])
        for at in places
    ]


def nonce(bin_: int, counter: int) -> bytes:
    """12 bytes: the bin and its counter, big endian."""
    return struct.pack(">IQ", bin_, counter)


def associated(bin_: int, counter: int, slots: int) -> bytes:
    """What the tag covers beside the page: 16 bytes, big endian."""
    return struct.pack(">IQI", bin_, counter, slots)


class PageCipher:
    """Seals and opens pages.

    Args:
        config: sizes.
        key: 16 bytes.
    """

    def __init__(self, config: BoltConfig, key: bytes) -> None:
        self._config = config
        self._cipher = AESGCM(key)

    def seal(self, bin_: int, counter: int, slots: Sequence[Slot]) -> bytes:
        """A page as it lies in host memory, its tag last."""
        body = encode(self._config, slots)
        return self._cipher.encrypt(nonce(bin_, counter), body, associated(bin_, counter, self._config.slots))

    def open(self, bin_: int, counter: int, page: bytes) -> list[Slot]:
        """A page's slots.

        Raises:
            FaultError: the page is not the one last written there.
        """
        where = f"host bin {bin_}"
        if len(page) != self._config.page_bytes:
            raise FaultError(f"{len(page)} bytes came of a page of {self._config.page_bytes}", where=where)
        extra = associated(bin_, counter, self._config.slots)
        try:
            body = self._cipher.decrypt(nonce(bin_, counter), page, extra)
        except InvalidTag as error:
            raise FaultError("the page's tag does not match", where=where) from error
        return decode(self._config, body)
