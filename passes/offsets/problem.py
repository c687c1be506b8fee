"""The static arena problem: buffers with fixed lifetimes, to be given offsets in one arena or in pools.

Two buffers of one pool that are live at one step must not share a byte. The most bytes live at any step bound
the arena from below; that bound is the certificate printed beside every plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from ...ir.errors import PlanError

Span = tuple[int, int]
"""Half-open span of steps."""


@dataclass(frozen=True)
class Buffer:
    """A buffer live in the half-open span of steps ``[start, end)``, its gaps left out.

    Attributes:
        name: unique in a problem.
        start: first step.
        end: step after the last.
        size_bytes: bytes it takes while it is live.
        align: what its offset is a multiple of.
        gaps: spans of its life in which others may use its bytes; ascending, apart.
        offset: where it must lie; None for anywhere.
        pools: the pools it may lie in; empty for any.
        hint: where it lay in a layout to start from; None for nowhere.

    Raises:
        PlanError: an empty span, a negative size, an alignment below one, a gap outside the life or in
            another gap, gaps that leave nothing, or a given offset that is negative or not aligned.
    """

    name: str
    start: int
    end: int
    size_bytes: int
    align: int = 64
    gaps: tuple[Span, ...] = ()
    offset: int | None = None
    pools: tuple[str, ...] = ()
    hint: int | None = None

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise PlanError(f"the lifetime [{self.start}, {self.end}) is empty", where=self.name)
        if self.size_bytes < 0 or self.align < 1:
            raise PlanError(
                f"size {self.size_bytes} and alignment {self.align}",
                where=self.name,
                accepted="a size of zero or more bytes, an alignment of one or more",
            )
        if self.offset is not None and (self.offset < 0 or self.offset % self.align):
            raise PlanError(
                f"the given offset {self.offset}",
                where=self.name,
                accepted=f"a non-negative multiple of the alignment, {self.align}",
            )
        self._check_gaps()

    def _check_gaps(self) -> None:
        inside = f"spans within [{self.start}, {self.end}), ascending, apart from each other"
        for low, high in self.gaps:
            if high <= low or low < self.start or high > self.end:
                raise PlanError(f"the gap [{low}, {high})", where=self.name, accepted=inside)
        for (_, high), (low, _) in pairwise(self.gaps):
            if low < high:
                raise PlanError(f"a gap begins at {low}, before {high}", where=self.name, accepted=inside)
        if self.gaps and not self.spans:
            raise PlanError("the gaps leave nothing of the lifetime", where=self.name, accepted=inside)

    @property
    def steps(self) -> int:
        """Number of steps between its first and its last, gaps counted."""
        return self.end - self.start

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans of steps in which it is live, ascending."""
        edges = [self.start, *(edge for gap in self.gaps for edge in gap), self.end]
        return tuple((low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high)


@dataclass(frozen=True)
class Plan:
    """Offsets that passed the checker.

    Attributes:
        offsets: byte offset of every buffer, by name.
        peak_bytes: arena size, the highest byte in use (with pools: their sum).
        lower_bound_bytes: no plan is smaller.
        solver: the greedy that found it, ``search`` or ``cp-sat``.
        pool_of: the pool of every buffer, by name; empty where there is one arena.
    """

    offsets: Mapping[str, int]
    peak_bytes: int
    lower_bound_bytes: int
    solver: str
    pool_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """How far the arena is above the lower bound, as a fraction of the bound."""
        if self.lower_bound_bytes == 0:
            return 0.0
        return (self.peak_bytes - self.lower_bound_bytes) / self.lower_bound_bytes

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return {
            "offsets": dict(self.offsets),
            "peak_bytes": self.peak_bytes,
            "lower_bound_bytes": self.lower_bound_bytes,
            "solver": self.solver,
            "gap": self.gap,
            **({"pools": dict(self.pool_of)} if self.pool_of else {}),
        }


def peak_bytes(buffers: Iterable[Buffer], offsets: Mapping[str, int]) -> int:
    """The highest byte in use."""
    return max((offsets[b.name] + b.size_bytes for b in buffers if b.size_bytes), default=0)


def make_plan(buffers: Sequence[Buffer], offsets: Mapping[str, int], bound: int, solver: str) -> Plan:
    """The plan of these offsets, its peak computed from them."""
    peak = peak_bytes(buffers, offsets)
    return Plan(MappingProxyType(dict(offsets)), peak, min(bound, peak), solver)


def grain_bytes(buffers: Iterable[Buffer]) -> int:
    """A number of bytes that some best plan's offsets are all multiples of; sizes are rounded up to it.

    Any layout can be pushed down until every buffer lies on the floor, on another or on a given offset. The
    grain divides every alignment or is a multiple of it, so rounding a multiple of it up gives another.
    """
    given = tuple(buffers)
    aligns = sorted({buffer.align for buffer in given}, reverse=True)
    common = math.gcd(*aligns)
    grain = math.gcd(*(-(-buffer.size_bytes // common) * common for buffer in given))
    for buffer in given:
        if buffer.offset is not None:  # what lies on it starts at its end, rounded up to the common alignment
            end = buffer.offset + buffer.size_bytes
            grain = math.gcd(grain, buffer.offset, -(-end // common) * common)
    for align in aligns:
        if grain % align:
            grain = math.gcd(grain, align)
    fits = grain > 0 and all(grain % align == 0 or align % grain == 0 for align in aligns)
    return grain if fits else common


def lower_bound_bytes(buffers: Iterable[Buffer]) -> int:
    """Most bytes any step needs, alignment counted, and the end of every given place.

    Offsets are multiples of g, the greatest common divisor of the alignments, so of the buffers live
    at a step all but the topmost fill whole multiples of g.
    """
    given = tuple(buffers)
    pinned = max((b.offset + b.size_bytes for b in given if b.offset is not None and b.size_bytes), default=0)
    return max(pinned, max((need for _, need in _needs(given)), default=0))


def busiest(buffers: Iterable[Buffer]) -> tuple[int, tuple[Buffer, ...]]:
    """The step that needs most bytes and the buffers live there, largest first."""
    given = tuple(buffers)
    step = max(_needs(given), key=lambda pair: pair[1], default=(0, 0))[0]
    live = [b for b in given if b.size_bytes and any(low <= step < high for low, high in b.spans)]
    return step, tuple(sorted(live, key=lambda buffer: (-buffer.size_bytes, buffer.name)))


def _needs(buffers: tuple[Buffer, ...]) -> Iterable[tuple[int, int]]:
    """(step, bytes needed) at every step where a buffer begins; needs only grow there."""
    grain = math.gcd(*(buffer.align for buffer in buffers)) if buffers else 1
    begins: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for buffer in buffers:
        for low, high in buffer.spans:
            begins.setdefault(low, []).append(buffer.size_bytes)
            ends.setdefault(high, []).append(buffer.size_bytes)
    rounded = 0
    slacks: dict[int, int] = {}
    for step in sorted(begins.keys() | ends.keys()):
        for sizes, sign in ((ends.get(step, ()), -1), (begins.get(step, ()), 1)):
            for size in sizes:
                slack = -size % grain
                rounded += sign * (size + slack)
                slacks[slack] = slacks.get(slack, 0) + sign
                if not slacks[slack]:
                    del slacks[slack]
        if step in begins:
            yield step, rounded - max(slacks)
