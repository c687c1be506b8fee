"""The memory map as a picture: offset over time, copies below it, waiting in red; a self-contained SVG.

Time runs to the right as the plan's own latency does. An upright rectangle is a stay in fast memory, green
where it was copied in; a bar below is a copy, from the first idle time it uses to the last.
"""

from __future__ import annotations

from html import escape
from itertools import accumulate

from .plan import MemoryMap
from .problem import Machine, Problem

WIDTH, HEIGHT, MARGIN, LANE, LANES = 1200, 480, 60, 6, 24
MADE, COPIED, IN, OUT, WAIT = "#7aa6d6", "#7fbf8e", "#3f8f58", "#b07a2a", "#d64545"


def svg(problem: Problem, machine: Machine, plan: MemoryMap, title: str) -> str:
    """The picture as SVG text."""
    starts, stalls = _times(problem, machine, plan)
    end = starts[-1] or 1.0

    def x(seconds: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * seconds / end

    def y(offset: float) -> float:
        return 40 + HEIGHT * (1 - offset / max(machine.capacity, 1))

    copied = {copy.rectangle for copy in plan.copies if not copy.out}
    body = [_rect(MARGIN, y(machine.capacity), WIDTH - 2 * MARGIN, HEIGHT, "none", "", "#999")]
    for at, held in enumerate(plan.rectangles):
        tensor = problem.tensors[held.tensor]
        left, right = x(starts[held.first]), x(starts[held.last + 1])
        top = y(held.offset + tensor.size)
        tip = f"{tensor.name}: {tensor.size} bytes at {held.offset}, {held.first} to {held.last}"
        body.append(
            _rect(
                left,
                top,
                right - left,
                y(held.offset) - top,
                COPIED if at in copied else MADE,
                tip,
                "#fff",
            )
        )
    base = 40 + HEIGHT + 14
    for at, copy in enumerate(sorted(plan.copies, key=lambda each: each.start)):
        last = max([k for k, _ in copy.charges], default=copy.ready)
        name = problem.tensors[plan.rectangles[copy.rectangle].tensor].name
        tip = f"copy {'out' if copy.out else 'in'} of {name}, waits {copy.stall_s * 1e6:.2f} µs"
        left, right = x(starts[copy.start]), x(starts[last + 1])
        body.append(
            _rect(
                left,
                base + LANE * (at % LANES),
                max(right - left, 1),
                LANE - 1,
                OUT if copy.out else IN,
                tip,
            )
        )
    for k, (before, after) in enumerate(stalls):
        for moment, seconds in ((starts[k], before), (starts[k + 1] - after, after)):
            if seconds > 0:
                tip = f"waits {seconds * 1e6:.2f} µs at {problem.instructions[k].name}"
                body.append(_rect(x(moment), 34, max(x(seconds) - x(0), 1), 6, WAIT, tip))
    total = base + LANE * LANES + 30
    words = [
        _text(MARGIN, 20, title),
        _text(MARGIN, total - 10, f"0 to {end * 1e6:.1f} µs"),
        _text(4, y(0), "0"),
        _text(4, y(machine.capacity) + 10, f"{machine.capacity / 2**20:.1f} MiB"),
        _text(4, base + 10, "copies"),
    ]
    inside = "\n".join([*body, *words])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{total}" '
        f'font-family="sans-serif" font-size="11">\n{inside}\n</svg>\n'
    )


def _times(
    problem: Problem, machine: Machine, plan: MemoryMap
) -> tuple[list[float], list[tuple[float, float]]]:
    """When each instruction starts (and the last ends), and the waiting before and after each."""
    slow = [0.0] * len(problem.instructions)
    fast = list(slow)
    for access, served in zip(problem.accesses, plan.served_fast, strict=True):
        if served:
            fast[access.instruction] += access.bytes / machine.fast_bytes_per_s
        else:
            slow[access.instruction] += access.bytes / machine.slow_bytes_per_s
    waits = [[0.0, 0.0] for _ in problem.instructions]
    for copy in plan.copies:
        waits[copy.ready][copy.out] += copy.stall_s
    lengths = [
        max(each.compute_s, slow[k] + fast[k]) + sum(waits[k]) for k, each in enumerate(problem.instructions)
    ]
    return [0.0, *accumulate(lengths)], [(before, after) for before, after in waits]


def _rect(
    x: float, y: float, wide: float, high: float, fill: str, tip: str = "", stroke: str = "none"
) -> str:
    inside = f"<title>{escape(tip)}</title>" if tip else ""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="0.4">{inside}</rect>'
    )


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="currentColor">{escape(words)}</text>'
