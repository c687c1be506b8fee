"""Event simulators of mappings: a second and a third clock beside the game's.

Both walk through the program in time. An instruction of length ``max(compute, slow + fast)`` keeps the link
of slow memory busy for its slow traffic and leaves it idle for the rest; copies move in idle time only, and
the program waits for a copy that is not done when it must be.

`scheduled` gives each copy the idle time its plan names. It re-times the game's own accounting: on a plan
that the verifier takes, it ends when the game says. Idle time that is not there makes a copy late and the
program wait, so a plan that overbooks ends later.

`queued` knows only when each copy starts. There is a first-in first-out queue a direction; while both hold
copies each gets half the bandwidth, else the one has all of it, and idle time nobody booked is used too. This
is how XLA's simulator of memory-space assignment models the hardware. It may end earlier than planned (idle
time the plan left unused) or later (a copy that is urgent waits behind one that is not), and is reported
beside the game's latency, never instead of it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

from .plan import Copy, MemoryMap
from .problem import Machine, Problem

DONE_S = 1e-18
"""What rounding leaves of a copy counts as nothing, seconds."""


@dataclass(frozen=True)
class Timeline:
    """When a simulated program ended, and what it waited.

    Attributes:
        latency_s: end of the last instruction and of the copies waited for.
        stall_s: waiting, by instruction: before it for copies in, after it for copies out.
    """

    latency_s: float
    stall_s: tuple[float, ...]


@dataclass(frozen=True)
class _Step:
    """An instruction in time: how long it takes, and how much of that the slow link is idle."""

    length_s: float
    idle_s: float


def _steps(problem: Problem, machine: Machine, plan: MemoryMap) -> Iterator[_Step]:
    served = iter(plan.served_fast)
    for instruction in problem.instructions:
        slow_bytes = fast_bytes = 0
        for _, count in (*instruction.inputs, *instruction.outputs):
            if next(served):
                fast_bytes += count
            else:
                slow_bytes += count
        slow = slow_bytes / machine.slow_bytes_per_s
        length = max(instruction.compute_s, slow + fast_bytes / machine.fast_bytes_per_s)
        yield _Step(length, length - slow)


def _demand_s(problem: Problem, machine: Machine, plan: MemoryMap, copy: Copy) -> float:
    tensor = problem.tensors[plan.rectangles[copy.rectangle].tensor]
    return tensor.size / machine.slow_bytes_per_s


def scheduled(problem: Problem, machine: Machine, plan: MemoryMap) -> Timeline:
    """Time a mapping with every copy moving when its plan says."""
    left = [_demand_s(problem, machine, plan, copy) for copy in plan.copies]
    booked: dict[int, list[tuple[int, float]]] = defaultdict(list)
    waited: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for at, copy in enumerate(plan.copies):
        waited[copy.ready, copy.out].append(at)
        for k, seconds in copy.charges:
            booked[k].append((at, seconds))
    now, stalls = 0.0, []
    for k, each in enumerate(_steps(problem, machine, plan)):
        stall = _finish(left, waited[k, False])
        idle = each.idle_s
        for at, seconds in booked[k]:
            moved = min(seconds, left[at], max(idle, 0.0))
            left[at] -= moved
            idle -= moved
        stall += _finish(left, waited[k, True])
        stalls.append(stall)
        now += each.length_s + stall
    return Timeline(now, tuple(stalls))


def _finish(left: list[float], copies: list[int]) -> float:
    """Move the rest of some copies while the program waits; how long that takes."""
    waiting = 0.0
    for at in copies:
        waiting += left[at]
        left[at] = 0.0
    return waiting


class _Link:
    """Two queues of copies (number, seconds left) that share the link of slow memory."""

    def __init__(self) -> None:
        self.queues: tuple[deque[list[float]], deque[list[float]]] = (deque(), deque())
        self.done: set[int] = set()

    def add(self, number: int, out: bool, seconds: float) -> None:
        self.queues[out].append([number, seconds])

    def _pop_done(self) -> None:
        for queue in self.queues:
            while queue and queue[0][1] <= DONE_S:
                self.done.add(int(queue.popleft()[0]))

    def drain(self, seconds: float) -> float:
        """Move bytes for at most so long, until a copy ends; the time used."""
        heads = [queue[0] for queue in self.queues if queue]
        used = min(seconds, min(head[1] for head in heads) * len(heads))
        for head in heads:
            head[1] -= used / len(heads)
        if used < seconds:  # the shortest head ended, whatever rounding left of it
            min(heads, key=lambda head: head[1])[1] = 0.0
        self._pop_done()
        return used

    def idle(self, seconds: float) -> None:
        """Use idle time."""
        while seconds > 0 and any(self.queues):
            seconds -= self.drain(seconds)

    def wait(self, number: int) -> float:
        """Drain until a copy is done; how long that takes."""
        waiting = 0.0
        while number not in self.done:
            waiting += self.drain(float("inf"))
        return waiting


def queued(problem: Problem, machine: Machine, plan: MemoryMap) -> Timeline:
    """Time a mapping with copies that queue, first in first out, each from when its plan starts it."""
    starts: dict[int, list[int]] = defaultdict(list)
    waited: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for at, copy in enumerate(plan.copies):
        starts[copy.start].append(at)
        waited[copy.ready, copy.out].append(at)
    link, now, stalls = _Link(), 0.0, []

    def enqueue(numbers: list[int]) -> None:
        for at in numbers:
            copy = plan.copies[at]
            link.add(at, copy.out, _demand_s(problem, machine, plan, copy))

    for k, each in enumerate(_steps(problem, machine, plan)):
        late = [at for at in starts[k] if plan.copies[at].out and not plan.copies[at].charges]
        enqueue([at for at in starts[k] if at not in late])
        stall = sum(link.wait(at) for at in waited[k, False])
        link.idle(each.idle_s)
        enqueue(late)  # a copy out of what this instruction makes
        stall += sum(link.wait(at) for at in waited[k, True])
        stalls.append(stall)
        now += each.length_s + stall
    return Timeline(now, tuple(stalls))
