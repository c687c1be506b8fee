"""What a step under a plan asks memory for, and when: the step laid out anew, with recomputing in it.

The rounding buffers and what is kept hold the skeletal tensors; here are the others. A layer's backward
begins with recomputing, whose temporaries are as large as the slice of tokens it rebuilds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.step_profile import CROSSING, GIVEN, TRANSIENT, Segment, StepProfile, Storage
from ...ir.swap_plan import KEEP, SwapPlan
from .recompute import Rebuilding, rebuilding


@dataclass(frozen=True)
class Life:
    """Memory that is needed from a step of the layout to another, half-open.

    Attributes:
        name: unique.
        block: segment it lives and dies in; empty where it crosses from one to another.
        start, end, bytes: of one rank.
        gradient: whether it becomes the gradient of a parameter or of an input.
    """

    name: str
    block: str
    start: int
    end: int
    bytes: int
    gradient: bool = False


@dataclass(frozen=True)
class Layout:
    """A step as memory sees it.

    Attributes:
        spans: segment → its steps, half-open; a backward's begin with recomputing.
        lives: all of them.
    """

    spans: Mapping[str, tuple[int, int]]
    lives: tuple[Life, ...]

    def block(self, name: str) -> tuple[Life, ...]:
        """What lives and dies in a segment."""
        return tuple(life for life in self.lives if life.block == name)

    def crossing(self) -> tuple[Life, ...]:
        """What does not."""
        return tuple(life for life in self.lives if not life.block)


def tails(plan: SwapPlan, layer: int) -> dict[str, float]:
    """Fraction of each tensor's tokens that is recomputed in a layer."""
    found = {}
    for action in plan.layers[layer].actions:
        found[action.name] = 0.0 if action.action == KEEP else 1 - action.tokens / plan.tokens
    return found


def layout(profile: StepProfile, plan: SwapPlan, gpus: int = 1) -> Layout:
    """The step under a plan.

    Args:
        profile: of the step, all ranks together.
        plan: with actions for every tensor.
        gpus: ranks that share the tokens and the parameters.
    """
    spans: dict[str, tuple[int, int]] = {}
    moved: dict[str, int] = {}
    lives: list[Life] = []
    again = {at: rebuilding(profile, at) for at in range(profile.layers)}
    at = 0
    for segment in profile.segments:
        start = at
        if segment.name.startswith("backward/"):
            layer = int(segment.name.partition("/")[2])
            lives += _recomputed(profile, plan, again[layer], layer, at, gpus)
            at += again[layer].segment.end - again[layer].segment.start
        moved[segment.name] = at - segment.start
        at += segment.end - segment.start
        spans[segment.name] = (start, at)
    lives += _others(profile, moved, gpus)
    return Layout(spans, tuple(lives))


def _recomputed(
    profile: StepProfile, plan: SwapPlan, again: Rebuilding, layer: int, base: int, gpus: int
) -> list[Life]:
    """Temporaries of recomputing: transients that the operators needed write."""
    shares: dict[int, float] = {}
    for name, share in tails(plan, layer).items():
        for at in again.needs[name] if share else ():
            shares[at] = max(share, shares.get(at, 0.0))
    last: dict[int, int] = {}
    for at in shares:
        last.update({number: max(at, last.get(number, at)) for number in profile.operations[at].reads})
    found = []
    for at, share in shares.items():
        for number in profile.operations[at].writes:
            storage = profile.storages[number]
            if storage.role == TRANSIENT and storage.start == at:
                shift = base - again.segment.start
                size = max(1, int(share * -(-storage.bytes // gpus)))
                name = f"backward/{layer}/again {number}:{storage.name}"
                end = last.get(number, at) + 1
                found.append(Life(name, f"backward/{layer}", at + shift, end + shift, size))
    return found


def _others(profile: StepProfile, moved: Mapping[str, int], gpus: int) -> list[Life]:
    """Transient and crossing storages."""
    found = []
    segments = [segment for segment in profile.segments if segment.end > segment.start]
    for number, storage in enumerate(profile.storages):
        if storage.role not in (TRANSIENT, CROSSING):
            continue
        born = next(s.name for s in segments if s.start <= storage.start < s.end)
        died = next(s.name for s in segments if s.start < storage.end <= s.end)
        block = born if storage.role == TRANSIENT else ""
        found.append(
            Life(
                f"{block or 'cross'}/{number}:{storage.name}",
                block,
                storage.start + moved[born],
                storage.end + moved[died],
                -(-storage.bytes // gpus),
                storage.gradient,
            )
        )
    return found


def plain(profile: StepProfile, gpus: int = 1) -> tuple[Life, ...]:
    """The step as PyTorch runs it: every storage until autograd lets go of it."""
    return tuple(
        Life(f"{number}:{each.name}", "", each.start, each.end, -(-each.bytes // gpus), each.gradient)
        for number, each in enumerate(profile.storages)
        if each.role != GIVEN
    )


def checkpointed(profile: StepProfile, gpus: int = 1) -> tuple[Life, ...]:
    """The step with every layer's input kept and its forward done again, whole, before its backward."""
    spans: dict[str, int] = {}
    at = 0
    for segment in profile.segments:
        if segment.name.startswith("backward/"):
            forward = profile.by_name[f"forward/{segment.name.partition('/')[2]}"]
            spans[f"again/{segment.name}"] = at - forward.start
            at += forward.end - forward.start
        spans[segment.name] = at - segment.start
        at += segment.end - segment.start
    segments = [segment for segment in profile.segments if segment.end > segment.start]
    reads = _last_reads(profile)
    found = []
    for number, each in enumerate(profile.storages):
        if each.role == GIVEN:
            continue
        born = next(s for s in segments if s.start <= each.start < s.end)
        died = next(s for s in segments if s.start < each.end <= s.end)
        size, name = -(-each.bytes // gpus), f"{number}:{each.name}"
        start, end = each.start + spans[born.name], each.end + spans[died.name]
        again = spans.get(f"again/backward/{born.name.partition('/')[2]}")
        if again is None or not born.name.startswith("forward/") or _leaves(each, born):
            found.append(Life(name, "", start, end, size, each.gradient))
            continue
        last = max([each.start, *(at for at in reads[number] if at < born.end)]) + 1
        found.append(Life(name, "", start, last + spans[born.name], size))
        later = each.end + spans[died.name] if died is not born else each.end + again
        found.append(Life(f"{name} again", "", each.start + again, later, size))
    return tuple(found)


def _leaves(storage: Storage, born: Segment) -> bool:
    """Whether a storage made in a layer's forward is the next one's input, or goes on to the head."""
    layer = int(born.name.partition("/")[2])
    return storage.layer != layer or storage.role == CROSSING


def _last_reads(profile: StepProfile) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in profile.storages]
    for at, operation in enumerate(profile.operations):
        for number in operation.reads:
            found[number].append(at)
    return found
