"""The checker every plan must pass: written from the definition, sharing nothing with the planners."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence

from ...ir.errors import PlanError
from .problem import Buffer


def check(
    buffers: Sequence[Buffer],
    offsets: Mapping[str, int],
    capacity: int | None = None,
    *,
    pool_of: Mapping[str, str] | None = None,
    capacities: Mapping[str, int] | None = None,
) -> None:
    """Accept offsets under which live buffers never overlap and all lie in ``[0, capacity)``, aligned.

    Args:
        buffers: with unique names.
        offsets: by buffer name.
        capacity: bytes of the one arena; None for any.
        pool_of: with several pools, the pool of every buffer.
        capacities: and the bytes of every pool.

    Raises:
        PlanError: naming the buffer or the pair of buffers that break the rules.
    """
    if len({buffer.name for buffer in buffers}) != len(buffers):
        raise PlanError("two buffers have one name", accepted="unique names")
    pools: dict[str, list[Buffer]] = {}
    for buffer in buffers:
        pool = _pool(buffer, pool_of or {}, capacities or {})
        _check_place(buffer, offsets, (capacities or {}).get(pool, capacity))
        pools.setdefault(pool, []).append(buffer)
    for sharing in pools.values():
        _check_disjoint(sharing, offsets)


def _pool(buffer: Buffer, pool_of: Mapping[str, str], capacities: Mapping[str, int]) -> str:
    if not capacities:
        return ""
    pool = pool_of.get(buffer.name, "")
    if pool not in (buffer.pools or capacities):
        raise PlanError(
            f"lies in pool {pool or None}", where=buffer.name, accepted=", ".join(buffer.pools or capacities)
        )
    return pool


def _check_place(buffer: Buffer, offsets: Mapping[str, int], capacity: int | None) -> None:
    if buffer.name not in offsets:
        raise PlanError("the buffer has no offset", where=buffer.name)
    offset = offsets[buffer.name]
    if offset < 0 or offset % buffer.align:
        raise PlanError(
            f"offset {offset}", where=buffer.name, accepted=f"a non-negative multiple of {buffer.align}"
        )
    if buffer.offset is not None and offset != buffer.offset:
        raise PlanError(f"offset {offset}", where=buffer.name, accepted=f"the one given, {buffer.offset}")
    if capacity is not None and offset + buffer.size_bytes > capacity:
        raise PlanError(
            f"ends at byte {offset + buffer.size_bytes}", where=buffer.name, accepted=f"{capacity} or less"
        )


def _check_disjoint(buffers: Sequence[Buffer], offsets: Mapping[str, int]) -> None:
    """Sweep over time; the live buffers, disjoint so far, are kept sorted by offset.

    A newcomer can therefore only overlap its two neighbours.
    """
    spans = [(span, b) for b in buffers if b.size_bytes for span in b.spans]
    events = [(low, 1, b) for (low, _), b in spans] + [(high, 0, b) for (_, high), b in spans]
    live: list[tuple[int, int, str]] = []
    for step, begins, buffer in sorted(events, key=lambda event: (event[0], event[1])):
        offset = offsets[buffer.name]
        place = (offset, offset + buffer.size_bytes, buffer.name)
        index = bisect.bisect_left(live, place)
        if not begins:
            del live[index]
            continue
        for low, high, name in live[max(0, index - 1) : index + 1]:
            if low < place[1] and place[0] < high:
                bytes_here, bytes_there = f"[{place[0]}, {place[1]})", f"[{low}, {high})"
                raise PlanError(
                    f"overlaps {name}: bytes {bytes_here} and {bytes_there} at step {step}",
                    where=buffer.name,
                )
        live.insert(index, place)
