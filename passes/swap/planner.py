"""MEMO's planner: profile and machine in, the plan of a step out, beside the policies it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...ir.errors import PlanError
from ...ir.swap_plan import BUFFERS, SwapPlan
from ...sim.cost.swap import Alpha
from ...sim.cost.swap.schedule import Step
from ..offsets import lower_bound_bytes
from .costs import Costs
from .lives import Life, checkpointed, layout, plain
from .memory import MemoryPlan, as_buffers, plan_memory
from .policies import Policy, general, paper, priced, uniform, without_swapping

SECONDS = 20.0
"""For the mixed-integer program."""
MORE = 1.1
"""Of a resource, to see whether it limits."""
SAME = 1e-6
"""Relative difference of steps that are as long as each other."""
POLICIES = ("general", "memo")


@dataclass(frozen=True)
class SwapResult:
    """A plan and what there is to say about it.

    Attributes:
        costs: it was made for.
        plan: with its places and its prediction.
        step: of it, on the streams.
        memory: where its transient tensors lie.
        chosen: the policy that made it.
        policies: all of them.
        alpha: the paper's fraction; None where it does not fit.
        bound_s: no choice of what to keep, swap and recompute gives a shorter step; None where not asked.
        gains: resource → seconds that a tenth more of it would save.
    """

    costs: Costs
    plan: SwapPlan
    step: Step
    memory: MemoryPlan
    chosen: str
    policies: tuple[Policy, ...]
    alpha: Alpha | None
    bound_s: float | None
    gains: dict[str, float]

    @property
    def policy(self) -> Policy:
        """The row of the chosen one."""
        return next(each for each in self.policies if each.name == self.chosen)


@dataclass(frozen=True)
class _Made:
    plan: SwapPlan
    row: Policy
    step: Step
    memory: MemoryPlan


def plan_swap(
    costs: Costs,
    *,
    policy: str = "general",
    seconds: float = SECONDS,
    seed: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> SwapResult:
    """The plan of a step.

    Args:
        costs: of its layers on a machine.
        policy: ``general``, the fastest of the generalised choice and the paper's; or ``memo``, the paper's.
        seconds, seed: the solver's.
        told: of what is done.

    Raises:
        PlanError: nothing fits, or no such policy.
    """
    if policy not in POLICIES:
        raise PlanError(f"no policy {policy!r}", accepted=", ".join(POLICIES))
    rows = [
        without_swapping(costs, "plain", 0.0, _live(plain(costs.profile, costs.machine.gpus))),
        without_swapping(
            costs, "checkpoint", costs.forward_s, _live(checkpointed(costs.profile, costs.machine.gpus))
        ),
    ]
    made: list[_Made] = []
    reasons: list[PlanError] = []
    alpha = bound = None
    told("the paper's fraction")
    try:
        plan, alpha = paper(costs)
        made.append(_made(costs, "memo", plan, alpha.limits, seed))
    except PlanError as error:
        reasons.append(error)
    gains: dict[str, float] = {}
    if policy == "general":
        told("the mixed-integer program")
        space = room(costs, seed)
        try:
            plan, found = general(costs, space, seconds=seconds, seed=seed)
            bound = found.bound_s + costs.around_s
            gains = _gains(costs, space, found.step_s, seconds, seed, told)
            limits = max(gains, key=lambda name: gains[name]) if any(gains.values()) else "compute"
            made.append(_made(costs, "general", plan, limits, seed))
        except PlanError as error:
            reasons.append(error)
    rows += [each.row for each in made]
    fitting = [each for each in made if each.row.fits]
    if not fitting:
        raise _no_plan(costs, made, reasons)
    best = min(fitting, key=lambda each: (each.row.step_s, each.row.host_bytes))
    return SwapResult(
        costs, best.plan, best.step, best.memory, best.row.name, tuple(rows), alpha, bound, gains
    )


def _made(costs: Costs, name: str, plan: SwapPlan, limits: str, seed: int) -> _Made:
    memory = plan_memory(layout(costs.profile, plan, costs.machine.gpus), seed=seed)
    return _Made(*priced(costs, name, plan, memory.transients, limits), memory)


def room(costs: Costs, seed: int = 0) -> int:
    """Bytes of the device for kept tensors, beside all else and an arena that recomputes all."""
    everything = uniform(costs, 0.0)
    arena = plan_memory(layout(costs.profile, everything, costs.machine.gpus), seed=seed, monolithic=False)
    taken = BUFFERS * everything.buffer_bytes + costs.kept_bytes(everything) + costs.fixed_bytes
    return costs.machine.device_bytes - taken - arena.transients.arena_bytes


def _gains(
    costs: Costs, space: int, step_s: float, seconds: float, seed: int, told: Callable[[str], None]
) -> dict[str, float]:
    """What a tenth more of each memory, or of the link, would save."""
    machine = costs.machine
    wider = {
        "device": (costs, space + int((MORE - 1) * machine.device_bytes)),
        "host": (replace(costs, machine=replace(machine, host_bytes=int(MORE * machine.host_bytes))), space),
        "link": (
            replace(costs, machine=replace(machine, link_bytes_per_s=MORE * machine.link_bytes_per_s)),
            space,
        ),
    }
    found = {}
    for name, (other, wide) in wider.items():
        told(f"with a tenth more of the {name}")
        _, solution = general(other, wide, seconds=seconds, seed=seed)
        saved = step_s - solution.step_s
        found[name] = saved if saved > SAME * step_s else 0.0
    return found


def _live(lives: tuple[Life, ...]) -> int:
    return lower_bound_bytes(as_buffers(lives))


def _no_plan(costs: Costs, made: list[_Made], reasons: list[PlanError]) -> PlanError:
    """Why nothing fits: the device, or the host."""
    if not made:
        return reasons[0]
    first = made[0]
    said = (
        f"{first.row.device_bytes} bytes on the device, which has {costs.machine.device_bytes}: two "
        f"buffers of {first.plan.buffer_bytes}, {first.memory.transients.arena_bytes} for transient tensors, "
        f"{costs.fixed_bytes} of parameters and optimiser"
    )
    return PlanError(said, where=costs.profile.model, accepted="more GPUs, or a shorter sequence")
