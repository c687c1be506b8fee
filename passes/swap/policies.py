"""Policies: a plain step, a checkpoint of every layer, MEMO's one fraction, and the generalised choice."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir.errors import PlanError
from ...ir.swap_plan import (
    ALWAYS,
    BUFFERS,
    KEEP,
    KEPT,
    RECOMPUTE,
    SCHEMA,
    SWAP,
    LayerPlan,
    Prediction,
    SwapPlan,
    TensorAction,
    TransientPlan,
    aligned_tokens,
)
from ...sim.cost.swap import Alpha, best_alpha
from ...sim.cost.swap.schedule import Step, simulate
from .costs import Costs
from .mip import Choice, Solution, solve


@dataclass(frozen=True)
class Policy:
    """What a policy comes to.

    Attributes:
        name: ``plain``, ``checkpoint``, ``memo`` or ``general``.
        step_s, stall_s, recompute_s: of a step.
        device_bytes: at most in use, what is fixed included.
        host_bytes: of the slab.
        mfu: of the step.
        fits: on the device.
        limits: what keeps it from being faster.
    """

    name: str
    step_s: float
    stall_s: float
    recompute_s: float
    device_bytes: int
    host_bytes: int
    mfu: float
    fits: bool
    limits: str


def uniform(costs: Costs, alpha: float) -> SwapPlan:
    """The paper's plan at a fraction."""
    return SwapPlan.uniform(
        costs.layers,
        costs.tokens,
        alpha,
        costs.align,
        tensors=costs.tensors,
        dtype=costs.profile.dtype,
        seq=costs.profile.tokens,
    )


def paper(costs: Costs) -> tuple[SwapPlan, Alpha]:
    """The paper's plan at its best fraction.

    Raises:
        PlanError: not even what is swapped whole fits on the host.
    """
    machine = costs.machine
    alpha = best_alpha(costs.layer, costs.layers, machine.link_bytes_per_s, machine.host_bytes)
    plan = uniform(costs, alpha.value)
    if plan.host_bytes > machine.host_bytes:  # by what places are rounded up to
        plan = uniform(costs, max(0.0, alpha.value - costs.align / costs.tokens))
    return plan, alpha


def general(costs: Costs, device_bytes: int, *, seconds: float, seed: int) -> tuple[SwapPlan, Solution]:
    """The generalised plan; attention is done again only where nothing fits otherwise.

    Args:
        costs: of a layer.
        device_bytes: for what is kept beyond buffers and arena.
        seconds, seed: the solver's.

    Raises:
        PlanError: no choice fits.
    """
    try:
        found = solve(costs, device_bytes, seconds=seconds, seed=seed)
    except PlanError:
        found = solve(costs, device_bytes, seconds=seconds, seed=seed, rebuild_attention=True)
    return _plan(costs, found), found


def _plan(costs: Costs, found: Solution) -> SwapPlan:
    """A solution's plan, tokens rounded down; layers that keep everything need no buffer."""
    layers, buffered = [], 0
    for at in range(costs.layers):
        last = at >= costs.swapped_layers()
        actions = tuple(
            TensorAction(tensor.name, KEEP)
            if last or tensor.kind == KEPT
            else _action(costs, tensor.name, tensor.kind, found.choices[at, tensor.name])
            for tensor in costs.tensors
        )
        own = not last and all(each.action == KEEP for each in actions)
        buffer = None if own else buffered % BUFFERS
        buffered += not own
        split = min((each.tokens for each in actions if each.action == SWAP), default=0)
        layers.append(LayerPlan(at, split, buffer, not (last or own), actions))
    plan = SwapPlan(
        SCHEMA,
        costs.profile.tokens,
        costs.tokens,
        costs.align,
        costs.profile.dtype,
        costs.tensors,
        tuple(layers),
    )
    return plan.placed()


def _action(costs: Costs, name: str, kind: str, choice: Choice) -> TensorAction:
    if choice.keep:
        return TensorAction(name, KEEP)
    share = round(choice.swap) if kind == ALWAYS else round(choice.swap, 9)
    tokens = aligned_tokens(costs.tokens, share, costs.align)
    return TensorAction(name, SWAP, tokens) if tokens else TensorAction(name, RECOMPUTE)


def priced(
    costs: Costs, name: str, plan: SwapPlan, transients: TransientPlan, limits: str
) -> tuple[SwapPlan, Policy, Step]:
    """A plan with its memory plan and its prediction, as a policy, and its step on the streams."""
    step = simulate(costs.work(plan))
    device = BUFFERS * plan.buffer_bytes + costs.kept_bytes(plan) + transients.arena_bytes + costs.fixed_bytes
    mfu = costs.mfu(step.seconds)
    budget = costs.machine.device_bytes
    said = "compute" if step.stall_s + step.recompute_s == 0 else limits
    prediction = Prediction(
        step_s=step.seconds,
        stall_s=step.stall_s,
        recompute_s=step.recompute_s,
        device_peak_bytes=device,
        fixed_bytes=costs.fixed_bytes,
        host_bytes=plan.host_bytes,
        mfu=mfu,
        limits=said,
    )
    whole = replace(plan, device_bytes=budget, transients=transients, predicted=prediction)
    row = Policy(
        name,
        step.seconds,
        step.stall_s,
        step.recompute_s,
        device,
        plan.host_bytes,
        mfu,
        device <= budget,
        said,
    )
    return whole, row, step


def without_swapping(costs: Costs, name: str, again_s: float, live_bytes: int) -> Policy:
    """A policy that copies nothing: its step takes what it computes."""
    step_s = costs.around_s + costs.layers * (costs.forward_s + costs.backward_s + again_s)
    device = live_bytes + costs.fixed_bytes
    fits = device <= costs.machine.device_bytes
    limits = "device" if not fits else "compute"
    again = again_s * costs.layers
    return Policy(name, step_s, 0.0, again, device, 0, costs.mfu(step_s), fits, limits)
