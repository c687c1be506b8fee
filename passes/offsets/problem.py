"""The static arena problem: buffers with fixed lifetimes, to be given offsets in one arena.

Two buffers that are live at one step must not share a byte. The most bytes live at any step bound
the arena from below; that bound is the certificate printed beside every plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ...ir.errors import PlanError


@dataclass(frozen=True)
class Buffer:
    """A buffer live in the half-open span of steps ``[start, end)``.

    Raises:
        PlanError: an empty span, a negative size or an alignment below one.
    """

    name: str
    start: int
    end: int
    size_bytes: int
    align: int = 64

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise PlanError(f"the lifetime [{self.start}, {self.end}) is empty", where=self.name)
        if self.size_bytes < 0 or self.align < 1:
            raise PlanError(
                f"size {self.size_bytes} and alignment {self.align}",
                where=self.name,
                accepted="a size of zero or more bytes, an alignment of one or more",
            )

    @property
    def steps(self) -> int:
        """Number of steps the buffer is live."""
        return self.end - self.start


@dataclass(frozen=True)
class Plan:
    """Offsets that passed the checker.

    Attributes:
        offsets: byte offset of every buffer, by name.
        peak_bytes: arena size, the highest byte in use.
        lower_bound_bytes: no plan is smaller.
        solver: the greedy that found it, or ``cp-sat``.
    """

    offsets: Mapping[str, int]
    peak_bytes: int
    lower_bound_bytes: int
    solver: str

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
        }


def make_plan(buffers: Sequence[Buffer], offsets: Mapping[str, int], bound: int, solver: str) -> Plan:
    """The plan of these offsets, its peak computed from them."""
    peak = max((offsets[b.name] + b.size_bytes for b in buffers if b.size_bytes), default=0)
    return Plan(MappingProxyType(dict(offsets)), peak, min(bound, peak), solver)


def lower_bound_bytes(buffers: Iterable[Buffer]) -> int:
    """Most bytes any step needs, alignment counted.

    Offsets are multiples of g, the greatest common divisor of the alignments, so of the buffers live
    at a step all but the topmost fill whole multiples of g.
    """
    return max((need for _, need in _needs(tuple(buffers))), default=0)


def busiest(buffers: Iterable[Buffer]) -> tuple[int, tuple[Buffer, ...]]:
    """The step that needs most bytes and the buffers live there, largest first."""
    given = tuple(buffers)
    step = max(_needs(given), key=lambda pair: pair[1], default=(0, 0))[0]
    live = [buffer for buffer in given if buffer.start <= step < buffer.end and buffer.size_bytes]
    return step, tuple(sorted(live, key=lambda buffer: (-buffer.size_bytes, buffer.name)))


def _needs(buffers: tuple[Buffer, ...]) -> Iterable[tuple[int, int]]:
    """(step, bytes needed) at every step where a buffer begins; needs only grow there."""
    grain = math.gcd(*(buffer.align for buffer in buffers)) if buffers else 1
    events: dict[int, tuple[list[Buffer], list[Buffer]]] = {}
    for buffer in buffers:
        events.setdefault(buffer.start, ([], []))[0].append(buffer)
        events.setdefault(buffer.end, ([], []))[1].append(buffer)
    rounded = 0
    slacks: dict[int, int] = {}
    for step in sorted(events):
        begins, ends = events[step]
        for buffer in ends:
            slack = -buffer.size_bytes % grain
            rounded -= buffer.size_bytes + slack
            slacks[slack] -= 1
            if not slacks[slack]:
                del slacks[slack]
        for buffer in begins:
            slack = -buffer.size_bytes % grain
            rounded += buffer.size_bytes + slack
            slacks[slack] = slacks.get(slack, 0) + 1
        if begins:
            yield step, rounded - max(slacks)
