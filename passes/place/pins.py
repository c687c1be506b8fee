"""Tensors that are to lie in fast memory for their whole lives, at places of their own.

A pinned tensor is in fast memory from its definition, or from the copy before its first use, to its last
access, in one piece; a result is saved as well. Places are planned before anything else is mapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from ...ir.errors import InputError, PlanError
from ..offsets import Buffer, Infeasible, plan
from .board import NONE, Board, Desk, put, serve
from .plan import MemoryMap
from .problem import Machine, Problem
from .rules import reach_back

EFFORT_S = 2.0
"""For the offsets of pinned tensors."""


def matching(problem: Problem, patterns: str) -> tuple[int, ...]:
    """Tensors whose names match one of some shell patterns, separated by ``|``.

    Raises:
        InputError: a pattern that no tensor matches.
    """
    found: set[int] = set()
    for pattern in filter(None, (each.strip() for each in patterns.split("|"))):
        known = {x for x, tensor in enumerate(problem.tensors) if fnmatchcase(tensor.name, pattern)}
        if not known:
            some = ", ".join(tensor.name for tensor in problem.tensors[:8])
            raise InputError(
                f"no tensor is called {pattern!r}", where=problem.name, accepted=f"such as {some}, …"
            )
        found |= known
    return tuple(sorted(found))


def pinned_board(problem: Problem, machine: Machine, pinned: Iterable[int]) -> Board:
    """A board with nothing but the pinned tensors.

    Raises:
        Infeasible: they do not fit together; with the set that is in each other's way.
        PlanError: one may not lie in fast memory, or is larger than it.
    """
    desk = Desk(problem, machine)
    T, tensors = desk.tables, sorted(pinned)
    for x in tensors:
        tensor = problem.tensors[x]
        if not T.movable[x] or T.shared[x]:
            why = (
                f"of {tensor.size} bytes, fast memory of {machine.capacity}"
                if tensor.size > machine.capacity
                else "in an alias class"
                if T.shared[x]
                else "barred from fast memory"
            )
            raise PlanError(f"cannot be pinned: {why}", where=f"{problem.name}: {tensor.name}")
    board = desk.empty()
    copied = [_begin(desk, board, x) for x in tensors]
    needed = [(_first(desk, x), begin) for x, begin in zip(tensors, copied, strict=True)]
    try:
        offsets = _offsets(desk, tensors, [min(pair) for pair in needed])
    except Infeasible:  # without time to copy them in ahead
        offsets, copied = _offsets(desk, tensors, [first for first, _ in needed]), [f for f, _ in needed]
    for x, begin, offset in zip(tensors, copied, offsets, strict=True):
        _put(desk, board, x, begin, offset)
    return board


def _first(desk: Desk, x: int) -> int:
    return int(desk.tables.instruction[desk.lists.access[desk.lists.access_at[x]]])


def _accesses(desk: Desk, x: int) -> Sequence[int]:
    return [int(a) for a in desk.lists.access[desk.lists.access_at[x] : desk.lists.access_at[x + 1]]]


def _begin(desk: Desk, board: Board, x: int) -> int:
    """The first instruction in which a tensor's copy in may move."""
    first = _first(desk, x)
    if not desk.tables.param[x]:
        return first
    return int(reach_back(desk.tables, board, first - 1, 0, desk.tables.demand_s[x])[0])


def _offsets(desk: Desk, tensors: Sequence[int], starts: Sequence[int]) -> list[int]:
    problem, align = desk.problem, desk.machine.alignment
    buffers = [
        Buffer(
            problem.tensors[x].name, start, int(desk.tables.final[x]) + 1, int(desk.tables.height[x]), align
        )
        for x, start in zip(tensors, starts, strict=True)
    ]
    try:
        found = plan(buffers, capacity=int(desk.tables.machine[0]), time_limit_s=EFFORT_S)
    except Infeasible as error:
        error.where = f"{problem.name}, pinned tensors"
        raise
    return [found.offsets[buffer.name] for buffer in buffers]


def _put(desk: Desk, board: Board, x: int, begin: int, offset: int) -> None:
    T, last = desk.tables, int(desk.tables.final[x])
    if T.param[x]:
        put(T, board, x, offset, min(begin, _first(desk, x)), last, begin, _first(desk, x), NONE)
    else:
        done = last if T.result[x] else NONE
        put(T, board, x, offset, _first(desk, x), last, NONE, _first(desk, x), done)
    for a in _accesses(desk, x):
        serve(T, board, a)


def check_pinned(problem: Problem, plan_: MemoryMap, pinned: Iterable[int]) -> None:
    """Hold a plan to its pins; shares nothing with what makes them.

    Raises:
        PlanError: a pinned tensor is served by slow memory, or not in one piece all its life.
    """
    for x in pinned:
        spans = [(held.first, held.last) for held in plan_.rectangles if held.tensor == x]
        times = [access.instruction for access in problem.accesses if access.tensor == x]
        served = [
            fast
            for access, fast in zip(problem.accesses, plan_.served_fast, strict=True)
            if access.tensor == x
        ]
        whole = len(spans) == 1 and spans[0][0] <= min(times) and spans[0][1] >= max(times)
        if times and not (whole and all(served)):
            raise PlanError(
                "is pinned, but not held all its life", where=f"{problem.name}: {problem.tensors[x].name}"
            )
