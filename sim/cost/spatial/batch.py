"""The physical model over many mappings at once: the only place its figures are put together.

`physical.evaluate` is the same over one mapping. A nest takes as long as its slowest part (units, ports
of the global buffer, DRAM), all of which overlap where the buffer has two tiles of a tensor; the first
tile's way in and the last one's way out never overlap anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ....ir.targets import Tier
from .compute import Cycles, cycles
from .points import Array, Points
from .traffic import Dram, Vectors, dram, occupied, vectors
from .workload import Problem, Step


@dataclass(frozen=True)
class Figures:
    """Everything the model says about mappings of one nest; arrays hold one figure for each.

    Attributes:
        cycles: of the units.
        dram: traffic.
        edges: by Einsum, what it moves over the edge of its unit.
        buffer_read, buffer_written: bytes at the ports of the global buffer, whole rows, by units and DRAM.
        buffer_occupied: bytes.
        compute_s, buffer_s, dram_s: seconds of each part; 0 where the target gives no bandwidth.
        alone_s: of the transfers that overlap no computing: the first tile's loading, the last one's
            storing, and everything of which the buffer has one tile only.
        latency_s: seconds.
        registers: by unit, reads of the register files, and as many writes.
        energy_pj: by component; None where the target gives no energy.
    """

    cycles: Cycles
    dram: Dram
    edges: dict[str, list[Vectors]]
    buffer_read: Array
    buffer_written: Array
    buffer_occupied: Array
    compute_s: Array
    buffer_s: Array
    dram_s: Array
    alone_s: Array
    latency_s: Array
    registers: dict[str, int]
    energy_pj: dict[str, Array | None]

    @property
    def dram_bytes(self) -> Array:
        """Bytes read from and written to DRAM."""
        return np.add.reduce([*self.dram.read.values(), *self.dram.written.values()])

    @property
    def total_pj(self) -> Array:
        """Energy of all components the target knows."""
        known = [each for each in self.energy_pj.values() if each is not None]
        return np.add.reduce([np.zeros_like(self.latency_s), *known])

    def objective(self, name: str) -> Array:
        """The figure to minimise: ``latency`` (s), ``energy`` (pJ), ``edp`` (pJ·s) or ``dram_bytes``."""
        if name == "latency":
            return self.latency_s
        if name == "energy":
            return self.total_pj
        if name == "edp":
            return self.total_pj * self.latency_s
        return self.dram_bytes.astype(np.float64)


OBJECTIVES = ("latency", "energy", "edp", "dram_bytes")


def figures(problem: Problem, points: Points) -> Figures:
    """What the mappings cost; they need not be legal (see `legal`)."""
    edges = {step.name: vectors(problem, step, points) for step in problem.steps}
    moved = dram(problem, points)
    taken = cycles(problem, points, edges)
    read, written = _ports(problem, points, edges, moved)
    main = problem.target.main
    clock = clock_hz(problem)
    dram_s = seconds(main, _sum(points, moved.read), _sum(points, moved.written))
    buffer_s = seconds(problem.buffer, read, written)
    alone_s = seconds(main, moved.alone_read, moved.alone_written)
    compute_s = taken.total / clock
    latency_s = np.maximum(dram_s, alone_s + np.maximum(compute_s, buffer_s))
    registers = dict.fromkeys(problem.units, 0)
    for step in problem.steps:
        registers[step.unit] += points_of(problem, step) * step.cost.registers
    return Figures(
        cycles=taken,
        dram=moved,
        edges=edges,
        buffer_read=read,
        buffer_written=written,
        buffer_occupied=occupied(problem, points),
        compute_s=compute_s,
        buffer_s=buffer_s,
        dram_s=dram_s,
        alone_s=alone_s,
        latency_s=latency_s,
        registers=registers,
        energy_pj=_energy(problem, points, moved, registers, read, written),
    )


def clock_hz(problem: Problem) -> float:
    """The clock of the units, which share one."""
    return min(problem.unit(name).clock_hz for name in problem.units)


def points_of(problem: Problem, step: Step) -> int:
    """Points of an Einsum's iteration space."""
    return math.prod(problem.extents[rank] for rank in step.ranks)


def seconds(tier: Tier, read: Array, written: Array) -> Array:
    """Time of a transfer at peak; 0 where the target gives no bandwidth."""
    if tier.bandwidth_read_bytes_per_s is None or tier.bandwidth_write_bytes_per_s is None:
        return np.zeros(np.shape(read))
    reading = read / tier.bandwidth_read_bytes_per_s
    writing = written / tier.bandwidth_write_bytes_per_s
    return reading + writing if tier.duplex == "half" else np.maximum(reading, writing)


def _sum(points: Points, parts: dict[str, Array]) -> Array:
    return np.add.reduce([np.zeros(len(points), np.int64), *parts.values()])


def _ports(
    problem: Problem, points: Points, edges: dict[str, list[Vectors]], moved: Dram
) -> tuple[Array, Array]:
    """Bytes read and written at the buffer's ports: by the units in whole rows, and by DRAM."""
    row = problem.buffer.alignment_bytes
    stored = [each for moves in edges.values() for each in moves if each.stored]
    zero = np.zeros(len(points), np.int64)
    read = np.add.reduce([zero, *(each.read * each.rows * row for each in stored)])
    written = np.add.reduce([zero, *(each.written * each.rows * row for each in stored)])
    return read + _sum(points, moved.written), written + _sum(points, moved.read)


def _energy(
    problem: Problem, points: Points, moved: Dram, registers: dict[str, int], read: Array, written: Array
) -> dict[str, Array | None]:
    """Picojoules by component: operations by class, register files, global buffer, DRAM."""
    found: dict[str, Array | None] = {}
    for step in problem.steps:
        for name, each in step.cost.energy_pj.items():
            so_far = found.get(name, np.zeros(len(points)))
            found[name] = None if each is None or so_far is None else so_far + points_of(problem, step) * each
    for unit in problem.units:
        each = access_pj(problem, unit)
        found[f"registers {unit}"] = None if each is None else np.full(len(points), registers[unit] * each)
    traffic = ((problem.buffer, read, written), (problem.target.main, *_both(points, moved)))
    for tier, reading, writing in traffic:
        get, put = tier.energy_read_pj_per_byte, tier.energy_write_pj_per_byte
        found[tier.name] = None if get is None or put is None else reading * get + writing * put
    return found


def access_pj(problem: Problem, unit: str) -> float | None:
    """Energy of a read and a write of a unit's registers; None where the target does not say."""
    file = problem.registers(unit)
    if file is None or file.energy_read_pj is None or file.energy_write_pj is None:
        return None
    return file.energy_read_pj + file.energy_write_pj


def _both(points: Points, moved: Dram) -> tuple[Array, Array]:
    return _sum(points, moved.read), _sum(points, moved.written)
