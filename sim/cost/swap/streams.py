"""Tasks on streams: when each runs, and whether every access to memory is ordered.

Streams run their tasks in the order given; a task may wait for others, named before it, to end, as a stream
waits for an event. `run` is the discrete-event simulation. `hazards` does not look at times: of two accesses
to one place of which one writes, the first must *happen before* the second, by a stream's order or by waits,
and what is read must be what is meant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ....ir.errors import PlanError


@dataclass(frozen=True)
class Access:
    """A place in memory, and what is meant to lie there."""

    place: str
    content: str


@dataclass(frozen=True)
class Task:
    """What a stream does.

    Attributes:
        name: unique.
        stream: it runs on.
        seconds: it takes.
        waits: names of tasks that must have ended.
        reads, writes: places.
    """

    name: str
    stream: str
    seconds: float
    waits: tuple[str, ...] = ()
    reads: tuple[Access, ...] = ()
    writes: tuple[Access, ...] = ()


@dataclass(frozen=True)
class Ran:
    """A task's time: it could have started at `ready` as far as its stream goes, and waited until `start`."""

    task: Task
    ready: float
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """All tasks as they ran, in the order given."""

    ran: tuple[Ran, ...]

    @property
    def seconds(self) -> float:
        """Until the last task ends."""
        return max((each.end for each in self.ran), default=0.0)

    def stream(self, name: str) -> tuple[Ran, ...]:
        """The tasks of one stream."""
        return tuple(each for each in self.ran if each.task.stream == name)

    def stall(self, name: str) -> float:
        """Time a stream waited for others."""
        return sum(each.start - each.ready for each in self.stream(name))


@dataclass(frozen=True)
class Hazard:
    """Two accesses that are not ordered, or a read of something else.

    Attributes:
        place: where.
        first, second: names of the tasks; the first is empty where nothing was written.
        kind: ``read after write``, ``write after read``, ``write after write`` or ``another content``.
    """

    place: str
    first: str
    second: str
    kind: str

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}, {self.first or 'nothing'} → {self.second}"


def run(tasks: Sequence[Task]) -> Timeline:
    """When each task runs.

    Raises:
        PlanError: a name that is given twice, a wait for what was not named before, or a time that is
            negative or not finite.
    """
    ends: dict[str, float] = {}
    free: dict[str, float] = {}
    ran = []
    for task in tasks:
        _check(task, ends)
        ready = free.get(task.stream, 0.0)
        start = max([ready, *(ends[name] for name in task.waits)])
        ends[task.name] = free[task.stream] = start + task.seconds
        ran.append(Ran(task, ready, start, start + task.seconds))
    return Timeline(tuple(ran))


def _check(task: Task, known: Mapping[str, Any]) -> None:
    if not (math.isfinite(task.seconds) and task.seconds >= 0):
        raise PlanError(f"takes {task.seconds} s", where=task.name, accepted="a finite time, zero or more")
    if task.name in known:
        raise PlanError("is named twice", where=task.name, accepted="unique names")
    for name in task.waits:
        if name not in known:
            raise PlanError(f"waits for '{name}', which was not begun", where=task.name)


def hazards(tasks: Sequence[Task]) -> tuple[Hazard, ...]:
    """Every pair of accesses that is not ordered, and every read of another content; empty: all is well.

    Raises:
        PlanError: as for `run`.
    """
    order = _Order()
    written: dict[str, tuple[Task, str]] = {}
    readers: dict[str, list[Task]] = {}
    found: list[Hazard] = []
    for task in tasks:
        order.add(task)
        for access in task.reads:
            writer, content = written.get(access.place, (None, ""))
            if writer is None or content != access.content:
                name = writer.name if writer else ""
                found.append(Hazard(access.place, name, task.name, "another content"))
            elif not order.before(writer, task):
                found.append(Hazard(access.place, writer.name, task.name, "read after write"))
            readers.setdefault(access.place, []).append(task)
        for access in task.writes:
            writer, _ = written.get(access.place, (None, ""))
            if writer is not None and not order.before(writer, task):
                found.append(Hazard(access.place, writer.name, task.name, "write after write"))
            for reader in readers.pop(access.place, []):
                if reader is not task and not order.before(reader, task):
                    found.append(Hazard(access.place, reader.name, task.name, "write after read"))
            written[access.place] = (task, access.content)
    return tuple(found)


class _Order:
    """Which tasks happen before which: a bit for each task."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}
        self.past: list[int] = []
        self.last: dict[str, int] = {}

    def add(self, task: Task) -> None:
        _check(task, self.at)
        number = len(self.past)
        before = [self.at[name] for name in task.waits]
        if task.stream in self.last:
            before.append(self.last[task.stream])
        past = 0
        for each in before:
            past |= self.past[each] | 1 << each
        self.past.append(past)
        self.at[task.name] = self.last[task.stream] = number

    def before(self, first: Task, second: Task) -> bool:
        return bool(self.past[self.at[second.name]] >> self.at[first.name] & 1)


def collisions(timeline: Timeline) -> tuple[tuple[str, str, str], ...]:
    """Accesses that overlap in time: place and both tasks. What `hazards` allows never does."""
    spans: dict[str, list[tuple[float, float, bool, str]]] = {}
    for each in timeline.ran:
        for accesses, writes in ((each.task.reads, False), (each.task.writes, True)):
            for access in accesses:
                spans.setdefault(access.place, []).append((each.start, each.end, writes, each.task.name))
    found = []
    for name, listed in spans.items():
        for one, two in combinations(sorted(listed), 2):
            if one[3] != two[3] and (one[2] or two[2]) and two[0] < one[1]:
                found.append((name, one[3], two[3]))
    return tuple(found)
