"""Memory of the device over a step, for pictures: a plain step, a checkpoint of every layer, and a plan.

Times are those of segments, of the plan's as its simulation has them; within one, operators are drawn evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.step_profile import StepProfile
from ...ir.swap_plan import BUFFERS
from ...sim.report.swap import Curve
from .costs import Costs
from .lives import Life, checkpointed, layout, plain
from .planner import SwapResult
from .recompute import segment_s

Times = Mapping[str, tuple[float, float]]


def curves(found: SwapResult) -> tuple[Curve, ...]:
    """The three, in bytes of one rank over seconds, what is fixed included."""
    costs = found.costs
    profile, gpus = costs.profile, costs.machine.gpus
    spans = {segment.name: (segment.start, segment.end) for segment in profile.segments}
    longer = _longer(profile)
    base = costs.fixed_bytes
    laid = layout(profile, found.plan, gpus)
    times = _simulated(found)
    own = [*laid.lives, *_kept(found, laid.spans)]
    beside = base + BUFFERS * found.plan.buffer_bytes
    return (
        Curve("plain", _points(plain(profile, gpus), spans, _alone(costs, 0.0), base)),
        Curve("checkpoint", _points(checkpointed(profile, gpus), longer, _alone(costs, 1.0), base)),
        Curve(found.chosen, _points(own, laid.spans, times, beside)),
    )


def _longer(profile: StepProfile) -> dict[str, tuple[int, int]]:
    """Steps of segments where every backward begins with its forward."""
    found, at = {}, 0
    for segment in profile.segments:
        start = at
        if segment.name.startswith("backward/"):
            forward = profile.by_name[f"forward/{segment.name.partition('/')[2]}"]
            at += forward.end - forward.start
        at += segment.end - segment.start
        found[segment.name] = (start, at)
    return found


def _alone(costs: Costs, again: float) -> Times:
    """Times of segments one after another, a forward done again before each backward or not."""
    found, now = {}, 0.0
    for segment in costs.profile.segments:
        kind = segment.name.partition("/")[0]
        if kind == "forward":
            spent = costs.forward_s
        elif kind == "backward":
            spent = costs.backward_s + again * costs.forward_s
        else:
            spent = segment_s(costs.profile, segment.name, costs.machine)
        found[segment.name] = (now, now + spent)
        now += spent
    return found


def _simulated(found: SwapResult) -> Times:
    """Times of segments as the streams ran them."""
    ran = {each.task.name.partition("/")[2]: each for each in found.step.timeline.ran}
    times = {}
    for segment in found.costs.profile.segments:
        name = segment.name.replace("/", " ")
        first = ran.get(name.replace("backward", "recompute"), ran[name])
        times[segment.name] = (first.start, ran[name].end)
    return times


def _kept(found: SwapResult, spans: Mapping[str, tuple[int, int]]) -> list[Life]:
    """Tensors in memory of their own, from their layer's forward to the end of its backward."""
    lives = []
    for layer in found.plan.layers:
        size = found.costs.own_bytes(found.plan, layer)
        start, end = spans[f"forward/{layer.index}"][0], spans[f"backward/{layer.index}"][1]
        lives.append(Life(f"kept/{layer.index}", "", start, end, size))
    return lives


def _points(
    lives: Sequence[Life], spans: Mapping[str, tuple[int, int]], times: Times, base: int
) -> tuple[tuple[float, int], ...]:
    """Bytes at every step, with its time."""
    steps = max(end for _, end in spans.values())
    changes = [0] * (steps + 2)
    for life in lives:
        changes[life.start] += life.bytes
        changes[min(life.end, steps)] -= life.bytes
    found, level = [], base
    for name, (start, end) in sorted(spans.items(), key=lambda pair: pair[1]):
        begin, finish = times[name]
        for at in range(start, end):
            level += changes[at]
            found.append((begin + (finish - begin) * (at - start) / (end - start), level))
    return tuple(found)
