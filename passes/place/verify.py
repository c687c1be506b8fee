"""The verifier of mappings: rules checked and latency recomputed from the plan alone, plainly, by own code.

Nothing here is shared with the game. Checked: offsets aligned, rectangles inside the memory and, but for one
alias class at one offset, never overlapping; classes of several members served by one memory at one offset;
every copy whole, in time, from valid data, held by its rectangle while it moves; copies within the idle slow
time of each instruction; data valid at every read; results in slow memory at the end. The latency is then
``Σ max(compute, slow + fast) + stalls``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from .plan import Copy, MemoryMap
from .problem import Machine, Problem

RELATIVE = 1e-9
"""Tolerance, of the latency with everything in slow memory."""


@dataclass(frozen=True)
class Verdict:
    """What the verifier found.

    Attributes:
        faults: broken rules, one sentence each.
        latency_s: recomputed.
        all_slow_s: with everything in slow memory.
    """

    faults: tuple[str, ...]
    latency_s: float
    all_slow_s: float

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.faults


def verify(problem: Problem, machine: Machine, plan: MemoryMap) -> Verdict:
    """Judge a mapping; never raises on a bad one."""
    if len(plan.served_fast) != len(problem.accesses):
        return Verdict((f"{len(plan.served_fast)} accesses served of {len(problem.accesses)}",), 0.0, 0.0)
    return _Check(problem, machine, plan).verdict()


class _Check:
    def __init__(self, problem: Problem, machine: Machine, plan: MemoryMap) -> None:
        self.problem, self.machine, self.plan = problem, machine, plan
        self.faults: list[str] = []
        self.slow = [0.0] * len(problem.instructions)
        self.fast = [0.0] * len(problem.instructions)
        self.all_slow = 0.0
        self.defined: dict[int, tuple[int, bool]] = {}
        for access, fast in zip(problem.accesses, plan.served_fast, strict=True):
            side, rate = (
                (self.fast, machine.fast_bytes_per_s) if fast else (self.slow, machine.slow_bytes_per_s)
            )
            side[access.instruction] += access.bytes / rate
            if access.output:
                self.defined[access.tensor] = (access.instruction, fast)
        traffic = [0.0] * len(problem.instructions)
        for access in problem.accesses:
            traffic[access.instruction] += access.bytes / machine.slow_bytes_per_s
        pairs = zip(problem.instructions, traffic, strict=True)
        self.all_slow = sum(max(each.compute_s, moved) for each, moved in pairs)
        self.tolerance = RELATIVE * self.all_slow

    def verdict(self) -> Verdict:
        self._rectangles()
        self._classes()
        if not self.faults:
            self._copies()
            self._idle_time()
            self._validity()
        latency = self._latency()
        if abs(latency - self.plan.latency_s) > self.tolerance:
            self._fault(f"latency {self.plan.latency_s} s claimed, {latency} s found")
        return Verdict(tuple(self.faults), latency, self.all_slow)

    def _fault(self, text: str) -> None:
        self.faults.append(text)

    def _name(self, tensor: int) -> str:
        return self.problem.tensors[tensor].name

    def _lengths(self) -> list[float]:
        return [
            max(each.compute_s, slow + fast)
            for each, slow, fast in zip(self.problem.instructions, self.slow, self.fast, strict=True)
        ]

    def _latency(self) -> float:
        return sum(self._lengths()) + sum(copy.stall_s for copy in self.plan.copies)

    def _rectangles(self) -> None:
        end = len(self.problem.instructions)
        for each in self.plan.rectangles:
            tensor = self.problem.tensors[each.tensor]
            if not 0 <= each.first <= each.last < end:
                self._fault(f"{tensor.name} lies in fast memory during {each.first} to {each.last}")
            if each.offset % self.machine.alignment:
                self._fault(f"{tensor.name} at offset {each.offset}, which is not aligned")
            if each.offset < 0 or each.offset + tensor.size > self.machine.capacity:
                self._fault(f"{tensor.name} at offset {each.offset} leaves the memory")
            if not tensor.fast:
                self._fault(f"{tensor.name} may not lie in fast memory")
        order = sorted(self.plan.rectangles, key=lambda each: each.first)
        for at, one in enumerate(order):
            for two in order[at + 1 :]:
                if two.first > one.last:
                    break
                sizes = (self.problem.tensors[one.tensor].size, self.problem.tensors[two.tensor].size)
                apart = one.offset + sizes[0] <= two.offset or two.offset + sizes[1] <= one.offset
                aliases = (
                    self.problem.tensors[one.tensor].alias is not None
                    and self.problem.tensors[one.tensor].alias == self.problem.tensors[two.tensor].alias
                )
                if not apart and not (aliases and one.offset == two.offset):
                    self._fault(f"{self._name(one.tensor)} and {self._name(two.tensor)} overlap")

    def _classes(self) -> None:
        members: dict[str, list[int]] = defaultdict(list)
        for at, tensor in enumerate(self.problem.tensors):
            if tensor.alias is not None:
                members[tensor.alias].append(at)
        for name, tensors in members.items():
            if len(tensors) < 2:
                continue
            memories = {
                fast
                for access, fast in zip(self.problem.accesses, self.plan.served_fast, strict=True)
                if access.tensor in tensors
            }
            offsets = {each.offset for each in self.plan.rectangles if each.tensor in tensors}
            if len(memories) > 1 or len(offsets) > 1:
                self._fault(f"alias class {name} is split over memories or offsets")

    def _filled(self, rectangle: int) -> int | None:
        """First instruction that may read a rectangle: after its definition, or when its copy is in."""
        held = self.plan.rectangles[rectangle]
        fills = [each.ready for each in self.plan.copies if each.rectangle == rectangle and not each.out]
        at, fast = self.defined.get(held.tensor, (-1, False))
        if fast and held.first <= at <= held.last:
            fills.append(at + 1)
        if len(fills) != 1:
            self._fault(f"a rectangle of {self._name(held.tensor)} is filled {len(fills)} times")
            return None
        return fills[0]

    def _slow_since(self, tensor: int) -> int:
        """The first instruction that may read a tensor in slow memory; past the end if never."""
        if self.problem.tensors[tensor].kind == "param":
            return 0
        at, fast = self.defined[tensor]
        if not fast:
            return at + 1
        saved = [
            each.ready + 1
            for each in self.plan.copies
            if each.out and self.plan.rectangles[each.rectangle].tensor == tensor
        ]
        return min(saved, default=len(self.problem.instructions) + 1)

    def _copies(self) -> None:
        for copy in self.plan.copies:
            if not 0 <= copy.rectangle < len(self.plan.rectangles):
                self._fault(f"a copy of rectangle {copy.rectangle}, which is not there")
            else:
                self._copy(copy)

    def _copy(self, copy: Copy) -> None:
        held = self.plan.rectangles[copy.rectangle]
        name = self._name(held.tensor)
        demand = self.problem.tensors[held.tensor].size / self.machine.slow_bytes_per_s
        if abs(sum(seconds for _, seconds in copy.charges) + copy.stall_s - demand) > self.tolerance:
            self._fault(f"a copy of {name} does not move all of it")
        if copy.stall_s < 0 or any(seconds <= 0 for _, seconds in copy.charges):
            self._fault(f"a copy of {name} takes negative time")
        used = [k for k, _ in copy.charges]
        if used != sorted(set(used)):
            self._fault(f"a copy of {name} moves out of order")
        begin, end = min([*used, copy.ready]), max([*used, copy.ready])
        if begin < held.first or end > held.last:
            self._fault(f"a copy of {name} moves while its bytes are not held")
        if copy.out:
            source, late = self._filled(copy.rectangle), end > copy.ready
            at, fast = self.defined.get(held.tensor, (-1, False))
            if fast and at == copy.ready and not used:
                source = at  # nothing moves before the stall, which comes after the definition
        else:
            source, late = self._slow_since(held.tensor), any(k >= copy.ready for k in used)
        if source is None or begin < source:
            self._fault(f"a copy of {name} starts at {begin}, before its data is there ({source})")
        if late:
            self._fault(f"a copy of {name} moves after it should be ready")

    def _idle_time(self) -> None:
        used = defaultdict(float)
        for copy in self.plan.copies:
            for k, seconds in copy.charges:
                used[k] += seconds
        lengths = self._lengths()
        for k, seconds in used.items():
            if not 0 <= k < len(lengths) or seconds > lengths[k] - self.slow[k] + self.tolerance:
                self._fault(f"copies use {seconds} s of instruction {k}, more than slow memory is idle")

    def _validity(self) -> None:
        filled = [self._filled(at) for at in range(len(self.plan.rectangles))]
        held: dict[int, list[tuple[int, int, int | None]]] = defaultdict(list)
        for each, since in zip(self.plan.rectangles, filled, strict=True):
            held[each.tensor].append((each.first, each.last, since))
        for access, fast in zip(self.problem.accesses, self.plan.served_fast, strict=True):
            at, where = access.instruction, f"instruction {access.instruction}"
            lying = [since for first, last, since in held[access.tensor] if first <= at <= last]
            if fast and access.output and not lying:
                self._fault(
                    f"{where} makes {self._name(access.tensor)} in fast memory, where it has no place"
                )
            if fast and not access.output and not any(s is not None and s <= at for s in lying):
                self._fault(f"{where} reads {self._name(access.tensor)} in fast memory, where it is not")
            if not fast and not access.output and self._slow_since(access.tensor) > at:
                self._fault(f"{where} reads {self._name(access.tensor)} in slow memory, where it is not")
        for at, tensor in enumerate(self.problem.tensors):
            if tensor.kind == "result" and self._slow_since(at) > len(self.problem.instructions):
                self._fault(f"result {tensor.name} is not in slow memory at the end")
