"""The physical model of a cascade on a spatial accelerator: mapping × target → cycles, bytes, joules, area.

Unlike the paper's closed forms (`paper`) it counts what a machine has: whole rows at the ports of the
global buffer, words at the edges of the array, its fill and drain, the first tile's way in and the last
one's way out, and the register file of every processing element.

Interface::

    evaluate(cascade, mapping, target, *, element_bytes=2, schedule=None) -> SpatialCost
    attention.attention(batch, heads, e, f, m, p, target, configuration="binding", ...) -> SpatialCost

`evaluate` takes any `ir.view.Cascade` with extents; the initialization is free (views and constants). With
a `Schedule` of one tile, cycles come from `epochs.epoch_cycles`, the model compared with ``rtl/fusemax``;
without one, tiles follow each other at the closed-form period max(busy 2D, busy 1D). Every figure of
`SpatialCost` has its unit in its name, and None where the target gives no constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ....ir.schedule import Schedule
from ....ir.targets import Target
from ....ir.view import Cascade
from .batch import Figures, clock_hz, figures, points_of
from .epochs import EpochCycles, EpochShape, epoch_cycles
from .legal import check
from .mapping import Mapping, MappingError
from .points import Points, tile_elements
from .workload import Problem, problem


@dataclass(frozen=True)
class SpatialCost:
    """What a mapping costs; nests one after the other add up.

    Attributes:
        latency_s: seconds from start to end.
        cycles: the same in cycles of the clock.
        compute_s, buffer_s, dram_s: seconds each part alone would take.
        bound: the part that takes longest, ``compute``, ``buffer`` or ``dram``.
        fill_cycles: of the compute cycles, those the busiest unit does not work: filling and draining.
        busy_cycles: by unit, cycles it works on something.
        utilisation: by unit, busy cycles over all.
        occupancy: by unit, the share of its instances' cycles that the operations themselves need: busy
            cycles less idle rows and columns, ragged tiles and the array's loading.
        einsum_cycles: by Einsum, cycles of its unit.
        operations: by class; a multiply-accumulate counts once.
        dram_read_bytes, dram_written_bytes: by tensor.
        compulsory_bytes: inputs read once and results written once.
        buffer_read_bytes, buffer_written_bytes: at the buffer's ports, whole rows, units and DRAM together.
        buffer_occupied_bytes: most at any time.
        register_accesses: by unit, reads of all its register files, and as many writes.
        energy_pj: by component, None where unpublished.
        area_um2: by component, None where unpublished.
        phases: the nests, each with its own figures.
    """

    latency_s: float
    cycles: float
    compute_s: float
    buffer_s: float
    dram_s: float
    bound: str
    fill_cycles: float
    busy_cycles: Table[str, float]
    utilisation: Table[str, float]
    occupancy: Table[str, float]
    einsum_cycles: Table[str, int]
    operations: Table[str, int]
    dram_read_bytes: Table[str, int]
    dram_written_bytes: Table[str, int]
    compulsory_bytes: int
    buffer_read_bytes: int
    buffer_written_bytes: int
    buffer_occupied_bytes: int
    register_accesses: Table[str, int]
    energy_pj: Table[str, float | None]
    area_um2: Table[str, float | None]
    phases: tuple[SpatialCost, ...] = ()

    @property
    def dram_bytes(self) -> int:
        """Bytes read from and written to DRAM."""
        return sum(self.dram_read_bytes.values()) + sum(self.dram_written_bytes.values())

    @property
    def total_energy_pj(self) -> float:
        """Energy of the components that are known."""
        return sum(each for each in self.energy_pj.values() if each is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Components whose energy the target does not give."""
        return tuple(name for name, each in self.energy_pj.items() if each is None)

    def text(self) -> str:
        """The figures for people."""
        parts = f"units {self.compute_s:.4g} s, buffer {self.buffer_s:.4g} s, DRAM {self.dram_s:.4g} s"
        lines = [
            f"latency   {self.latency_s:.4g} s, {self.cycles:.0f} cycles; {self.bound} sets it ({parts})"
        ]
        for unit, share in self.utilisation.items():
            lines.append(f"{unit:9} busy {share:.1%}, its instances {self.occupancy[unit]:.1%}")
        moved = f"{self.dram_bytes} bytes, of which compulsory {self.compulsory_bytes}"
        ports = self.buffer_read_bytes + self.buffer_written_bytes
        lines += [
            f"DRAM      {moved}",
            f"buffer    {ports} bytes moved, {self.buffer_occupied_bytes} occupied",
        ]
        known = sorted(((e, name) for name, e in self.energy_pj.items() if e), reverse=True)
        shares = ", ".join(f"{name} {e / self.total_energy_pj:.1%}" for e, name in known)
        lines.append(f"energy    {self.total_energy_pj * 1e-12:.4g} J: {shares or 'none'}")
        if self.unknown:
            lines.append(f"          without {', '.join(self.unknown)}: unpublished")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        more = {
            "dram_bytes": self.dram_bytes,
            "total_energy_pj": self.total_energy_pj,
            "unknown_energy": list(self.unknown),
        }
        return {**asdict(self), **more}


def evaluate(
    cascade: Cascade,
    mapping: Mapping,
    target: Target,
    *,
    element_bytes: int = 2,
    schedule: Schedule | None = None,
) -> SpatialCost:
    """What a cascade costs on a target under a mapping.

    Args:
        cascade: with extents.
        mapping: loop nests that run every extended Einsum once.
        target: with a DRAM, a buffer, and one- and two-dimensional units.
        element_bytes: of every tensor element, partial sums included.
        schedule: of one tile, for a mapping of one nest; its tasks are Einsums of the nest.

    Raises:
        MappingError: an Einsum that no nest or more than one runs, or a nest that is not legal.
        TargetError: a unit the target lacks.
    """
    _check_once(cascade, mapping)
    if schedule is not None and len(mapping.nests) != 1:
        raise MappingError("a schedule is of one nest", accepted="a mapping with one nest")
    phases = []
    for nest in mapping.nests:
        stated = problem(cascade, nest, target, element_bytes)
        points = Points.of(stated, [nest])
        check(stated, points)
        found = figures(stated, points)
        timed = epochs(stated, points, schedule) if schedule is not None else None
        phases.append(_cost(stated, found, timed))
    return _together(phases, target)


def epochs(stated: Problem, points: Points, schedule: Schedule) -> EpochCycles:
    """Cycles of a scheduled nest with a generational rank: key tiles m1, query tiles p1, blocks of both.

    Args:
        stated: the nest.
        points: its numbers, one mapping.
        schedule: of one tile. Einsums it leaves out come after each block; results of which the buffer has
            one tile leave as they are made.

    Raises:
        MappingError: nothing is carried from generation to generation.
        PlanError: too many tiles in flight.
    """
    if not stated.carried:
        raise MappingError("a schedule of epochs needs a generational rank")
    rank = next(iter(stated.carried.values()))
    m1 = int(points.outer[rank, 0] * points.inner[rank, 0])
    others = [r for r in range(len(stated.ranks)) if r != rank and r not in stated.tile]
    p1 = math.prod(int(points.inner[r, 0]) for r in others)
    blocks = math.prod(int(points.outer[r, 0]) for r in others)
    found = figures(stated, points)
    scheduled = {place.task.name for place in schedule.placed}
    rest = [step for step in stated.steps if step.name not in scheduled]
    post = {step.unit: int(found.cycles.steps[step.name][0]) // max(blocks, 1) for step in rest}
    main, clock = stated.target.main, clock_hz(stated)
    loads, stored = {True: 0, False: 0}, 0
    for tensor, place in stated.place.items():
        if place == "dram" and tensor not in stated.source:
            use = stated.readers(tensor)[0][1]
            size = int(tile_elements(stated, points, use)[0]) * stated.element_bytes
            loads[rank in use.ranks] += size
        elif tensor in stated.single:
            use = stated.steps[stated.source[tensor]].write
            stored += int(tile_elements(stated, points, use)[0]) * stated.element_bytes
    speed = (main.bandwidth_read_bytes_per_s or math.inf) / clock
    leaving = math.ceil(stored * clock / (main.bandwidth_write_bytes_per_s or math.inf))
    rows, cols = stated.array
    shape = EpochShape(
        m1=m1,
        p1=p1,
        blocks=blocks,
        q_cycles=math.ceil(loads[False] / speed),
        kv_cycles=math.ceil(loads[True] / speed),
        fill_cycles=rows + cols,
        post_cycles=max(sum(post.values()), leaving),
        post_busy=sum(post.values()),
        post_unit=next(iter(post), stated.units[-1]),
    )
    return epoch_cycles(schedule, shape)


def _check_once(cascade: Cascade, mapping: Mapping) -> None:
    count = dict.fromkeys((einsum.output.tensor for einsum in cascade.einsums), 0)
    for nest in mapping.nests:
        for name in nest.units:
            count[name] = count.get(name, 0) + 1
    for name, times in count.items():
        if times != 1:
            raise MappingError(f"{times} nests run it", where=name, accepted="one")


def _cost(stated: Problem, found: Figures, timed: EpochCycles | None) -> SpatialCost:
    clock = clock_hz(stated)
    compute_s = timed.total / clock if timed else float(found.compute_s[0])
    buffer_s, dram_s = float(found.buffer_s[0]), float(found.dram_s[0])
    latency = max(compute_s, buffer_s, dram_s) if timed else float(found.latency_s[0])
    busy = {unit: float(count[0]) for unit, count in found.cycles.busy.items()}
    if timed:
        busy = {unit: float(count) for unit, count in timed.busy.items()}
    operations: dict[str, int] = {}
    useful = dict.fromkeys(stated.units, 0)
    compulsory = 0
    for step in stated.steps:
        for name, count in step.cost.operations.items():
            operations[name] = operations.get(name, 0) + count * points_of(stated, step)
        useful[step.unit] += step.cost.cycles * points_of(stated, step)
    for tensor, place in stated.place.items():
        if place == "dram" and (tensor not in stated.source or tensor in stated.results):
            compulsory += least_elements(stated, tensor) * stated.element_bytes
    parts = {"compute": compute_s, "buffer": buffer_s, "dram": dram_s}
    total = latency * clock
    return SpatialCost(
        latency_s=latency,
        cycles=total,
        compute_s=compute_s,
        buffer_s=buffer_s,
        dram_s=dram_s,
        bound=max(parts, key=lambda name: parts[name]),
        fill_cycles=compute_s * clock - max(busy.values(), default=0.0),
        busy_cycles=busy,
        utilisation={unit: count / total if total else 0.0 for unit, count in busy.items()},
        occupancy={
            unit: count / stated.unit(unit).instances / total if total else 0.0
            for unit, count in useful.items()
        },
        einsum_cycles={name: int(count[0]) for name, count in found.cycles.steps.items()},
        operations=operations,
        dram_read_bytes={name: int(count[0]) for name, count in found.dram.read.items()},
        dram_written_bytes={name: int(count[0]) for name, count in found.dram.written.items()},
        compulsory_bytes=compulsory,
        buffer_read_bytes=int(found.buffer_read[0]),
        buffer_written_bytes=int(found.buffer_written[0]),
        buffer_occupied_bytes=int(found.buffer_occupied[0]),
        register_accesses=found.registers,
        energy_pj={name: None if e is None else float(e[0]) for name, e in found.energy_pj.items()},
        area_um2={},
    )


def least_elements(stated: Problem, tensor: str) -> int:
    """Elements of a tensor, each once: what has to be read or written at least."""
    uses = [use for _, use in stated.readers(tensor)]
    if tensor in stated.source:
        uses = [stated.steps[stated.source[tensor]].write]
    sizes = []
    for use in uses:
        count = 1
        for dim in use.dims:
            product = math.prod(stated.extents[rank] for rank, _ in dim)
            reach = 1 + sum(coefficient * (stated.extents[rank] - 1) for rank, coefficient in dim)
            count *= product if len(dim) == 1 else min(product, max(reach, 0))
        sizes.append(count)
    return max(sizes)


def area_um2(target: Target) -> dict[str, float | None]:
    """Area by component in µm²: circuits and registers of every unit; the buffers' own is unpublished."""
    found: dict[str, float | None] = {}
    for part in target.component:
        found[f"{part.name} {part.unit}"] = part.area_um2 * target.find_unit(part.unit).instances
    for file in target.register:
        count = target.find_unit(file.unit).instances
        found[f"registers {file.unit}"] = None if file.area_um2 is None else file.area_um2 * count
    return found | {tier.name: None for tier in target.tier if tier.name != target.main_tier}


def _together(phases: Sequence[SpatialCost], target: Target) -> SpatialCost:
    """Nests one after the other."""
    total = sum(phase.latency_s for phase in phases)

    def added(name: str) -> dict[str, Any]:
        sums: dict[str, Any] = {}
        for phase in phases:
            for key, value in getattr(phase, name).items():
                so_far = sums.get(key, 0)
                sums[key] = None if value is None or so_far is None else so_far + value
        return sums

    def shared(name: str) -> dict[str, float]:
        weights = np.array([phase.latency_s for phase in phases]) / (total or 1.0)
        keys = dict.fromkeys(key for phase in phases for key in getattr(phase, name))
        return {
            key: float(sum(w * getattr(p, name).get(key, 0.0) for w, p in zip(weights, phases, strict=True)))
            for key in keys
        }

    parts = {
        part: sum(getattr(phase, f"{part}_s") for phase in phases) for part in ("compute", "buffer", "dram")
    }
    return SpatialCost(
        latency_s=total,
        cycles=sum(phase.cycles for phase in phases),
        compute_s=parts["compute"],
        buffer_s=parts["buffer"],
        dram_s=parts["dram"],
        bound=max(parts, key=lambda name: parts[name]),
        fill_cycles=sum(phase.fill_cycles for phase in phases),
        busy_cycles=added("busy_cycles"),
        utilisation=shared("utilisation"),
        occupancy=shared("occupancy"),
        einsum_cycles=added("einsum_cycles"),
        operations=added("operations"),
        dram_read_bytes=added("dram_read_bytes"),
        dram_written_bytes=added("dram_written_bytes"),
        compulsory_bytes=sum(phase.compulsory_bytes for phase in phases),
        buffer_read_bytes=sum(phase.buffer_read_bytes for phase in phases),
        buffer_written_bytes=sum(phase.buffer_written_bytes for phase in phases),
        buffer_occupied_bytes=max((phase.buffer_occupied_bytes for phase in phases), default=0),
        register_accesses=added("register_accesses"),
        energy_pj=added("energy_pj"),
        area_um2=area_um2(target),
        phases=tuple(phases) if len(phases) > 1 else (),
    )
