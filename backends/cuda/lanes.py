"""Which steps wait for which, from the bytes they touch; streams for them; and a check of both.

Two steps need an order when one writes bytes that the other reads or writes. Every step runs on a stream, its
lane, in the order of the list; orders that lanes do not give are events. Steps that need none run at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...ir.errors import PlanError
from .plan import EntryPlan, Plan, Span, Step

LANES = 4
"""Streams for kernels; copies have one of their own behind them, for the copy engines."""
FETCHES = LANES + 1
"""The stream of copies from the host's memory."""


def clash(first: Step, second: Step) -> bool:
    """Whether two steps need an order."""
    return (
        _meet(first.writes, second.reads)
        or _meet(first.reads, second.writes)
        or _meet(first.writes, second.writes)
    )


def _meet(some: Sequence[Span], others: Sequence[Span]) -> bool:
    return any(one.meets(other) for one in some for other in others)


def in_lanes(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with lanes and events: as few events as orders need."""
    placed: list[Step] = []
    ends: dict[int, int] = {}  # lane → its last step
    before: list[frozenset[int]] = []  # per step, the steps that have ended when it begins, itself too
    for number, step in enumerate(steps):
        needed = [other for other in range(number) if clash(steps[other], step)]
        # What a later needed step waits for anyway needs no event of its own.
        direct = [one for one in needed if not any(one in before[other] for other in needed if other > one)]
        lane = _lane(step, direct, ends)
        known = before[ends[lane]] if lane in ends else frozenset[int]()
        after = tuple(one for one in direct if one not in known)
        before.append(known.union(*(before[one] for one in after), {number}))
        placed.append(replace(step, lane=lane, after=after))
        ends[lane] = number
    return tuple(placed)


def _lane(step: Step, direct: Sequence[int], ends: dict[int, int]) -> int:
    """The lane of a step it needs, if that is the lane's last; else a free one, or the longest done."""
    if step.kind in ("copy", "fetch"):
        return LANES if step.kind == "copy" else FETCHES
    for lane in range(LANES):
        if ends.get(lane) in direct:
            return lane
    free = [lane for lane in range(LANES) if lane not in ends]
    return free[0] if free else min(range(LANES), key=lambda lane: ends[lane])


def check(plan: Plan) -> None:
    """Hold a plan to its rules: bytes inside the allocation and its sections, and every order given.

    Raises:
        PlanError: the first rule broken, with the step.
    """
    _check_sections(plan)
    for name, entry in plan.entries.items():
        _check_orders(name, entry)
        _check_far(plan, name, entry)
        for number, step in enumerate(entry.steps):
            _check_step(plan, step, f"{name}, step {number} ({step.name})")


def _check_sections(plan: Plan) -> None:
    spans = sorted((start, start + size, name) for name, (start, size) in plan.sections.items())
    end = 0
    for start, stop, name in spans:
        if start < end or stop > plan.bytes:
            raise PlanError(f"section {name} overlaps another or the end", where="device allocation")
        end = stop


def _check_step(plan: Plan, step: Step, where: str) -> None:
    for span in (*step.reads, *step.writes):
        if not 0 <= span.start <= span.end <= plan.bytes:
            raise PlanError(f"bytes {span.start} to {span.end} of {plan.bytes}", where=where)
    start, size = plan.sections["weights"]
    if _meet(step.writes, (Span(start, start + size),)):
        raise PlanError("writes to weights", where=where)
    if step.kind != "kernel":
        return
    if step.name not in plan.kernels:
        raise PlanError("no such kernel", where=where)
    for tensor in plan.kernels[step.name].kernel.tensors():
        own = Span(step.places[tensor.name], step.places[tensor.name] + tensor.bytes)
        held = step.reads if tensor.role == "in" else step.writes
        if not any(span.start <= own.start and own.end <= span.end for span in held):
            raise PlanError(f"touches {tensor.name} beyond what it says it does", where=where)
        if tensor.role != "in" and any(
            own.meets(Span(step.places[other.name], step.places[other.name] + other.bytes))
            for other in plan.kernels[step.name].kernel.tensors()
            if other.name != tensor.name
        ):
            raise PlanError(f"{tensor.name} lies over another of its tensors", where=where)


def _check_far(plan: Plan, name: str, entry: EntryPlan) -> None:
    """The window is written by fetches alone, and every weight read in it is the one it should be."""
    start, size = plan.sections.get("window", (0, 0))
    window = Span(start, start + size)
    there: list[tuple[Span, int]] = []  # what lies where, and where it begins in the host's image
    for number, step in enumerate(entry.steps):
        where = f"{name}, step {number} ({step.name})"
        if step.kind == "fetch":
            to = Span(step.places["to"], step.places["to"] + step.bytes)
            source = step.places["far"]
            if to.start < window.start or to.end > window.end or step.writes != (to,):
                raise PlanError(f"brings bytes {to.start} to {to.end}", where=where, accepted="the window's")
            if source < 0 or source + step.bytes > plan.far_bytes:
                raise PlanError(f"brings byte {source} of {plan.far_bytes} in the host's memory", where=where)
            there = [(held, weight) for held, weight in there if not held.meets(to)] + [(to, source)]
            continue
        if _meet(step.writes, (window,)):
            raise PlanError("writes to the window", where=where)
        for place, source in _reads_far(step, window, where).items():
            at = step.places[place]
            end = at + (_tensor_bytes(plan, step, place) if step.kind == "kernel" else step.bytes)
            if not any(
                held.start <= at and end <= held.end and at - held.start == source - weight
                for held, weight in there
            ):
                raise PlanError(f"reads {place} in the window, where it is not", where=where)


def _reads_far(step: Step, window: Span, where: str) -> Mapping[str, int]:
    """The weights a step reads in the window: all that it has a place for there."""
    for place, at in step.places.items():
        if window.start <= at < window.end and place not in step.far:
            raise PlanError(f"does not say which weight {place} is", where=where)
    return step.far


def _tensor_bytes(plan: Plan, step: Step, name: str) -> int:
    return next(tensor.bytes for tensor in plan.kernels[step.name].kernel.tensors() if tensor.name == name)


def _check_orders(name: str, entry: EntryPlan) -> None:
    """Every pair that needs an order has one, by lanes and events alone."""
    reached: list[set[int]] = []
    last: dict[int, int] = {}
    for number, step in enumerate(entry.steps):
        known = set(reached[last[step.lane]]) | {last[step.lane]} if step.lane in last else set()
        for other in step.after:
            if not 0 <= other < number:
                raise PlanError(f"waits for step {other}", where=f"{name}, step {number} ({step.name})")
            known |= reached[other] | {other}
        for other in range(number):
            if other not in known and clash(entry.steps[other], step):
                raise PlanError(
                    f"runs beside step {other} ({entry.steps[other].name}) on the same bytes",
                    where=f"{name}, step {number} ({step.name})",
                )
        reached.append(known)
        last[step.lane] = number
