"""What the manager of experts should do, in Python: the cost model's table of experts, and two memories.

The memories hold versions: version v of expert e is what e is after v runs wrote it. Whoever is granted a
slot must find the newest version of the expert asked for there.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from penstock.sim.cost.coe import ExpertCache


@dataclass(frozen=True)
class Layout:
    """Where experts lie: the far and the near memory's base and stride, and an expert's sizes, in bytes."""

    far_base: int = 1 << 38
    far_stride: int = 0x2_0000
    near_base: int = 0x40_0000
    near_stride: int = 0x1_8000
    size: int = 0x1_0040
    writable_offset: int = 0x1_0000
    writable_bytes: int = 0x40


@dataclass(frozen=True)
class Copy:
    """A descriptor as it left the manager."""

    back: bool
    source: int
    target: int
    size: int


@dataclass
class Reference:
    """The table, the memories, and what is under way.

    Attributes:
        cache: which experts are near, by use; an expert being loaded counts as near.
        slot_of: where they are.
        far, near: versions in the far memory by expert, and in the near one by slot.
        newest: version that each expert should have.
        grants: of every slot, grants not released.
        waiting: ids that wait for the copy, in order; whether each shares a copy that was under way.
        copies: descriptors expected, in order.
    """

    slots: int
    layout: Layout
    cache: ExpertCache = field(init=False)
    slot_of: dict[int, int] = field(default_factory=dict)
    far: Counter[int] = field(default_factory=Counter)
    near: dict[int, tuple[int, int]] = field(default_factory=dict)
    newest: Counter[int] = field(default_factory=Counter)
    grants: Counter[int] = field(default_factory=Counter)
    waiting: deque[tuple[int, bool]] = field(default_factory=deque)
    ready: deque[tuple[int, int]] = field(default_factory=deque)
    copies: deque[Copy] = field(default_factory=deque)
    loading: int | None = None
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    back_bytes: int = 0

    def __post_init__(self) -> None:
        self.cache = ExpertCache(self.slots)

    def accept(self, expert: int, name: int, *, prefetch: bool) -> None:
        """A request was taken: it hits, shares the copy, or begins one with the victim of the table."""
        near = expert in self.cache
        done = self.cache.activate(expert)
        assert done is not None, f"expert {expert} was taken, but nobody can make room for it"
        if near:
            self.hits += 1
            if expert == self.loading:
                if not prefetch:
                    self.waiting.append((name, True))
                    self._hold(expert)
            elif not prefetch:
                self.ready.append((name, expert))
                self._hold(expert)
            return
        assert self.loading is None, "a copy begins while another is under way"
        self.misses += 1
        self.loading = expert
        if done.evicted is None:
            slot = min(set(range(self.slots)) - set(self.slot_of.values()))
        else:
            self.evictions += 1
            slot = self.slot_of.pop(int(str(done.evicted)))
            if done.write_back and self.layout.writable_bytes:
                self._expect_back(int(str(done.evicted)), slot)
        self.slot_of[expert] = slot
        self._expect_fill(expert, slot)
        if not prefetch:
            self.waiting.append((name, False))
            self._hold(expert)

    def _hold(self, expert: int) -> None:
        self.cache.pin(expert)
        self.grants[expert] += 1

    def _expect_back(self, expert: int, slot: int) -> None:
        at, offset = self.layout, self.layout.writable_offset
        near, far = at.near_base + slot * at.near_stride, at.far_base + expert * at.far_stride
        self.copies.append(Copy(True, near + offset, far + offset, at.writable_bytes))

    def _expect_fill(self, expert: int, slot: int) -> None:
        at = self.layout
        near, far = at.near_base + slot * at.near_stride, at.far_base + expert * at.far_stride
        self.copies.append(Copy(False, far, near, at.size))

    def copied(self, copy: Copy) -> None:
        """A descriptor is done without an error."""
        at = self.layout
        if copy.back:
            slot = (copy.source - at.near_base) // at.near_stride
            expert, version = self.near[slot]
            self.far[expert] = version
            self.back_bytes += copy.size
        else:
            slot = (copy.target - at.near_base) // at.near_stride
            expert = (copy.source - at.far_base) // at.far_stride
            assert not any(self.slot_of.get(each) == slot for each in self.grants if each != expert)
            self.near[slot] = expert, self.far[expert]
            assert expert == self.loading
            self.loading = None

    def granted(self, name: int, slot: int, hit: bool) -> int:
        """A grant without an error: who it is for, the right slot, and the newest version in it."""
        if self.waiting and self.waiting[0][0] == name:
            _, shared = self.waiting.popleft()
            assert hit == shared
            expert = self.near[slot][0]
        else:
            wanted, expert = self.ready.popleft()
            assert wanted == name
            assert hit
        assert self.slot_of[expert] == slot
        assert self.near[slot] == (expert, self.newest[expert])
        return expert

    def released(self, expert: int, *, wrote: bool) -> None:
        """The end of a run."""
        self.grants[expert] -= 1
        self.grants += Counter()
        self.cache.unpin(expert)
        if wrote and self.layout.writable_bytes:
            self.newest[expert] += 1
            self.near[self.slot_of[expert]] = expert, self.newest[expert]
            self.cache.write(expert)

    def pin(self, pins: int | None, unpins: int | None, pinned: int | None) -> int | None:
        """Pin an expert, or unpin one; who is pinned then."""
        if pins is not None:
            self.cache.pin(pins)
            return pins
        if unpins is not None:
            self.cache.unpin(unpins)
            return None
        return pinned
