"""PyTorch's caching allocator for CUDA, simulated: what a sequence of requests reserves, and what is lost.

After its public description ("CUDA semantics", memory management) and constants. Sizes are rounded to 512
bytes. Requests up to 1 MiB are cut from segments of 2 MiB, those below 10 MiB from segments of 20 MiB; larger
ones get a segment of their own, rounded to 2 MiB. The smallest free block that holds a request is taken, and
split where enough is left; freed blocks merge with free neighbours, and segments are kept. Where the device
is full, whole free segments are returned and the request is tried again. With expandable segments a pool is
one segment that grows by pages of 2 or 20 MiB; only those at its end are returned here. One stream.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from ....ir.errors import PlanError

ROUND = 512
MIB = 1 << 20
SMALL, SMALL_SEGMENT = MIB, 2 * MIB
MEDIUM, MEDIUM_SEGMENT = 10 * MIB, 20 * MIB
PAGE = 2 * MIB


@dataclass(frozen=True)
class Request:
    """Memory wanted from one step to another, half-open; what ends at a step is freed before what begins."""

    start: int
    end: int
    bytes: int


@dataclass(frozen=True)
class Replay:
    """What a sequence of requests came to.

    Attributes:
        allocated_bytes: most that was in use at once, sizes rounded.
        reserved_bytes: most that was held in segments.
        flushes: how often segments were returned because the device was full.
        failed_bytes: the request that did not fit in the end; 0 if all did.
    """

    allocated_bytes: int
    reserved_bytes: int
    flushes: int
    failed_bytes: int

    @property
    def waste(self) -> float:
        """Reserved over allocated, less one."""
        return self.reserved_bytes / self.allocated_bytes - 1 if self.allocated_bytes else 0.0


@dataclass(eq=False)
class _Block:
    """A stretch of a segment; blocks of a segment are linked in order."""

    size: int
    pool: _Pool
    free: bool = False
    before: _Block | None = None
    after: _Block | None = None

    @property
    def whole(self) -> bool:
        return self.before is None and self.after is None


@dataclass(eq=False)
class _Pool:
    """Free blocks by size, the oldest first among equals.

    Attributes:
        segment: size of one that requests are cut from, and of a page of one that grows.
        least_split: bytes from which on what is left of a block becomes one.
        last: of the growing segment, where segments expand.
    """

    segment: int
    least_split: int
    blocks: list[tuple[int, int, _Block]] = field(default_factory=list)
    last: _Block | None = None
    count: int = 0

    def put(self, block: _Block) -> None:
        block.free = True
        self.count += 1
        insort(self.blocks, (block.size, self.count, block))

    def take(self, block: _Block) -> None:
        at = bisect_left(self.blocks, (block.size, 0))
        while self.blocks[at][2] is not block:
            at += 1
        del self.blocks[at]
        block.free = False

    def fitting(self, size: int) -> _Block | None:
        at = bisect_left(self.blocks, (size, 0))
        return self.blocks[at][2] if at < len(self.blocks) else None


@dataclass
class CachingAllocator:
    """The allocator of one device and stream.

    Attributes:
        capacity: bytes of the device; None for no limit.
        expandable: one growing segment for each pool.
        allocated, reserved: now; `most_…`: at most.
        flushes: of segments.
    """

    capacity: int | None = None
    expandable: bool = False
    allocated: int = 0
    reserved: int = 0
    most_allocated: int = 0
    most_reserved: int = 0
    flushes: int = 0

    def __post_init__(self) -> None:
        self.small = _Pool(SMALL_SEGMENT, ROUND)
        self.large = _Pool(MEDIUM_SEGMENT, SMALL + 1)

    def malloc(self, size: int) -> _Block | None:
        """A block for so many bytes; None where the device is full.

        Raises:
            PlanError: no bytes.
        """
        if size < 1:
            raise PlanError(f"a request of {size} bytes", accepted="1 or more")
        size = -(-size // ROUND) * ROUND
        pool = self.small if size <= SMALL else self.large
        block = pool.fitting(size)
        if block is not None:
            pool.take(block)
        else:
            block = self._new(pool, size)
            if block is None:
                return None
        self._split(block, size)
        self.allocated += block.size
        self.most_allocated = max(self.most_allocated, self.allocated)
        return block

    def release(self, block: _Block) -> None:
        """Take a block back and merge it with free neighbours."""
        self.allocated -= block.size
        for other in (block.before, block.after):
            if other is not None and other.free:
                block.pool.take(other)
                self._join(block, other)
        block.pool.put(block)

    def _new(self, pool: _Pool, size: int) -> _Block | None:
        """A block from the device, after a flush if need be."""
        make = self._grow if self.expandable else self._segment
        block = make(pool, size)
        if block is None and self._flush():
            block = make(pool, size)
        return block

    def _segment(self, pool: _Pool, size: int) -> _Block | None:
        segment = pool.segment if size < MEDIUM else -(-size // PAGE) * PAGE
        return _Block(segment, pool) if self._reserve(segment) else None

    def _grow(self, pool: _Pool, size: int) -> _Block | None:
        """The end of the growing segment, with as many pages more as are needed."""
        last = pool.last if pool.last is not None and pool.last.free else None
        pages = -(-(size - (last.size if last else 0)) // pool.segment) * pool.segment
        if not self._reserve(pages):
            return None
        if last is not None:
            pool.take(last)
            last.size += pages
            return last
        block = _Block(pages, pool, before=pool.last)
        if pool.last is not None:
            pool.last.after = block
        pool.last = block
        return block

    def _reserve(self, size: int) -> bool:
        if self.capacity is not None and self.reserved + size > self.capacity:
            return False
        self.reserved += size
        self.most_reserved = max(self.most_reserved, self.reserved)
        return True

    def _flush(self) -> bool:
        """Return what is free: whole segments, or pages at the end of growing ones."""
        before = self.reserved
        for pool in (self.small, self.large):
            for _, _, block in list(pool.blocks):
                if block.whole:
                    pool.take(block)
                    self.reserved -= block.size
                    pool.last = None if pool.last is block else pool.last
                elif self.expandable and block is pool.last:
                    kept = block.size % pool.segment
                    pool.take(block)
                    self.reserved -= block.size - kept
                    block.size = kept
                    if kept:
                        pool.put(block)
                    else:
                        pool.last = block.before
                        assert block.before is not None, "it is not whole"
                        block.before.after = None
        self.flushes += self.reserved < before
        return self.reserved < before

    def _split(self, block: _Block, size: int) -> None:
        """Leave what is not needed of a block free."""
        rest = block.size - size
        least = ROUND if self.expandable else block.pool.least_split
        if rest < least:
            return
        left = _Block(rest, block.pool, before=block, after=block.after)
        if block.after is not None:
            block.after.before = left
        block.after, block.size = left, size
        if block.pool.last is block:
            block.pool.last = left
        block.pool.put(left)

    def _join(self, block: _Block, other: _Block) -> None:
        """Make a free neighbour part of a block."""
        block.size += other.size
        if other is block.before:
            block.before = other.before
            if other.before is not None:
                other.before.after = block
        else:
            block.after = other.after
            if other.after is not None:
                other.after.before = block
        if block.pool.last is other:
            block.pool.last = block


def replay(
    requests: Sequence[Request], *, capacity: int | None = None, expandable: bool = False, rounds: int = 2
) -> Replay:
    """Run requests through the allocator, several rounds of them, as a training loop does.

    Args:
        requests: in the order they are made; those that begin at one step stay in order.
        capacity: bytes of the device; None for no limit.
        expandable: segments that grow.
        rounds: steps of training; segments are kept in between.
    """
    allocator = CachingAllocator(capacity, expandable)
    events = sorted(
        [(request.start, 1, at) for at, request in enumerate(requests)]
        + [(request.end, 0, at) for at, request in enumerate(requests)]
    )
    for _ in range(rounds):
        held: dict[int, _Block] = {}
        for _, begins, at in events:
            if begins:
                block = allocator.malloc(requests[at].bytes)
                if block is None:
                    return _said(allocator, requests[at].bytes)
                held[at] = block
            else:
                allocator.release(held.pop(at))
    return _said(allocator, 0)


def _said(allocator: CachingAllocator, failed: int) -> Replay:
    return Replay(allocator.most_allocated, allocator.most_reserved, allocator.flushes, failed)
