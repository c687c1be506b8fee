"""Where to fuse: the cascade cut into nests one after the other, each with its best mapping.

Fusing saves the traffic of what lies between, and may cost room and rows: what pays depends on both. Nests
add up (seconds, joules, bytes), so the best cut of a cascade of n Einsums follows from the best mapping of
each of its n·(n + 1)/2 runs of neighbours. Runs that a bound shows to be in no better cut are left out.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from ...ir.errors import InputError, PlanError
from ...ir.targets import Target
from ...ir.view import Cascade
from ...sim.cost.spatial.mapping import Mapping, Nest
from ...sim.cost.spatial.physical import evaluate
from .mapper import Found, Progress, compulsory_bytes, search
from .mapper_space import boxes

ADDITIVE = ("latency", "energy", "dram_bytes")
SHARE = 4
"""What part of the budget a run of neighbours gets; all Einsums in one nest, searched first, get it all."""


@dataclass(frozen=True)
class _Cut:
    """The best nests of the first Einsums."""

    value: float
    nests: tuple[Nest, ...]


def search_nests(
    cascade: Cascade,
    target: Target,
    *,
    objective: str = "latency",
    budget: int = 200_000,
    seed: int = 0,
    element_bytes: int = 2,
    progress: Progress | None = None,
) -> Found:
    """The best mapping of a cascade in any number of nests.

    Args:
        cascade, target, element_bytes, seed, progress: as for `mapper.search`.
        objective: ``latency``, ``energy`` or ``dram_bytes``; a product of two does not add up.
        budget: mappings to look at with everything fused; each run of neighbours gets a quarter.

    Raises:
        InputError: an objective that does not add up.
        PlanError: some Einsum has no mapping, fused or alone.
    """
    if objective not in ADDITIVE:
        raise InputError(f"{objective!r} does not add up over nests", accepted=", ".join(ADDITIVE))
    start = time.perf_counter()
    count = len(cascade.einsums)
    best = [_Cut(0.0, ())] + [_Cut(math.inf, ())] * count
    settings = {
        "objective": objective,
        "seed": seed,
        "element_bytes": element_bytes,
        "exhaustive": budget // SHARE,
    }
    considered = evaluations = 0
    failure: PlanError | None = None
    runs = [(0, count), *((a, z) for z in range(1, count + 1) for a in range(z - 1, -1, -1) if z - a < count)]
    for number, (first, last) in enumerate(runs, 1):
        if progress is not None:
            progress("nests", number, len(runs))
        limit = min(best[last].value, best[count].value) - best[first].value
        if not limit > 0 or _torn(cascade, first, last):
            continue
        try:
            effort = budget // SHARE if number > 1 else budget
            found = search(run_of(cascade, first, last), target, limit=limit, budget=effort, **settings)
        except PlanError as error:
            failure = failure or error
            continue
        considered, evaluations = considered + found.considered, evaluations + found.evaluations
        best[last] = _Cut(best[first].value + found.value, (*best[first].nests, *found.mapping.nests))
    if not math.isfinite(best[count].value):
        raise failure or PlanError("no nests")
    mapping = Mapping(best[count].nests)
    cost = evaluate(cascade, mapping, target, element_bytes=element_bytes)
    return Found(
        mapping=mapping,
        cost=cost,
        objective=objective,
        value=best[count].value,
        bound=_least(cascade, target, objective, element_bytes),
        considered=considered,
        evaluations=evaluations,
        seconds=time.perf_counter() - start,
        exhaustive=False,
    )


def _least(cascade: Cascade, target: Target, objective: str, element_bytes: int) -> float:
    """What no cut can do better than: inputs read and results written, once, and nothing computed."""
    fused = next(iter(boxes(cascade, target, element_bytes=element_bytes)), None)
    if fused is None:
        return 0.0
    main, (into, out) = target.main, compulsory_bytes(fused.problem)
    if objective == "latency":
        return main.seconds(into, out) if main.bandwidth_read_bytes_per_s else 0.0
    if objective == "energy":
        return into * (main.energy_read_pj_per_byte or 0.0) + out * (main.energy_write_pj_per_byte or 0.0)
    return float(into + out)


def run_of(cascade: Cascade, first: int, last: int) -> Cascade:
    """The Einsums from `first` to before `last`; what others read of theirs are its outputs."""
    part = cascade.einsums[first:last]
    written = {einsum.output.tensor for einsum in part}
    outside = {a.tensor for e in cascade.einsums if e not in part for a in e.accesses}
    outputs = tuple(sorted(written & (outside | set(cascade.results))))
    return replace(cascade, einsums=part, init=(), outputs=outputs)


def _torn(cascade: Cascade, first: int, last: int) -> bool:
    """Whether a recurrence runs through the cut: an Einsum inside reads what one further on carries to it."""
    after = {einsum.output.tensor for einsum in cascade.einsums[last:]}
    before = {access.tensor for einsum in cascade.einsums[:first] for access in einsum.accesses}
    inside = cascade.einsums[first:last]
    carried = set(cascade.carried)
    read = {access.tensor for einsum in inside for access in einsum.accesses}
    written = {einsum.output.tensor for einsum in inside}
    return bool(read & after & carried) or bool(before & written & carried)
