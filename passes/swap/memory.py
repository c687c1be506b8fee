"""The memory plan of a step (MEMO, section 4.2): bi-level and monolithic, beside the lower bound.

Level 1 places the transient tensors of one forward, and of one backward with its recomputing; layers that are
alike share it. Level 2 places a block for each of these, and every crossing tensor by itself, over the whole
step. The monolithic plan places every tensor by itself; no plan is smaller than what is live at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.swap_plan import Transient, TransientPlan
from ...sim.cost.swap.caching_allocator import ROUND, Replay, Request, replay
from ..offsets import Buffer, Plan, lower_bound_bytes
from ..offsets import plan as place
from .lives import Layout, Life

SECONDS = 4.0
"""Effort of the exact legs of one problem."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bi-level plan, and what it is to be compared with.

    Attributes:
        transients: the bi-level plan.
        alike: whether all layers share their forward's and their backward's offsets.
        monolithic_bytes: arena of the monolithic plan; None where it was not asked for.
        lower_bound_bytes: no plan of these tensors is smaller.
        allocator: what PyTorch's caching allocator reserves for them.
        growing: likewise with expandable segments.
        tensors, problems: how many there are, and how many are placed at level 1 and 2.
    """

    transients: TransientPlan
    alike: bool
    monolithic_bytes: int | None
    lower_bound_bytes: int
    allocator: Replay
    growing: Replay
    tensors: int
    problems: tuple[int, ...]


def plan_memory(
    layout: Layout, *, seed: int = 0, seconds: float = SECONDS, monolithic: bool = True
) -> MemoryPlan:
    """Place what a step asks for.

    Args:
        layout: of the step.
        seed, seconds: of each problem's exact legs.
        monolithic: whether to make that plan too.

    Raises:
        PlanError: the planner's checker refuses a plan.
    """
    level1 = {name: _level1(layout, name, seed, seconds) for name in _kinds(layout)}
    blocks = [_block(layout, name, level1[kind]) for name, kind in _alike(layout).items()]
    blocks = [block for block in blocks if block.size_bytes]
    crossing = as_buffers(layout.crossing())
    top = place([*blocks, *crossing], time_limit_s=seconds, seed=seed)
    whole = as_buffers(layout.lives)
    alone = place(whole, time_limit_s=seconds, seed=seed) if monolithic else None
    requests = as_requests(layout.lives)
    forward, backward = (_kind_of(layout, name, level1) for name in ("forward", "backward"))
    transients = TransientPlan(
        forward=_placed(layout, forward, level1),
        backward=_placed(layout, backward, level1),
        forward_bytes=level1[forward].peak_bytes,
        backward_bytes=level1[backward].peak_bytes,
        blocks=tuple(
            Transient(b.name, b.start, b.end, b.size_bytes, top.offsets[b.name]) for b in (*blocks, *crossing)
        ),
        arena_bytes=top.peak_bytes,
    )
    return MemoryPlan(
        transients=transients,
        alike=sum("/" in name for name in level1) == 2,
        monolithic_bytes=alone.peak_bytes if alone else None,
        lower_bound_bytes=lower_bound_bytes(whole),
        allocator=replay(requests),
        growing=replay(requests, expandable=True),
        tensors=len(whole),
        problems=(*(len(layout.block(name)) for name in level1), len(blocks) + len(crossing)),
    )


def as_buffers(lives: Sequence[Life]) -> list[Buffer]:
    """Lives as the offset planner takes them."""
    return [_buffer(life) for life in lives]


def as_requests(lives: Sequence[Life]) -> list[Request]:
    """What an allocator is asked for, in order."""
    return [Request(each.start, each.end, each.bytes) for each in lives if each.bytes]


Shape = Counter[tuple[int, int, int]]


def _shape(layout: Layout, name: str) -> Shape:
    """A segment's lives counted from its start."""
    start = layout.spans[name][0]
    return Counter((each.start - start, each.end - start, each.bytes) for each in layout.block(name))


def _alike(layout: Layout) -> dict[str, str]:
    """Segment → the segment whose places it takes: one of its kind that has all of its lives.

    The last two layers, which recompute nothing, take those of the others.
    """
    shapes = {name: _shape(layout, name) for name in layout.spans}
    largest = sorted(layout.spans, key=lambda name: -shapes[name].total())
    kinds: list[str] = []
    found = {}
    for name in largest:
        like = (k for k in kinds if k.split("/")[0] == name.split("/")[0] and shapes[name] <= shapes[k])
        found[name] = next(like, name)
        if found[name] == name:
            kinds.append(name)
    return {name: found[name] for name in layout.spans}


def _kinds(layout: Layout) -> list[str]:
    return list(dict.fromkeys(_alike(layout).values()))


def _kind_of(layout: Layout, what: str, level1: dict[str, Plan]) -> str:
    """The forward, or the backward, that most layers share."""
    kinds = [kind for name, kind in _alike(layout).items() if name.startswith(f"{what}/")]
    return max(level1, key=kinds.count)


def _level1(layout: Layout, name: str, seed: int, seconds: float) -> Plan:
    return place(as_buffers(layout.block(name)), time_limit_s=seconds, seed=seed)


def _placed(layout: Layout, name: str, level1: dict[str, Plan]) -> tuple[Transient, ...]:
    start = layout.spans[name][0]
    return tuple(
        Transient(
            each.name.partition("/")[2].partition("/")[2],
            each.start - start,
            each.end - start,
            _rounded(each.bytes),
            level1[name].offsets[each.name],
        )
        for each in layout.block(name)
    )


def _block(layout: Layout, name: str, inside: Plan) -> Buffer:
    start, end = layout.spans[name]
    return Buffer(name, start, max(end, start + 1), _rounded(inside.peak_bytes), align=ROUND)


def _buffer(life: Life) -> Buffer:
    return Buffer(life.name, life.start, life.end, _rounded(life.bytes), align=ROUND)


def _rounded(size: int) -> int:
    return -(-size // ROUND) * ROUND
