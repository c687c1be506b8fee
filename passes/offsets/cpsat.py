"""The leg of OR-tools' CP-SAT: offsets as a two-dimensional packing (steps × bytes), also over several pools.

The arena's size is not minimised but fixed and probed, because a fixed height propagates far better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ortools.sat.python import cp_model

from .problem import Buffer, grain_bytes
from .search import Answer

DETERMINISTIC_PER_SECOND = 0.06
"""CP-SAT's deterministic time in a second of one core on such packings."""

_WALL_FACTOR = 20.0  # far off, so that a busy machine gives the same answer, only later


@dataclass
class CpSat:
    """Packings of the same buffers, one capacity after the other.

    Args:
        buffers: all of positive size.
        seed: CP-SAT's random seed.
        deterministic: whether efforts are in CP-SAT's deterministic time (about wall seconds of one core, the
            answer then a function of the arguments) or in wall seconds.
        workers: threads.
    """

    buffers: Sequence[Buffer]
    seed: int = 0
    deterministic: bool = True
    workers: int = 1
    _stopped: bool = field(default=False, init=False)
    _solver: cp_model.CpSolver | None = field(default=None, init=False)

    def decide(self, capacity: int, effort_s: float) -> Answer:
        """Whether the buffers fit in one arena of that many bytes."""
        return self.decide_pools({"": capacity}, effort_s)[0]

    def decide_pools(self, capacities: Mapping[str, int], effort_s: float) -> tuple[Answer, dict[str, str]]:
        """Whether the buffers fit in the pools, and which pool takes which buffer."""
        model = cp_model.CpModel()
        packing = _Packing(model, self.buffers, capacities)
        if not packing.possible:
            return Answer(proved=True), {}
        solver = self._solver = cp_model.CpSolver()
        solver.parameters.num_workers = self.workers
        solver.parameters.random_seed = self.seed
        if self.deterministic:
            solver.parameters.max_deterministic_time = DETERMINISTIC_PER_SECOND * effort_s
            effort_s *= _WALL_FACTOR
        solver.parameters.max_time_in_seconds = effort_s
        if self._stopped:
            return Answer(), {}
        status = solver.solve(model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Answer(proved=status == cp_model.INFEASIBLE), {}
        return Answer(packing.offsets(solver)), packing.pools(solver)

    def stop(self) -> None:
        """End the search, from another thread."""
        self._stopped = True
        if self._solver is not None:
            self._solver.stop_search()


class _Packing:
    """The model: a life × span rectangle for each buffer, optional in each of several pools."""

    def __init__(
        self, model: cp_model.CpModel, buffers: Sequence[Buffer], capacities: Mapping[str, int]
    ) -> None:
        self.possible = True
        self._buffers = buffers
        self._grain = grain_bytes(buffers)
        self._places: dict[str, Any] = {}
        self._strides: dict[str, int] = {}
        self._chosen: dict[str, dict[str, Any]] = {}
        events = sorted({edge for buffer in buffers for span in buffer.spans for edge in span})
        self._step = {event: index for index, event in enumerate(events)}
        rectangles: dict[str, list[tuple[Any, Any, int]]] = {pool: [] for pool in capacities}
        for buffer in buffers:
            self._add(model, buffer, capacities, rectangles)
        for pool, capacity in capacities.items():
            lives, spans, heights = zip(*rectangles[pool], strict=True) if rectangles[pool] else ((), (), ())
            model.add_no_overlap_2d(lives, spans)
            model.add_cumulative(lives, heights, -(-capacity // self._grain))

    def _add(
        self,
        model: cp_model.CpModel,
        buffer: Buffer,
        capacities: Mapping[str, int],
        rectangles: dict[str, list[tuple[Any, Any, int]]],
    ) -> None:
        grain, name = self._grain, buffer.name
        height, stride = -(-buffer.size_bytes // grain), max(1, buffer.align // grain)
        allowed = [
            pool
            for pool in (buffer.pools or capacities)
            if capacities.get(pool, -1) >= (buffer.offset or 0) + buffer.size_bytes
        ]
        if not allowed:
            self.possible = False
            return
        highest = max(capacities[pool] - buffer.size_bytes for pool in allowed) // grain // stride
        place = model.new_int_var(0, highest, name)
        if buffer.offset is not None:
            model.add(stride * place == buffer.offset // grain)
        literals = (
            {pool: model.new_bool_var(f"{name} in {pool}") for pool in allowed} if len(allowed) > 1 else {}
        )
        if literals:
            model.add_exactly_one(literals.values())
        for pool in allowed:
            literal = literals.get(pool)
            if literal is not None:
                room = (capacities[pool] - buffer.size_bytes) // grain
                model.add(stride * place <= room).only_enforce_if(literal)
            for low, high in buffer.spans:
                start, steps = self._step[low], self._step[high] - self._step[low]
                if literal is None:
                    life = model.new_fixed_size_interval_var(start, steps, "")
                    span = model.new_fixed_size_interval_var(stride * place, height, "")
                else:
                    life = model.new_optional_fixed_size_interval_var(start, steps, literal, "")
                    span = model.new_optional_fixed_size_interval_var(stride * place, height, literal, "")
                rectangles[pool].append((life, span, height))
        self._places[name], self._strides[name] = place, stride
        self._chosen[name] = literals or {allowed[0]: None}

    def offsets(self, solver: cp_model.CpSolver) -> dict[str, int]:
        return {
            name: self._grain * self._strides[name] * solver.value(place)
            for name, place in self._places.items()
        }

    def pools(self, solver: cp_model.CpSolver) -> dict[str, str]:
        return {
            name: next(pool for pool, literal in chosen.items() if literal is None or solver.value(literal))
            for name, chosen in self._chosen.items()
        }
