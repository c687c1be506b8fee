"""The choice of every tensor of every layer, generalised from MEMO's one fraction: a mixed-integer program.

Of each tensor of each layer but the last two: kept on the device, or a fraction swapped and the rest
recomputed. The step's time is a linear program over when each forward, copy and backward ends, for
streams keep their order and waits are known (`sim.cost.swap.schedule`). Subject to the device's memory, the
host's, and the link.

Attention's result may be rebuilt whole, not by tokens; its log-sum-exp comes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ortools.linear_solver import pywraplp

from ...ir.errors import PlanError, ToolMissing
from ...ir.swap_plan import ALWAYS, BUFFERS, KEPT, PLACE
from .costs import Costs

Linear = Any
"""An expression of OR-Tools: a variable, a sum, or a number."""
SOLVER = "SCIP"
GAP = 1e-5
"""Relative; the rounding of tokens is coarser."""
NODE_LAYERS_PER_SECOND = 6_000
"""Nodes × layers of the tree that are visited in about a second of one core."""
WALL_FACTOR = 20
"""Of the effort, after which the clock ends it: so far off that a busy machine finds the same."""
COPY_PRICE = 1e-6
"""In forwards, of copying a layer: of two steps of one length, the one that copies less."""


@dataclass(frozen=True)
class Choice:
    """What happens to a tensor of a layer.

    Attributes:
        keep: on the device.
        swap: fraction of its tokens to the host, where not kept.
    """

    keep: bool
    swap: float


@dataclass(frozen=True)
class Solution:
    """The best choices found.

    Attributes:
        choices: layer and tensor's name → choice, of all layers but the last two.
        step_s: time of the step under them, before tokens are rounded.
        bound_s: no choices are faster.
        optimal: these are, up to `GAP`.
    """

    choices: Mapping[tuple[int, str], Choice]
    step_s: float
    bound_s: float
    optimal: bool


def solve(
    costs: Costs, device_bytes: int, *, seconds: float = 30.0, seed: int = 0, rebuild_attention: bool = False
) -> Solution:
    """The fastest step.

    Args:
        costs: of a layer.
        device_bytes: for what is kept beyond the buffers.
        seconds: the solver's effort, about seconds of one core, counted in nodes: what is found is a function
            of the arguments.
        seed: of it.
        rebuild_attention: whether attention may be done again.

    Raises:
        PlanError: no choice fits, or none was found.
        ToolMissing: the solver is not there.
    """
    return _Program(costs, device_bytes, rebuild_attention).solve(seconds, seed)


class _Program:
    def __init__(self, costs: Costs, device_bytes: int, rebuild_attention: bool) -> None:
        solver = pywraplp.Solver.CreateSolver(SOLVER)
        if solver is None:
            raise ToolMissing(f"OR-Tools has no {SOLVER}", accepted="the wheel of OR-Tools from PyPI")
        self.costs, self.solver = costs, solver
        self.tensors = [tensor for tensor in costs.tensors if tensor.kind != KEPT]
        self.unit_s = costs.forward_s
        self.unit_b = float(costs.buffer_bytes)
        self.count = costs.swapped_layers()
        self.keep: dict[tuple[int, str], Linear] = {}
        self.swap: dict[tuple[int, str], Linear] = {}
        self.copied: list[Linear] = []
        self.again: list[Linear] = []
        for at in range(self.count):
            self._layer(at, rebuild_attention)
        self._memory(device_bytes)
        self.end = self._times()
        solver.Minimize(self.end + COPY_PRICE * sum(self.copied))

    def _layer(self, at: int, rebuild_attention: bool) -> None:
        solver = self.solver
        again: dict[int, list[Linear]] = {}
        copied = 0
        for tensor in self.tensors:
            key = (at, tensor.name)
            whole = tensor.kind == ALWAYS
            keep = self.keep[key] = solver.BoolVar(f"keep {key}")
            swap = self.swap[key] = solver.BoolVar("") if whole else solver.NumVar(0, 1, f"swap {key}")
            rest = 1 - keep - swap
            if tensor.name == "input" or (whole and not rebuild_attention):
                solver.Add(rest == 0)
            else:
                solver.Add(rest >= 0)
            for number in self.costs.again.needs[tensor.name]:
                again.setdefault(number, []).append(rest)
            copied += swap * (self.costs.bytes(tensor) / self.unit_b)
        total = 0
        for number, users in again.items():
            done: Linear = solver.NumVar(0, 1, f"again {at} {number}")
            for share in users:
                solver.Add(done >= share)
            total += done * (self.costs.operators_s[number] / self.unit_s)
        self.copied.append(copied)
        self.again.append(total)

    def _memory(self, device_bytes: int) -> None:
        size = {tensor.name: self.costs.bytes(tensor) / self.unit_b for tensor in self.tensors}
        if self.keep:
            kept = sum(size[name] * each for (_, name), each in self.keep.items())
            self.solver.Add(kept <= device_bytes / self.unit_b)
            room = self.costs.machine.host_bytes - PLACE * len(self.keep)  # slices are rounded up to places
            self.solver.Add(sum(self.copied) <= room / self.unit_b)

    def _times(self) -> Linear:
        """Ends of everything, in forwards; that of the last backward."""
        costs, solver = self.costs, self.solver
        layers = costs.layers
        copy = self.unit_b / costs.machine.link_bytes_per_s / self.unit_s
        backward = costs.backward_s / self.unit_s

        def moment(*after: Linear) -> pywraplp.Variable:
            made = solver.NumVar(0, solver.infinity(), "")
            for each in after:
                solver.Add(made >= each)
            return made

        out: list[pywraplp.Variable] = []
        now: Linear = 0
        for at in range(layers):
            now = now + 1
            if at < self.count:
                ends = [now + self.copied[at] * copy]
                out.append(moment(*ends, *([out[-1] + self.copied[at] * copy] if out else [])))
            earlier = at + 1 - BUFFERS
            if at + 1 < layers and earlier >= 0:
                now = moment(now, out[earlier])
        done: dict[int, Linear] = {}
        back: pywraplp.Variable | None = None
        for at in reversed(range(layers)):
            if at < self.count:
                spent = self.copied[at] * copy
                back = moment(done[at + BUFFERS] + spent, *([back + spent] if back is not None else []))
                now = moment(now, back) + self.again[at]
            now = now + backward
            done[at] = now
        return now if self.count else moment(now)  # of one or two layers nothing is to be chosen

    def solve(self, seconds: float, seed: int) -> Solution:
        solver = self.solver
        nodes = int(NODE_LAYERS_PER_SECOND * seconds / max(self.count, 1)) + 1
        solver.SetTimeLimit(int(WALL_FACTOR * seconds * 1000))
        solver.SetSolverSpecificParametersAsString(
            f"randomization/randomseedshift = {seed}\nlimits/gap = {GAP}\nlimits/totalnodes = {nodes}"
        )
        status = solver.Solve()
        if status == pywraplp.Solver.NOT_SOLVED:
            raise PlanError(
                f"no choice of what to keep, swap and recompute was found in {nodes} nodes",
                accepted="a longer time limit",
            )
        if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
            raise PlanError(
                "no choice of what to keep, swap and recompute fits",
                accepted="more memory on device or host, more GPUs, or a shorter sequence",
            )
        choices = {
            key: Choice(keep.solution_value() > 0.5, min(1.0, max(0.0, self.swap[key].solution_value())))
            for key, keep in self.keep.items()
        }
        bound = solver.Objective().BestBound() * self.unit_s
        value = self.end.solution_value() * self.unit_s
        return Solution(choices, value, min(bound, value), value - bound <= 2 * GAP * value)
