"""Cycles: each step on its unit, the array's edges, and how tiles follow one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .points import Array, Points, across, executions
from .traffic import Vectors
from .workload import Problem, Step

UNROLLED = 3
"""Tiles put one after the other until their distance no longer changes."""


@dataclass(frozen=True)
class Cycles:
    """Where cycles go.

    Attributes:
        steps: by Einsum, a unit's cycles for it, loading and draining of the array included.
        busy: by unit.
        total: from the first cycle to the last, in a memory that is never late.
        fill: of them, filling and draining arrays and pipeline.
        tiles: array tiles.
    """

    steps: dict[str, Array]
    busy: dict[str, Array]
    total: Array
    fill: Array
    tiles: Array


def cycles(problem: Problem, points: Points, edges: Mapping[str, list[Vectors]]) -> Cycles:
    """Cycles of all steps.

    Pipelined tiles start every so many cycles as the busiest unit needs for one. Otherwise each unit
    finishes a tile before it begins the next. In both, the first tile's way through comes on top, and the
    skew of the two-dimensional array: an operation reaches its last row and column rows + columns − 2 cycles
    later. A step that runs once in k tiles counts as 1/k of its cycles in each.
    """
    steps = {step.name: _step(problem, step, points, edges[step.name]) for step in problem.steps}
    runs = [executions(problem, step, points) for step in problem.steps]
    tiles = np.maximum.reduce(runs)
    some = np.maximum(tiles, 1)
    busy = {
        unit: np.add.reduce([steps[s.name] for s in problem.steps if s.unit == unit])
        for unit in problem.units
    }
    durations = [steps[step.name] / some for step in problem.steps]
    shares = [run / some for run in runs]
    ends = _in_order(problem, durations, shares)
    most = np.maximum.reduce(list(busy.values()))
    rows, cols = problem.array
    skew = rows + cols - 2 if any(step.flat for step in problem.steps) else 0
    if problem.pipelined:
        total = most + np.maximum(ends[0] - most / some, 0)
    else:
        total = ends[0] + (tiles - 1) * (ends[-1] - ends[-2])
    total = np.where(tiles > 0, total + skew, 0.0)
    return Cycles(steps, busy, total, total - most, tiles)


def _step(problem: Problem, step: Step, points: Points, moved: list[Vectors]) -> Array:
    """Cycles of one Einsum: its operations, or the busier edge of the array.

    Vectors along the rows come in at the left, one a cycle. All others pass the columns, one a cycle: in
    at the top or out at the bottom, matrices row by row.
    """
    count = executions(problem, step, points) * step.cost.cycles
    for rank in step.ranks & frozenset(problem.tile):
        count = count * points.inner[rank]
    if not step.flat:
        return count * across(step.ranks, problem.turns(step), points)
    left, columns = np.zeros(len(points), np.int64), np.zeros(len(points), np.int64)
    for each in moved:
        if each.use is step.write:
            columns = columns + each.written
        elif each.use.ranks & problem.cols:
            columns = columns + each.read
        else:
            left = left + each.read
    return np.maximum(count, np.maximum(left, columns))


def _in_order(problem: Problem, durations: list[Array], shares: list[Array]) -> list[Array]:
    """When tiles end whose steps every unit takes in order."""
    free = {unit: np.zeros_like(durations[0]) for unit in problem.units}
    ends: list[Array] = []
    last = np.zeros_like(durations[0])
    for _ in range(UNROLLED):
        begun: list[Array] = []
        done: list[Array] = []
        for step, duration, share in zip(problem.steps, durations, shares, strict=True):
            start = free[step.unit]
            end = start + duration
            for place, streamed in step.after:
                wait = latency(problem, problem.steps[place], step) * share
                if streamed:
                    start = np.maximum(start, begun[place] + wait)
                    end = np.maximum(end, done[place] + wait)
                else:
                    start = np.maximum(start, done[place] + wait - share)
            end = np.maximum(end, start + duration)
            free[step.unit] = end
            begun.append(start)
            done.append(end)
            last = np.maximum(last, end)
        ends.append(last)
    return ends


def latency(problem: Problem, producer: Step, consumer: Step) -> int:
    """Cycles from a step's issue to the first issue that may read its result.

    The target's own figure, else one cycle, and a cycle more for every row of the array that a result on
    its way to another unit passes.
    """
    rows, _ = problem.array
    if producer.unit == consumer.unit:
        return 1
    path = problem.target.find_transfer(producer.unit, consumer.unit)
    if path is not None:
        return path.cycles(rows)
    return rows if producer.flat else 1
