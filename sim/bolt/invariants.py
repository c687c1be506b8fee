"""What must hold of the plain map between any two accesses; asserted by tests after every operation."""

from __future__ import annotations

from collections import Counter

from .config import STASH_ENTRIES
from .model import BoltMap
from .page import PageCipher
from .position_map import State


def check(map_: BoltMap, cipher: PageCipher, expected: dict[int, bytes] | None = None) -> None:
    """Assert the invariants, and that the map holds just what is expected.

    (i) one entry a live key; (ii) a bin's load is what its page, its pending list or its frames hold, at most
    Z; (iv) pages open under their counters; (v) frames in use are H + Q. That no live pair was ever visible
    (iii) is checked on traces.

    Args:
        map_: the map, not stopped.
        cipher: of its pages.
        expected: every live key and its value.
    """
    config, frames = map_.config, map_.frames
    held: dict[int, bytes] = {}
    loads: Counter[int] = Counter()
    used = 0
    for entry in map_.positions:
        assert entry.key not in held, f"key {entry.key} has two entries"
        if entry.state is State.STASH:
            slot = map_.stash[entry.frame]
            assert slot is not None, f"key {entry.key} is not in the stash"
            assert slot[0] == entry.key, f"key {entry.key}'s place of the stash holds {slot[0]}"
            held[entry.key] = slot[1]
            continue
        loads[entry.bin] += 1
        if entry.state is State.HOST:
            held[entry.key] = b""  # read below
            continue
        used += 1
        key, held[entry.key] = frames.held(entry.frame)
        assert key == entry.key, f"key {entry.key}'s frame holds {key}"
        assert config.is_host(entry.bin) == (entry.state is State.PENDING), f"key {entry.key}: {entry.state}"
    assert all(loads[bin_] == load <= config.slots for bin_, load in enumerate(map_.loads)), "loads are off"
    assert used == frames.used <= config.frames, f"{used} frames hold live keys, {frames.used} are taken"
    assert frames.queued == sum(map(len, frames.pending)), "the queue's length is off"
    for place in range(config.host_bins):
        bin_ = config.hbm_bins + place
        address = config.page_address(bin_)
        page = bytes(map_.memory.data[address : address + config.page_bytes])
        slots = cipher.open(bin_, map_.write_counters[place], page)
        assert len(slots) + len(frames.pending[place]) == map_.loads[bin_], f"bin {bin_} is not as loaded"
        for key, value in slots:
            entry = map_.positions.lookup(key)
            assert entry is not None, f"bin {bin_} holds key {key}, which has no entry"
            assert entry.state is State.HOST, f"key {key} is {entry.state} and in a page"
            assert entry.bin == bin_, f"key {key} lies in bin {bin_}, not {entry.bin}"
            held[key] = value
    stashed = sum(slot is not None for slot in map_.stash)
    assert stashed <= STASH_ENTRIES
    assert len(held) == sum(map_.loads) + stashed, "a live key is lost"
    assert expected is None or held == expected, "the map holds other than was put"
