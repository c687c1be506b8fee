"""The mapper: the best mapping of a cascade on a spatial accelerator, by the physical model.

Small spaces are searched in full. In large ones, random mappings of every dataflow are priced, and the best
are improved a choice or two at a time (a rank's split, a loop order) until nothing gets better. Dataflows
whose lower bound is no better than the best mapping so far are left out, which loses nothing. Everything is
priced thousands of mappings at a time; the lower bound of all stands beside the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir.errors import InputError, PlanError
from ...ir.targets import Target
from ...ir.view import Cascade
from ...sim.cost.spatial.batch import OBJECTIVES, access_pj, clock_hz, figures, points_of
from ...sim.cost.spatial.legal import Objection, legal, objections
from ...sim.cost.spatial.mapping import Mapping
from ...sim.cost.spatial.physical import SpatialCost, evaluate, least_elements
from ...sim.cost.spatial.workload import Problem, Step
from ..analyse.sizes import require_extents
from .mapper_space import Box, boxes, performs

Progress = Callable[[str, float, float | None], None]
CHUNK = 1 << 14
"""Mappings priced at once."""
EXHAUSTIVE = 1 << 21
"""Mappings up to which a space is searched in full."""
STARTS = 16
"""Mappings of a dataflow that local search may improve."""
LEADERS = 8
"""Dataflows that random search goes on with."""
LEAST = 32
"""Random mappings of a dataflow, at least."""
LEAPS = 512
"""Mappings two or three choices away that are tried when none is better that is one choice away."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        mapping, cost: the best mapping, and what it costs.
        objective, value: what was minimised (s, pJ, pJ·s or bytes), and the mapping's.
        bound: no mapping of the searched dataflows does better; a roof, which need not be reached.
        considered: mappings looked at; those of dataflows that the bound rules out are not.
        evaluations: of them, the legal ones, priced.
        seconds: taken.
        exhaustive: every mapping was looked at, or ruled out with its dataflow.
    """

    mapping: Mapping
    cost: SpatialCost
    objective: str
    value: float
    bound: float
    considered: int
    evaluations: int
    seconds: float
    exhaustive: bool

    @property
    def rate(self) -> float:
        """Mappings looked at in a second."""
        return self.considered / self.seconds if self.seconds else 0.0

    def text(self) -> str:
        """The mapping as loops, what it costs, and how it was found."""
        unit = {"latency": "s", "energy": "pJ", "edp": "pJ·s", "dram_bytes": "bytes"}[self.objective]
        how = "all of them or their bounds" if self.exhaustive else "a sample, improved"
        return (
            f"{self.mapping}\n{self.cost.text()}\n"
            f"{self.objective.replace('_', ' ')} {self.value:.6g} {unit}, no mapping below {self.bound:.6g}; "
            f"{self.considered} mappings looked at ({how}), {self.rate:.0f} a second"
        )

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            "mapping": self.mapping.to_json(),
            "cost": self.cost.to_json(),
            "objective": self.objective,
            "value": self.value,
            "bound": self.bound,
            "considered": self.considered,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "per_second": self.rate,
            "exhaustive": self.exhaustive,
        }


@dataclass
class _Best:
    """The best so far, and how much was looked at."""

    value: float = np.inf
    box: Box | None = None
    digits: np.ndarray | None = None
    considered: int = 0
    evaluations: int = 0


def search(
    cascade: Cascade,
    target: Target,
    *,
    objective: str = "latency",
    budget: int = 200_000,
    exhaustive: int = EXHAUSTIVE,
    seed: int = 0,
    element_bytes: int = 2,
    limit: float = np.inf,
    progress: Progress | None = None,
) -> Found:
    """The best mapping of a cascade, all its Einsums fused in one nest.

    Args:
        cascade: with extents.
        target: with a DRAM, a buffer, and one- and two-dimensional units.
        objective: ``latency`` (s), ``energy`` (pJ), ``edp`` (pJ·s) or ``dram_bytes``.
        budget: mappings to look at where the space is larger than `exhaustive`.
        exhaustive: mappings up to which the space is searched in full.
        seed: of the random mappings.
        element_bytes: of a tensor element.
        limit: mappings that are no better than this are of no interest.
        progress: told what has been looked at, of how much.

    Raises:
        InputError: an unknown objective, or a rank without an extent.
        PlanError: no unit performs an Einsum; or no mapping is legal: says which rule is in the way and what
            would fit; or none is better than the limit.
    """
    if objective not in OBJECTIVES:
        raise InputError(f"no objective {objective!r}", accepted=", ".join(OBJECTIVES))
    require_extents(cascade)
    start = time.perf_counter()
    space = boxes(cascade, target, element_bytes=element_bytes)
    if not space:
        raise _unmapped(cascade, target)
    space.sort(key=lambda box: bound(box.problem, objective))
    total = sum(box.size for box in space)
    best = _Best(limit)
    whole = total <= exhaustive
    if whole:
        _all(space, objective, best, total, progress)
    else:
        _sample(space, objective, best, budget, np.random.default_rng(seed), progress)
    if best.box is None or best.digits is None:
        if limit < np.inf:
            raise PlanError(f"no mapping is better than {limit:.6g}", where=objective)
        raise _infeasible(space, seed)
    mapping = Mapping((best.box.mapping(best.digits),))
    return Found(
        mapping=mapping,
        cost=evaluate(cascade, mapping, target, element_bytes=element_bytes),
        objective=objective,
        value=best.value,
        bound=bound(space[0].problem, objective),
        considered=best.considered,
        evaluations=best.evaluations,
        seconds=time.perf_counter() - start,
        exhaustive=whole,
    )


def _unmapped(cascade: Cascade, target: Target) -> PlanError:
    """Why there is no dataflow at all: an Einsum that nothing performs, or a nest that none can be."""
    for einsum in cascade.einsums:
        if not any(performs(einsum, unit, target) for unit in target.unit if len(unit.shape) <= 2):
            return PlanError(f"no unit of {target.name} performs it", where=str(einsum))
    return PlanError(f"no dataflow fuses these Einsums on {target.name}", accepted="--cut, for several nests")


def compulsory_bytes(problem: Problem) -> tuple[int, int]:
    """Bytes of a nest's inputs, and of its results, each once."""
    bytes_in = bytes_out = 0
    for tensor, place in problem.place.items():
        if place == "dram" and tensor not in problem.source:
            bytes_in += least_elements(problem, tensor) * problem.element_bytes
        elif tensor in problem.results:
            bytes_out += least_elements(problem, tensor) * problem.element_bytes
    return bytes_in, bytes_out


def bound(problem: Problem, objective: str) -> float:
    """What no mapping of a dataflow can do better than.

    Compulsory traffic, and every unit busy with its operations on as many instances as the ranks over rows
    and columns can fill.
    """
    main, (bytes_in, bytes_out) = problem.target.main, compulsory_bytes(problem)
    work = dict.fromkeys(problem.units, 0.0)
    energy = 0.0
    for step in problem.steps:
        points = points_of(problem, step)
        work[step.unit] += points * step.cost.cycles / _spread(problem, step)
        energy += points * sum(each or 0.0 for each in step.cost.energy_pj.values())
        energy += points * step.cost.registers * (access_pj(problem, step.unit) or 0.0)
    energy += bytes_in * (main.energy_read_pj_per_byte or 0.0)
    energy += bytes_out * (main.energy_write_pj_per_byte or 0.0)
    # In and out through the buffer, each byte once.
    energy += (bytes_in + bytes_out) * (problem.buffer.energy_read_pj_per_byte or 0.0)
    energy += (bytes_in + bytes_out) * (problem.buffer.energy_write_pj_per_byte or 0.0)
    roof = max(work.values()) / clock_hz(problem)
    memory = main.seconds(bytes_in, bytes_out) if main.bandwidth_read_bytes_per_s else 0.0
    latency = max(roof, memory)
    return {
        "latency": latency,
        "energy": energy,
        "edp": latency * energy,
        "dram_bytes": float(bytes_in + bytes_out),
    }[objective]


def _spread(problem: Problem, step: Step) -> int:
    """Instances of its unit that a step can fill."""
    rows, cols = problem.array
    count = 1
    for axis, most in ((problem.rows if step.flat else frozenset(), rows), (problem.wide(step), cols)):
        size = 1
        for rank in axis & step.ranks:
            size *= max(problem.extents[rank], 1)
        count *= min(size, most)
    return count


def _price(box: Box, digits: np.ndarray, objective: str, best: _Best) -> np.ndarray:
    """The objective of every mapping, infinite where it is not legal; keeps the best."""
    points = box.points(digits)
    good = legal(box.problem, points)
    values = np.full(len(points), np.inf)
    best.considered += len(points)
    if good.any():
        values[good] = figures(box.problem, points[good]).objective(objective)
        best.evaluations += int(good.sum())
        at = int(values.argmin())
        if values[at] < best.value:
            best.value, best.box, best.digits = float(values[at]), box, digits[:, at].copy()
    return values


def _all(space: Sequence[Box], objective: str, best: _Best, total: int, progress: Progress | None) -> None:
    for box in space:
        if bound(box.problem, objective) >= best.value:
            total -= box.size
            if progress is not None:
                progress("mappings", best.considered, total)
            continue
        for first in range(0, box.size, CHUNK):
            numbers = np.arange(first, min(first + CHUNK, box.size))
            _price(box, box.digits(numbers), objective, best)
            if progress is not None:
                progress("mappings", best.considered, total)


def _sample(
    space: Sequence[Box],
    objective: str,
    best: _Best,
    budget: int,
    random: np.random.Generator,
    progress: Progress | None,
) -> None:
    """Random mappings of every dataflow, more of those that look well, then the best of each improved.

    A quarter of the budget each, and half of it for the last.
    """
    started: list[tuple[int, float, int, np.ndarray]] = []
    lead = list(range(len(space)))
    for until in (budget // 4, budget // 2):
        share = (until - best.considered) // max(1, len(lead))
        reached = []
        for number in lead:
            if best.considered >= until:
                break
            if bound(space[number].problem, objective) >= best.value:
                continue
            digits = space[number].likely(max(LEAST, min(share, CHUNK)), random)
            values = _price(space[number], digits, objective, best)
            order = np.argsort(values, kind="stable")[:STARTS]
            good = [at for at in order if np.isfinite(values[at])]
            started += [(turn, float(values[at]), number, digits[:, at]) for turn, at in enumerate(good)]
            reached.append((float(values.min()), number))
            if progress is not None:
                progress("random mappings", best.considered, budget)
        best_bounds = [number for _, number in reached[: LEADERS // 2]]
        best_values = [number for value, number in sorted(reached)[:LEADERS] if np.isfinite(value)]
        lead = list(dict.fromkeys((*best_values, *best_bounds)))
    started.sort(key=lambda entry: entry[:3])
    for _, value, number, digits in started:
        if best.considered >= budget:
            break
        _improve(space[number], digits, value, objective, best, budget, random)
        if progress is not None:
            progress("better mappings", best.considered, budget)


def _improve(
    box: Box,
    digits: np.ndarray,
    value: float,
    objective: str,
    best: _Best,
    budget: int,
    random: np.random.Generator,
) -> None:
    """Changes one choice at a time while that helps, and two or three when it does not."""
    while best.considered < budget:
        for near in (_neighbours(box, digits), _leaps(box, digits, random)):
            values = _price(box, near, objective, best)
            at = int(values.argmin())
            if values[at] < value:
                value, digits = float(values[at]), near[:, at]
                break
        else:
            return


def _leaps(box: Box, digits: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mappings that differ in two or three choices."""
    found = np.repeat(digits[:, None], LEAPS, axis=1)
    for _ in range(3):
        kinds = random.integers(0, len(box.radix), LEAPS)
        found[kinds, np.arange(LEAPS)] = random.integers(0, np.array(box.radix)[kinds])
    return found


def _neighbours(box: Box, digits: np.ndarray) -> np.ndarray:
    """Every mapping that differs in one choice, or the mapping itself where there is no choice."""
    found = []
    for kind, count in enumerate(box.radix):
        for choice in range(count):
            if choice != digits[kind]:
                other = digits.copy()
                other[kind] = choice
                found.append(other)
    return np.array(found or [digits]).T


def _infeasible(space: Sequence[Box], seed: int) -> PlanError:
    """Which rule leaves nothing, and what it would take."""
    random = np.random.default_rng(seed)
    blame: dict[str, int] = {}
    closest: dict[str, Objection] = {}
    for box in space:
        digits = box.likely(512, random)
        digits[:, 0] = [int(choices[:, 1:].prod(axis=1).argmin()) for choices in box.splits] + [0, 0]
        rules = objections(box.problem, box.points(digits))
        counts = np.add.reduce([rule.broken.astype(np.int64) for rule in rules])
        for rule in rules:
            blame[rule.where] = blame.get(rule.where, 0) + int((rule.broken & (counts == counts.min())).sum())
            if rule.broken.any():
                closest[rule.where] = min(closest.get(rule.where, rule), rule, key=lambda each: each.least)
    where = max(closest, key=lambda name: blame[name])
    rule = closest[where]
    return PlanError(f"no mapping is legal: {rule.message}", where=where, accepted=rule.accepted or None)
