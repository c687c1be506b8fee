"""Models of BOLT's storage units: random and hard requests, and what must come in which cycle.

They know contents as Python does, lists and queues, and of time only the constants that each unit promises.
"""

from __future__ import annotations

import random
from collections import deque

from bolt_ticks import (
    BINS,
    BUCKETS,
    CAM,
    DEADLINE,
    ENTRY_BITS,
    FRAMES,
    HOST_BINS,
    PAGE_BITS,
    PLACES,
    SLOTS,
    VALUE_BITS,
    WAYS,
    Tick,
    Track,
    pack,
    quiet,
    sweep,
    together,
)

ENTRY = {"key": 32, "y": 24, "x": 24, "frame": 24, "state": 3, "which": 1}
"""Fields of an entry, lowest first."""


def entry_bits(**fields: int) -> int:
    """An entry as its wires hold it."""
    return pack(fields, ENTRY)


def position_map(chance: random.Random, accesses: int, keys: int = 40) -> Track:
    """Random accesses to few keys: hits, misses, full buckets, a full CAM."""
    track = Track(quiet("pm_found", "pm_updated", "pm_full", "pm_late", "pm_valid"))
    sweep(track, "pm_init", BUCKETS, "pm_valid")
    buckets: list[list[int]] = [[0] * WAYS for _ in range(BUCKETS)]
    cam = [0] * CAM
    names = [chance.getrandbits(32) for _ in range(keys)]
    homes = {key: chance.sample(range(BUCKETS), 2) for key in names}
    shown = 0
    for number in range(accesses):
        key = names[0] if number % 7 == 3 else chance.choice(names)
        above = chance.getrandbits(22) << 2  # of the bucket's number; HBM here has no more of them
        first, second = (above | low for low in homes[key])
        track.at().given |= {"pm_lookup": 1, "pm_key": key, "pm_bucket0": first, "pm_bucket1": second}
        for ahead, bucket in ((2, first), (3, second)):
            track.at(ahead).wanted |= {"pm_valid": 1, "pm_we": 0, "pm_addr": bucket}
        for ahead in range(DEADLINE + 4):
            track.at(ahead).wanted |= {"pm_found_entry": shown}
        track.wait(DEADLINE + 4)
        holders = (buckets[first % BUCKETS], buckets[second % BUCKETS], cam)
        place = next(
            (
                (holder, way)
                for holder in holders
                for way, entry in enumerate(holder)
                if entry and entry & 0xFFFFFFFF == key
            ),
            None,
        )
        shown = place[0][place[1]] if place else 0
        found = {"pm_hit": int(place is not None), "pm_found_entry": shown}
        track.at().wanted |= {"pm_found": 1, **found}
        for _ in range(chance.choice((0, 0, 1, 5))):
            track.wait(1)
            track.at().wanted |= found
        keep = int(chance.random() < (0.95 if number < accesses // 2 else 0.5))
        new = entry_bits(
            key=chance.getrandbits(32), x=chance.getrandbits(24), y=chance.getrandbits(24),
            frame=chance.getrandbits(24), state=chance.randint(1, 4), which=chance.getrandbits(1),
        )  # fmt: skip
        track.at().given |= {"pm_update": 1, "pm_keep": keep, "pm_entry": new}
        stored = new >> 32 << 32 | key if keep else 0
        written, full = first, 0
        if place:
            place[0][place[1]] = stored
            written = second if place[0] is holders[1] else first
        elif any(0 in holder for holder in holders[:2]):
            holder = min(holders[:2], key=lambda each: WAYS - each.count(0))
            written = second if holder is holders[1] else first
            if keep:
                holder[holder.index(0)] = stored
        elif keep and 0 in cam:
            cam[cam.index(0)] = stored
        else:
            full = keep
        track.at().wanted |= {"pm_full": full}
        track.wait(1)
        track.at().wanted |= {"pm_updated": 1}
        track.at(1).wanted |= {"pm_valid": 1, "pm_we": 1, "pm_addr": written}
        track.wait(chance.choice((0, 0, 1, 9)))
    return track


def port(chance: random.Random, cycles: int) -> Track:
    """Reads and writes at random, as many at once as it holds; every answer in its cycle."""
    track = Track(quiet("port_valid", "port_late"))
    memory: dict[int, int] = {}
    under_way: deque[int] = deque()
    while track.now < cycles:
        burst = chance.choice((1, 3, 12))
        for _ in range(burst):
            while under_way and under_way[0] < track.now:
                under_way.popleft()
            address = chance.randrange(64)
            data = chance.getrandbits(32)
            if address not in memory or chance.random() < 0.3:
                track.at().given |= {"port_req": 1, "port_we": 1, "port_addr": address, "port_wdata": data}
                memory[address] = data
            elif len(under_way) < 14:
                track.at().given |= {"port_req": 1, "port_we": 0, "port_addr": address, "port_wdata": data}
                track.at(DEADLINE).wanted |= {"port_valid": 1, "port_rdata": memory[address]}
                under_way.append(track.now + DEADLINE)
            track.wait(1)
        track.wait(chance.choice((0, 2, 40)))
    track.wait(DEADLINE + 1)
    return track


def loads(chance: random.Random, requests: int) -> Track:
    """Random changes, back to back or not, into full bins and below zero."""
    track = Track(quiet("load_done", "load_error"))
    sweep(track, "load_init", BINS)
    load = [0] * BINS
    for number in range(requests):
        x, y = chance.sample(range(BINS), 2) if chance.random() < 0.9 else [chance.randrange(BINS)] * 2
        old = x if chance.random() < 0.2 else chance.randrange(BINS)
        filling = number % 400 < 200
        dec, inc = chance.random() < (0.2 if filling else 0.9), chance.random() < (0.95 if filling else 0.1)
        track.at().given |= {"load_valid": 1, "load_dec": dec, "load_dec_bin": old, "load_inc": inc}
        track.at().given |= {"load_x": x, "load_y": y}
        if dec and load[old] == 0:
            track.at(3).wanted |= {"load_error": 1}
        elif dec:
            load[old] -= 1
        which = int(load[y] < load[x])
        chosen = (x, y)[which]
        full = load[chosen] == SLOTS
        load[chosen] += int(inc and not full)
        track.at(6).wanted |= {"load_done": 1, "load_which": which, "load_full": int(full)}
        track.wait(6 + chance.choice((0, 0, 0, 1, 7)))
    track.wait(8)
    return track


def frames(chance: random.Random, cycles: int) -> Track:
    """A frame taken and one given back in any cycle; none left, too many back."""
    track = Track(quiet("frame_valid", "frame_empty", "frame_error"))
    sweep(track, "frame_init", FRAMES)
    free = deque(range(FRAMES))
    out: list[int] = []
    for cycle in range(cycles):
        track.at().wanted |= {"frame_count": len(free)}
        taking = cycle % 400 < 200
        alloc, en = chance.random() < 0.6, chance.random() < (0.9 if taking else 0.3)
        back, back_en = chance.random() < 0.6, chance.random() < (0.3 if taking else 0.95)
        given = {"frame_alloc": alloc, "frame_en": en, "frame_release": back, "frame_release_en": back_en}
        full, empty = len(free) == FRAMES, not free
        returned = (
            out.pop(chance.randrange(len(out))) if back and back_en and out else chance.randrange(FRAMES)
        )
        if alloc:
            frame = free.popleft() if en and free else FRAMES
            if frame != FRAMES:
                out.append(frame)
            track.at(1).wanted |= {"frame_valid": 1, "frame": frame, "frame_empty": int(en and empty)}
        if back and back_en:
            if full:
                track.at(1).wanted |= {"frame_error": 1}
            else:
                free.append(returned)
        track.at().given |= {**given, "frame_back": returned}
        track.wait(1)
    return track


STEP = {"frame": 24, "key": 32, "valid": 1}


def pending(chance: random.Random, requests: int) -> Track:
    """Walks and appends of all lengths; masked ones; a list that is full."""
    track = Track({**quiet("pend_step_valid", "pend_error"), "pend_ready": 1})
    for _ in range(HOST_BINS):
        track.at().wanted |= {"pend_ready": 0}
        track.wait(1)
    track.now = 0
    sweep(track, "pend_init", HOST_BINS)
    lists: list[deque[tuple[int, int]]] = [deque() for _ in range(HOST_BINS)]
    counters = [1] * HOST_BINS
    free = deque(range(FRAMES))
    for number in range(requests):
        walk = chance.random() < (0.04 if number % 80 < 60 else 0.5) or not free
        en, bin_ = chance.random() < 0.85, chance.choice((0, 1, 2, 3, 4, 4, 4))
        if walk:
            track.at().given |= {"pend_walk": 1, "pend_walk_en": en, "pend_walk_bin": bin_}
            steps = list(lists[bin_]) if en else []
            shown = {"pend_counter": counters[bin_] if en else 0}
            for ahead in range(1, SLOTS + 2):
                track.at(ahead).wanted |= {"pend_ready": 0, **(shown if ahead > 1 else {})}
            for at in range(SLOTS):
                frame, key = steps[at] if at < len(steps) else (FRAMES, 0)
                step = pack({"frame": frame, "key": key, "valid": int(at < len(steps))}, STEP)
                track.at(2 + at).wanted |= {"pend_step_valid": 1, "pend_step": step}
            if en:
                free.extend(frame for frame, _ in steps)
                lists[bin_].clear()
                counters[bin_] += 1
            track.wait(SLOTS + 2)
            track.at().wanted |= shown
        else:
            frame, key = free[0] if en else chance.randrange(FRAMES), chance.getrandbits(32)
            track.at().given |= {"pend_append": 1, "pend_append_en": en, "pend_append_bin": bin_}
            track.at().given |= {"pend_append_key": key, "pend_append_frame": frame}
            track.at(1).wanted |= {"pend_ready": 0}
            if en and len(lists[bin_]) == SLOTS:
                track.at(2).wanted |= {"pend_error": 1}
            elif en:
                lists[bin_].append((free.popleft(), key))
            track.wait(2)
        track.wait(chance.choice((0, 0, 0, 3)))
    return track


def stash(chance: random.Random, cycles: int) -> Track:
    """Places taken and given back, values written and read, in any cycle; the stash full; cleared."""
    track = Track(quiet("stash_full", "stash_place", "stash_rdata"))
    used: set[int] = set()
    values = [0] * PLACES
    for cycle in range(cycles):
        track.at().wanted |= {"stash_count": len(used)}
        filling = cycle % 60 < 30
        alloc, en = chance.random() < 0.7, chance.random() < 0.9
        release = bool(used) and chance.random() < (0.1 if filling else 0.6)
        clear = chance.random() < 0.01
        free = [place for place in range(PLACES) if place not in used]
        back = chance.choice(sorted(used)) if release else chance.randrange(PLACES)
        if alloc and en and not clear:
            track.at(1).wanted |= {"stash_place": free[0] if free else 0, "stash_full": int(not free)}
            used |= set(free[:1])
        used -= {back} if release else set()
        write, at, data = chance.random() < 0.5, chance.randrange(PLACES), chance.getrandbits(VALUE_BITS)
        asked = chance.randrange(PLACES)
        track.at(1).wanted |= {"stash_rdata": 0 if clear else values[asked]}
        if write:
            values[at] = data
        if clear:
            used, values = set(), [0] * PLACES
        track.at().given |= {
            "stash_alloc": alloc,
            "stash_en": en,
            "stash_release": release,
            "stash_back": back,
        }
        track.at().given |= {"stash_we": write, "stash_waddr": at, "stash_wdata": data, "stash_raddr": asked}
        track.at().given |= {"clear": clear}
        track.wait(1)
    return track


MERGE_CYCLES = 7


def page_bits(mask: int, slots: list[tuple[int, int]]) -> int:
    """A page's plaintext as a number, byte 0 lowest."""
    bits = mask
    for slot, (key, value) in enumerate(slots):
        bits |= (value << 32 | key) << (64 + slot * ENTRY_BITS)
    return bits


def _entry(chance: random.Random, pool: list[int]) -> tuple[int, int]:
    key = chance.choice(pool) if chance.random() < 0.15 else chance.getrandbits(32)
    return key, chance.getrandbits(VALUE_BITS)


def merges(chance: random.Random, requests: int) -> Track:
    """Pages and lists of all lengths, the target anywhere, nowhere or unasked; too many; back to back."""
    track = Track(quiet("merge_done", "merge_over"))
    for number in range(requests):
        pool = [chance.getrandbits(32) for _ in range(3)] + [0]
        target, asked = chance.choice(pool), chance.random() < 0.8
        kind = number % 8
        mask = (
            chance.getrandbits(SLOTS)
            if kind < 5
            else (0, 0xFFFF, (1 << chance.randint(0, SLOTS)) - 1)[kind - 5]
        )
        room = SLOTS - mask.bit_count()
        waiting = chance.randint(0, SLOTS) if kind == 0 else chance.randint(0, room)
        enabled = [int(at < waiting) for at in range(SLOTS)]
        if kind == 1:
            chance.shuffle(enabled)

        slots, queue = ([_entry(chance, pool) for _ in range(SLOTS)] for _ in range(2))
        if kind == 2:  # the target once, in a valid slot where there is one
            slots = [(key ^ (key == target), value) for key, value in slots]
            queue = [(key ^ (key == target), value) for key, value in queue]
            if mask:
                slots[mask.bit_length() - 1] = target, chance.getrandbits(VALUE_BITS)
        valid = [slot for at, slot in enumerate(slots) if mask >> at & 1]
        awaiting = [slot for at, slot in enumerate(queue) if enabled[at]]
        found = [value for key, value in valid if asked and key == target]
        left = [slot for slot in valid + awaiting if not (asked and slot[0] == target)]
        value = 0
        for each in found:
            value |= each
        wanted = {"merge_done": 1, "merge_hit": int(bool(found)), "merge_value": value}
        if len(left) > SLOTS:
            wanted["merge_over"] = 1
        else:
            wanted["merged_page"] = page_bits((1 << len(left)) - 1, left)
        unused = chance.getrandbits(PAGE_BITS) >> (64 + SLOTS * ENTRY_BITS) << (64 + SLOTS * ENTRY_BITS)
        page = page_bits(mask, slots) | unused | chance.getrandbits(48) << 16
        pend = [
            pack({"frame": chance.getrandbits(24), "key": key, "valid": on}, STEP)
            for (key, _), on in zip(queue, enabled, strict=True)
        ]
        track.at().given |= {"merge_start": 1, "merge_key": target, "merge_en": asked, "merge_page": page}
        track.at().given["merge_pending"] = sum(bits << 57 * at for at, bits in enumerate(pend))
        track.at().given["merge_values"] = sum(
            value << VALUE_BITS * at for at, (_, value) in enumerate(queue)
        )
        track.at(MERGE_CYCLES).wanted |= wanted
        track.wait(MERGE_CYCLES + chance.choice((0, 0, 2)))
    track.wait(MERGE_CYCLES)
    return track


RESET = Tick({"reset": 1}, {})


def everything(seed: int, size: int = 1) -> list[Tick]:
    """All units at once but the stash, broken off by a reset; then again, other accesses."""
    ticks: list[Tick] = []
    for part in range(2):
        chance = random.Random(f"{seed} {part}")
        tracks = [
            position_map(chance, 150 * size), port(chance, 2000 * size), loads(chance, 700 * size),
            frames(chance, 2000 * size), pending(chance, 400 * size), merges(chance, 250 * size),
        ]  # fmt: skip
        whole = together(tracks)
        ticks += whole if part else [*whole[: len(whole) * 3 // 8], RESET, RESET]
    return ticks


def late() -> list[Tick]:
    """HBM answers the first read of both its clients too late (to be run with ``slow`` = `LATE`)."""
    bare, mapped = Track(quiet("port_valid")), Track(quiet("pm_found"))
    sweep(mapped, "pm_init", BUCKETS)
    for address in range(LATE):
        bare.at().given |= {
            "port_req": 1,
            "port_we": int(address < LATE - 1),
            "port_addr": 0,
            "port_wdata": 7,
        }
        bare.wait(1)
    bare.at(DEADLINE - 1).wanted |= {"port_valid": 1, "port_late": 1, "port_rdata": 0}
    mapped.at().given |= {"pm_lookup": 1, "pm_key": 1, "pm_bucket0": 0, "pm_bucket1": 1}
    for ahead in range(DEADLINE + 1):
        mapped.at(ahead).wanted |= {"pm_late": 0}
    mapped.at(DEADLINE + 1).wanted |= {"pm_late": 1}
    return together([bare, mapped])


LATE = BUCKETS + 1
"""Number of the position map's first read, behind the writes that empty it."""


def cleared(chance: random.Random) -> list[Tick]:
    """The stash at random; merges, each wiped by a clear in another cycle, leave nothing to see."""
    both, merge = stash(chance, 400), merges(chance, 40)
    ticks = [Tick(dict(tick.given), {}) for tick in merge.ticks]
    for tick, wiped in zip(both.ticks, ticks, strict=False):
        tick.given |= wiped.given
    for number, tick in enumerate(both.ticks):
        if tick.given.get("clear"):
            nothing = dict.fromkeys(
                ("merge_done", "merged_page", "merge_hit", "merge_value", "merge_over"), 0
            )
            both.ticks[number + 1].wanted |= nothing
    return both.ticks
