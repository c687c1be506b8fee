"""Vectors for BOLT's storage units: cycles with what is given and what must be seen, and files of them.

All units stand side by side in one harness; a run is one file: per cycle the input word, the wanted word, the
mask of what counts.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

SLOTS, WAYS, DEADLINE = 16, 4, 32
BUCKETS, CAM, BINS, HOST_BINS, FRAMES, PLACES, VALUE_BYTES = 4, 4, 8, 5, 41, 4, 8
VALUE_BITS, PAGE_BITS, ENTRY_BITS = 8 * VALUE_BYTES, 1920, 32 + 8 * VALUE_BYTES

Fields = dict[str, int]
INPUTS: Fields = {
    **{"reset": 1, "clear": 1, "seed": 32, "slow": 32},
    **{"pm_lookup": 1, "pm_key": 32, "pm_bucket0": 24, "pm_bucket1": 24},
    **{"pm_update": 1, "pm_keep": 1, "pm_entry": 108},
    **{"port_req": 1, "port_we": 1, "port_addr": 6, "port_wdata": 32},
    **{"load_valid": 1, "load_dec": 1, "load_dec_bin": 3, "load_inc": 1, "load_x": 3, "load_y": 3},
    **{"frame_alloc": 1, "frame_en": 1, "frame_release": 1, "frame_release_en": 1, "frame_back": 24},
    **{"pend_walk": 1, "pend_walk_en": 1, "pend_walk_bin": 24, "pend_append": 1, "pend_append_en": 1},
    **{"pend_append_bin": 24, "pend_append_key": 32, "pend_append_frame": 24},
    **{"stash_alloc": 1, "stash_en": 1, "stash_release": 1, "stash_back": 24, "stash_we": 1},
    **{"stash_waddr": 24, "stash_wdata": VALUE_BITS, "stash_raddr": 24},
    **{"merge_start": 1, "merge_key": 32, "merge_en": 1, "merge_page": PAGE_BITS},
    **{"merge_pending": 57 * SLOTS, "merge_values": VALUE_BITS * SLOTS},
}
OUTPUTS: Fields = {
    **{"pm_init": 1, "pm_found": 1, "pm_hit": 1, "pm_found_entry": 108, "pm_updated": 1, "pm_full": 1},
    **{"pm_late": 1, "pm_valid": 1, "pm_we": 1, "pm_addr": 24, "pm_rvalid": 1},
    **{"port_valid": 1, "port_rdata": 32, "port_late": 1, "hbm_rvalid": 1},
    **{"load_init": 1, "load_done": 1, "load_which": 1, "load_full": 1, "load_error": 1},
    **{"frame_init": 1, "frame_valid": 1, "frame": 24, "frame_count": 24, "frame_empty": 1, "frame_error": 1},
    **{"pend_init": 1, "pend_ready": 1, "pend_step_valid": 1, "pend_step": 57, "pend_counter": 64},
    **{"pend_error": 1},
    **{"stash_place": 24, "stash_full": 1, "stash_count": 3, "stash_rdata": VALUE_BITS},
    **{"merge_done": 1, "merged_page": PAGE_BITS, "merge_hit": 1, "merge_value": VALUE_BITS, "merge_over": 1},
}
WIPED = b"i_merge i_stash "
"""Units whose registers are all zero after a clear."""
HELD = ("seed", "slow")
IN_BYTES, OUT_BYTES = 4 * 141, 4 * 77


@dataclass
class Tick:
    """A cycle: input fields, and the output fields that count with what they must be."""

    given: dict[str, int] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)


class Track:
    """Ticks of one unit by cycle, written in any order."""

    def __init__(self, idle: dict[str, int]) -> None:
        self.ticks: list[Tick] = []
        self.now = 0
        self._idle = idle

    def at(self, delay: int = 0) -> Tick:
        """The tick so many cycles from now; quiet until something else is said."""
        while len(self.ticks) <= self.now + delay:
            self.ticks.append(Tick({}, dict(self._idle)))
        return self.ticks[self.now + delay]

    def wait(self, cycles: int) -> None:
        """Go on."""
        self.now += cycles
        self.at()


def quiet(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 0)


def sweep(track: Track, done: str, cycles: int, *busy: str) -> None:
    """The cycles in which a table empties itself."""
    for _ in range(cycles):
        track.at().wanted |= {done: 0}
        track.wait(1)
    track.at().wanted |= {done: 1}
    track.wait(2)
    for tick in track.ticks:  # requests of the sweep are not looked at
        for name in busy:
            tick.wanted.pop(name, None)


def pack(values: dict[str, int], fields: Fields) -> int:
    """Fields side by side, the first lowest; absent ones are 0."""
    bits, at = 0, 0
    for name, width in fields.items():
        bits |= (int(values.get(name, 0)) & ((1 << width) - 1)) << at
        at += width
    return bits


def together(tracks: Iterable[Track]) -> list[Tick]:
    """Tracks side by side; what has ended stays as it is, unwatched."""
    ticks = []
    for row in zip_longest(*(track.ticks for track in tracks), fillvalue=Tick()):
        ticks.append(Tick({}, {}))
        for tick in row:
            ticks[-1].given |= tick.given
            ticks[-1].wanted |= tick.wanted
    return ticks


def write(ticks: Iterable[Tick], path: Path, seed: int = 1, slow: int = 0) -> Path:
    """A run as vectors_main.cpp reads it; numbers and words that are not given are noise."""
    chance = random.Random(seed)
    data = {name: width for name, width in INPUTS.items() if name not in HELD and width > 1}
    with path.open("wb") as file:
        file.write(struct.pack("<I60s", list(INPUTS).index("clear"), WIPED))
        for tick in ticks:
            noise = {name: chance.getrandbits(width) for name, width in data.items()}
            given = {**noise, "seed": seed, "slow": slow, **tick.given}
            mask = dict.fromkeys(tick.wanted, -1)
            file.write(pack(given, INPUTS).to_bytes(IN_BYTES, "little"))
            file.write(pack(tick.wanted, OUTPUTS).to_bytes(OUT_BYTES, "little"))
            file.write(pack(mask, OUTPUTS).to_bytes(OUT_BYTES, "little"))
    return path
