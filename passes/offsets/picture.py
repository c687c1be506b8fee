"""The memory map as a self-contained SVG: steps to the right, bytes upwards, a rectangle for a live span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from .problem import Buffer, Plan, peak_bytes

WIDTH, HEIGHT = 960, 480
_LEFT, _TOP, _BETWEEN = 90, 40, 60
_GOLDEN_DEG = 137.508  # turns of the colour wheel that never come near to each other


def svg(
    buffers: Sequence[Buffer], plan: Plan, title: str, capacities: Mapping[str, int] | None = None
) -> str:
    """The picture; pools one below the other.

    Args:
        buffers: as planned.
        plan: their places.
        title: a line above.
        capacities: bytes of every pool (of the one arena under ``""``), drawn as dashed lines.
    """
    capacities = capacities or {}
    pools = list(dict.fromkeys(plan.pool_of.values())) or [""]
    first = min((b.start for b in buffers), default=0)
    last = max((b.end for b in buffers), default=1)
    colours = {
        buffer.name: f"hsl({index * _GOLDEN_DEG % 360:.0f} 55% 68%)" for index, buffer in enumerate(buffers)
    }
    height = _TOP + len(pools) * (HEIGHT + _BETWEEN)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + _LEFT + 30}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
    ]
    for number, pool in enumerate(pools):
        inside = [b for b in buffers if plan.pool_of.get(b.name, "") == pool]
        top = _TOP + number * (HEIGHT + _BETWEEN)
        lines += _panel(inside, plan, pool, capacities.get(pool), (first, last), top, colours)
    return "\n".join([*lines, "</svg>\n"])


def _panel(
    buffers: Sequence[Buffer],
    plan: Plan,
    pool: str,
    capacity: int | None,
    steps: tuple[int, int],
    top: int,
    colours: Mapping[str, str],
) -> list[str]:
    first, last = steps
    peak = peak_bytes(buffers, plan.offsets)
    tallest = max(peak, capacity or 0, 1)
    across, up = WIDTH / (last - first), HEIGHT / tallest
    base = top + HEIGHT
    lines = [f'<rect x="{_LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>']
    for b in buffers:
        offset = plan.offsets[b.name]
        said = escape(f"{b.name}: {b.size_bytes} bytes at {offset}, steps {b.start} to {b.end}")
        for low, high in b.spans if b.size_bytes else ():
            lines.append(
                f'<rect x="{_LEFT + (low - first) * across:.2f}" '
                f'y="{base - (offset + b.size_bytes) * up:.2f}" '
                f'width="{(high - low) * across:.2f}" height="{b.size_bytes * up:.2f}" '
                f'fill="{colours[b.name]}" stroke="#444" stroke-width="0.3"><title>{said}</title></rect>'
            )
    marks = [(peak, "peak", ""), *([(capacity, "capacity", ' stroke-dasharray="6 4"')] if capacity else [])]
    for size, name, dashes in marks:
        y = base - size * up
        lines.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + WIDTH}" y1="{y:.2f}" y2="{y:.2f}" stroke="#c00"{dashes}/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.2f}" text-anchor="end">{size}</text>'
            f"<!-- {name} -->"
        )
    lines.append(f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>')
    for step, anchor, x in ((first, "start", _LEFT), (last, "end", _LEFT + WIDTH)):
        lines.append(f'<text x="{x}" y="{base + 16}" text-anchor="{anchor}">step {step}</text>')
    name = f"pool {pool}: bytes over steps" if pool else "bytes over steps"
    lines.append(f'<text x="{_LEFT + WIDTH / 2}" y="{base + 16}" text-anchor="middle">{escape(name)}</text>')
    return lines
