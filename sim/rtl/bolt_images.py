"""A filled oblivious map as BOLT's RTL boots it: words of HBM, sealed pages, and where each record is.

The layouts are those of ``bolt_pkg::entry_t`` and ``bolt_system``'s memories.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ...ir.errors import InputError
from ..bolt.model import BoltMap
from ..bolt.position_map import Entry, State

KEY_BITS, BIN_BITS, FRAME_BITS, STATE_BITS = 32, 24, 24, 3
ENTRY_BYTES = 16
STATES = {State.HBM: 1, State.PENDING: 2, State.HOST: 3, State.STASH: 4}
FRAMED = 1 << 31


@dataclass(frozen=True)
class BootImages:
    """What the card starts from.

    Attributes:
        buckets: the position map, a word of HBM a bucket.
        frames: values, a word a frame.
        records: 4 bytes a record: its bin, `FRAMED` if its value is in a frame; in the frames' order.
        pages: the host's.
    """

    buckets: bytes
    frames: bytes
    records: bytes
    pages: bytes


def boot_images(model: BoltMap) -> BootImages:
    """Images of a map that holds its initial records and has served nothing.

    Raises:
        InputError: it has served already, or a record overflowed to what is on the card.
    """
    config = model.config
    entries = list(model.positions)
    if model.counters.accesses or any(entry.state is State.PENDING for entry in entries):
        raise InputError("the map has served accesses", accepted="one with its initial records only")
    if model.positions.cam_used or any(entry.state is State.STASH for entry in entries):
        raise InputError("a record is in the overflow CAM or the stash", accepted="another seed")
    framed = sorted((entry for entry in entries if entry.state is State.HBM), key=lambda entry: entry.frame)
    rest = [entry for entry in entries if entry.state is State.HOST]
    records = [FRAMED | entry.bin for entry in framed] + [entry.bin for entry in rest]
    values = b"".join(model.frames.held(entry.frame)[1] for entry in framed)
    buckets = b"".join(b"".join(_entry(entry) for entry in bucket) for bucket in model.positions.rows())
    pages = bytes(model.memory.data)[config.base : config.base + config.image_bytes]
    return BootImages(buckets, values, struct.pack(f"<{len(records)}I", *records), pages)


def _entry(entry: Entry | None) -> bytes:
    """A way: key lowest, then y, x, frame, state, which."""
    if entry is None:
        return bytes(ENTRY_BYTES)
    word, at = 0, 0
    x, y = entry.pair
    for value, bits in (
        (entry.key, KEY_BITS),
        (y, BIN_BITS),
        (x, BIN_BITS),
        (max(entry.frame, 0), FRAME_BITS),
        (STATES[entry.state], STATE_BITS),
        (entry.which, 1),
    ):
        word |= value << at
        at += bits
    return word.to_bytes(ENTRY_BYTES, "little")
