"""Which mappings exist: they cover the cascade, obey its dependences, and fit array, registers and buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mapping import MappingError
from .points import Array, Points, across, array_loops, dram_loops
from .traffic import occupied
from .workload import Problem, Step

MOST_POINTS = 2**58
"""Points of an iteration space whose costs still count exactly in 64 bits."""


@dataclass(frozen=True)
class Objection:
    """A rule, and the mappings that break it; ``least`` is the least of what it limits."""

    broken: Array
    where: str
    message: str
    accepted: str = ""
    least: int = 0


def objections(problem: Problem, points: Points) -> list[Objection]:
    """Every rule that some mapping might break."""
    found = [*_covering(problem, points), *_spatial(problem, points)]
    for tensor in problem.source:
        if problem.place[tensor] != "dram":
            found += _residence(problem, points, tensor)
    return [*found, *_registers(problem, points), *_capacity(problem, points)]


def legal(problem: Problem, points: Points) -> Array:
    """Which mappings obey every rule."""
    good = np.ones(len(points), bool)
    for each in objections(problem, points):
        good &= ~each.broken
    return good


def check(problem: Problem, points: Points) -> None:
    """Check one mapping.

    Raises:
        MappingError: the first rule it breaks, naming the rank, tensor, unit or tier.
    """
    for each in objections(problem, points):
        if each.broken[0]:
            raise MappingError(each.message, where=each.where, accepted=each.accepted or None)


def _covering(problem: Problem, points: Points) -> list[Objection]:
    found = []
    for step in problem.steps:
        size = 1
        for rank in step.ranks:
            size *= problem.extents[rank]
        if size > MOST_POINTS:
            raise MappingError(
                f"{size} points", where=step.name, accepted=f"at most {MOST_POINTS} in one Einsum"
            )
    for rank, name in enumerate(problem.ranks):
        extent = problem.extents[rank]
        inside = points.inner[rank] * points.spatial[rank]
        positive = (points.outer[rank] >= min(extent, 1)) & (inside >= 1)
        covered = points.outer[rank] * inside >= extent
        wasted = (points.outer[rank] - 1) * inside >= max(extent, 1)
        exact = f"outer × inner × spatial that cover {extent}, and no trip that does nothing"
        found.append(Objection(~positive | ~covered, name, f"does not cover its extent {extent}", exact))
        found.append(Objection(wasted, name, f"has trips beyond its extent {extent}", exact))
    return found


def _spatial(problem: Problem, points: Points) -> list[Objection]:
    found = []
    for rank, name in enumerate(problem.ranks):
        if rank not in problem.rows | problem.cols:
            found.append(Objection(points.spatial[rank] > 1, name, "is spatial, on no axis", "rows or cols"))
    flat = any(step.flat for step in problem.steps)
    rows, cols = problem.array
    every = frozenset(range(len(problem.ranks)))
    for axis, ranks, most in (("rows", problem.rows, rows), ("columns", problem.cols, cols)):
        if ranks and (flat or axis == "columns"):
            names = ", ".join(problem.ranks[rank] for rank in sorted(ranks))
            used = across(every, ranks, points)
            found.append(Objection(used > most, names, f"more {axis} than there are", f"at most {most}"))
    return found


def _residence(problem: Problem, points: Points, tensor: str) -> list[Objection]:
    """Loops that a kept tensor must not outlive.

    Its own loops lie outside those that only its writer or a reader has: else tiles of all of them would
    have to be kept. What a later pass reads keeps its whole fiber: in registers there is no room for it.
    """
    writer = problem.steps[problem.source[tensor]]
    generation = problem.carried.get(tensor)
    mine = writer.write.ranks - ({generation} if generation is not None else set())
    place = problem.place[tensor]
    found = []
    for step in {step.name: step for step in (writer, *(s for s, _ in problem.readers(tensor)))}.values():
        loops = array_loops(problem, step, points) if place == "array" else dram_loops(step, points)
        others = step.ranks - mine
        for rank, trips, position in loops:
            if rank in mine:
                for other, times, outside in loops:
                    if other in others:
                        broken = (trips > 1) & (times > 1) & (position > outside)
                        broken &= position < 2 * len(problem.ranks)
                        found.append(_order(problem, broken, tensor, rank, other))
    for reader, use in problem.readers(tensor):
        apart = [r for r in use.ranks & mine if reader.level[r] > writer.level[r]]
        for rank in apart:
            found += _crossing(problem, points, tensor, rank, mine, reader)
    return found


def _order(problem: Problem, broken: Array, tensor: str, rank: int, other: int) -> Objection:
    names = problem.ranks
    message = f"its loop over {names[other]} lies outside {names[rank]}'s, but {tensor} is kept for one tile"
    return Objection(broken, names[rank], message, f"{names[rank]} outside {names[other]}")


def _crossing(
    problem: Problem, points: Points, tensor: str, rank: int, mine: frozenset[int], reader: Step
) -> list[Objection]:
    """A pass boundary over `rank` between the tensor and a reader."""
    name = problem.ranks[rank]
    if problem.place[tensor] == "array":
        trips = points.outer[rank] * points.inner[rank]
        message = f"{reader.name} reads {tensor} in a later pass, and registers hold one value of it"
        return [Objection(trips > 1, name, message, "one trip, or the buffer")]
    found = []
    for other in mine - {rank}:
        broken = (points.outer[rank] > 1) & (points.outer[other] > 1)
        broken = broken & (points.dram[other] > points.dram[rank])
        found.append(_order(problem, broken, tensor, other, rank))
    return found


def _registers(problem: Problem, points: Points) -> list[Objection]:
    """Values that a processing element keeps at once, at least: operands, and what stays with it."""
    found = []
    for unit in problem.units:
        registers = problem.registers(unit)
        if registers is None:
            continue
        file = next(each for each in problem.target.buffer if each.name == registers.buffer)
        need = np.full(len(points), 3, np.int64)
        for tensor, at in problem.source.items():
            if problem.place[tensor] == "array" and _keeper(problem, tensor) == unit:
                need = need + _entries(problem, points, tensor, problem.steps[at])
        most = file.capacity_bytes // problem.element_bytes
        found.append(Objection(need > most, file.name, "too few entries", f"at most {most} values at once"))
    return found


def _keeper(problem: Problem, tensor: str) -> str:
    """The unit whose registers keep a tensor: its writer's, or its reader's when it leaves the array."""
    writer = problem.steps[problem.source[tensor]]
    readers = [step for step, _ in problem.readers(tensor)]
    leaves = writer.flat and not problem.in_elements(tensor)
    return next((step.unit for step in readers if not step.flat), writer.unit) if leaves else writer.unit


def _entries(problem: Problem, points: Points, tensor: str, writer: Step) -> Array:
    one = np.ones(len(points), np.int64)
    streamed = all(dict(step.after).get(problem.source[tensor], False) for step, _ in problem.readers(tensor))
    if streamed:
        return one
    for rank in problem.serial(writer):
        if rank in writer.write.ranks:
            one = one * (points.inner[rank] if rank in problem.tile else points.spatial[rank])
    return one


def _capacity(problem: Problem, points: Points) -> list[Objection]:
    buffer = problem.buffer
    if buffer.capacity_bytes is None:
        return []
    used = occupied(problem, points)
    least = int(used.min()) if len(used) else 0
    return [
        Objection(
            used > buffer.capacity_bytes,
            buffer.name,
            f"holds {buffer.capacity_bytes} bytes, and the tiles take {least}",
            "smaller inner trips",
            least,
        )
    ]
