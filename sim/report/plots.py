"""The report's plots, one function each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, MultipleLocator

from ..cost.record import GroupCost, PassTime, Roofs
from ..rtl.bitmod_result import ChainResult
from ..rtl.compare import SimResult
from ..verification import Case
from . import units
from .contents import Memory
from .figure import BLUE, COLOURS, GREEN, GREY, INK, ORANGE, PURPLE, RED, drawn

_MOST_BARS = 40
_ROW_IN = 0.27


def work_bars(name: str, groups: Sequence[GroupCost]) -> str:
    """Operations and bytes of every group over all its instances, numbered as in the table."""
    shown = list(enumerate(groups, start=1))
    heaviest = sorted(shown, key=lambda pair: -pair[1].instances * pair[1].seconds)[:_MOST_BARS]
    rows = sorted(heaviest, key=lambda pair: pair[0])
    labels = [f"{number}  {_short(group.name)}" for number, group in rows]

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        ys = range(len(rows))
        left.barh(ys, [g.instances * g.flops for _, g in rows], color=BLUE, height=0.7)
        right.barh(
            [y - 0.2 for y in ys],
            [g.instances * g.bytes_unfused for _, g in rows],
            color=GREY,
            height=0.36,
            label="each Einsum on its own",
        )
        right.barh(
            [y + 0.2 for y in ys],
            [g.instances * g.bytes for _, g in rows],
            color=ORANGE,
            height=0.36,
            label="fused",
        )
        left.set_yticks(ys, labels)
        left.invert_yaxis()
        left.set_title("operations")
        right.set_title("bytes moved")
        right.legend(loc="lower right")
        _ticks(left, "x", units.amount)
        _ticks(right, "x", units.size)
        right.xaxis.set_major_locator(_binary(right.get_xlim()[1], 6))

    return drawn(name, draw, 1.0 + _ROW_IN * len(rows))


def roofline(name: str, groups: Sequence[GroupCost], roofs: Roofs) -> str:
    """Every group as a point under the target's roofs; a hollow point is the same work, each Einsum alone."""
    points = [(number, g) for number, g in enumerate(groups, start=1) if g.flops and g.bytes and g.seconds]
    types = {g.dtype for _, g in points} & set(roofs.flops_per_s) or set(roofs.flops_per_s)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bandwidth = roofs.bandwidth_bytes_per_s
        ridges = [roofs.flops_per_s[t] / bandwidth for t in types]
        xs = [g.intensity for _, g in points] + [
            g.flops / g.bytes_unfused for _, g in points if g.bytes_unfused
        ]
        low, high = min([*xs, *ridges]) / 4, max([*xs, *ridges]) * 6
        for dtype in sorted(types):
            peak = roofs.flops_per_s[dtype]
            axes.plot([low, peak / bandwidth, high], [low * bandwidth, peak, peak], color=INK, linewidth=1.4)
            axes.annotate(
                f"{dtype}: {units.amount(peak, 'flop/s')}",
                (high, peak),
                xytext=(-2, 4),
                textcoords="offset points",
                ha="right",
            )
        for _, g in points:
            if g.bytes_unfused > g.bytes:
                alone = g.flops / g.bytes_unfused
                rate = min(alone * bandwidth, g.flops / g.seconds)
                axes.plot([alone, g.intensity], [rate, g.flops / g.seconds], color=GREY, linewidth=0.7)
                axes.plot([alone], [rate], "o", markersize=5, mfc="none", mec=GREY)
        for bound, colour in (("compute", GREEN), ("memory", ORANGE)):
            of = [g for _, g in points if g.bound == bound]
            axes.plot(
                [g.intensity for g in of],
                [g.flops / g.seconds for g in of],
                "o",
                color=colour,
                markersize=7,
                label=f"{bound} bound",
            )
        axes.set(xscale="log", yscale="log", xlim=(low, high))
        top = max(roofs.flops_per_s[dtype] for dtype in types)
        axes.set_ylim(top=6 * top)
        _name_points(axes, _places(points), 3.2 * top)
        axes.set_xlabel("operations per byte moved")
        axes.set_ylabel("attainable flop/s")
        axes.set_title(f"bandwidth {units.amount(bandwidth, 'B/s')}")
        axes.legend(loc="lower right")
        _ticks(axes, "both", units.amount)

    return drawn(name, draw, 4.6)


def memory_series(name: str, memory: Memory) -> str:
    """Bytes over steps: without reuse, in the planned arena, and live."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        steps = range(memory.series.steps + 1)
        for series, colour, label in (
            (memory.series.before, GREY, "before planning: every buffer its own memory"),
            (memory.series.after, BLUE, "after planning: arena in use"),
            (memory.series.live, GREEN, "live"),
        ):
            heights = [*series, series[-1]] if series else [0]
            filled = label.startswith("live")
            if filled:
                axes.fill_between(
                    steps, heights, step="post", color=colour, alpha=0.35, linewidth=0, label=label
                )
            else:
                axes.step(steps, heights, where="post", color=colour, linewidth=1.8, label=label)
        axes.axhline(memory.lower_bound_bytes, color=RED, linewidth=1, linestyle="--", label="lower bound")
        axes.set_xlabel("step")
        axes.set(ylim=(0, None), xlim=(0, memory.series.steps))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left")
        _ticks(axes, "y", units.size)
        axes.yaxis.set_major_locator(_binary(memory.series.peak_before_bytes, 7))

    return drawn(name, draw, 3.4)


def memory_map(name: str, memory: Memory) -> str:
    """The arena: every buffer as the rectangle of its steps and bytes, named where there is room."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for index, b in enumerate(memory.buffers):
            colour = COLOURS[index % len(COLOURS)]
            axes.add_patch(
                Rectangle(
                    (b.start, b.offset),
                    b.end - b.start,
                    b.bytes,
                    facecolor=colour,
                    alpha=0.55,
                    edgecolor=colour,
                    linewidth=0.8,
                )
            )
            room = (b.end - b.start) / memory.series.steps * 105  # characters that fit in the width
            tall = b.bytes >= 0.045 * memory.series.peak_after_bytes
            if tall and room >= 3:
                text = b.name if len(b.name) <= room else b.name[: int(room) - 1] + "…"
                centre = ((b.start + b.end) / 2, b.offset + b.bytes / 2)
                axes.text(*centre, text, ha="center", va="center", fontsize=8, clip_on=True)
        axes.axhline(memory.lower_bound_bytes, color=RED, linewidth=1, linestyle="--", label="lower bound")
        axes.set(xlim=(0, memory.series.steps), ylim=(0, memory.series.peak_after_bytes * 1.04 or 1))
        axes.set_xlabel("step")
        axes.set_ylabel("offset in the arena")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(_binary(memory.series.peak_after_bytes, 8))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.size(value)))

    return drawn(name, draw, 4.6)


def layer_errors(name: str, cases: Sequence[Case]) -> str:
    """Relative error of every layer in program order, one series per run, and the bound."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for case, colour in zip(cases, COLOURS * len(cases), strict=False):
            errors = [layer.relative for layer in case.layers]
            drawn = [error if error > 0 else float("nan") for error in errors]
            axes.plot(range(1, len(errors) + 1), drawn, ".-", color=colour, linewidth=0.8, label=case.label)
        axes.axhline(min(case.bound for case in cases), color=RED, linewidth=1, linestyle="--", label="bound")
        axes.set_yscale("log")
        axes.set_xlabel("layer, in program order")
        axes.set_ylabel("‖out − ref‖ / ‖ref‖")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))

    return drawn(name, draw, 3.2)


def cycles(name: str, runs: Sequence[SimResult]) -> str:
    """Cycles counted by the RTL and predicted by the cost model, one pair per run."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        ys = range(len(runs))
        rtl = axes.barh(
            [y - 0.2 for y in ys], [r.cycles_rtl for r in runs], height=0.36, color=BLUE, label="RTL"
        )
        model = axes.barh(
            [y + 0.2 for y in ys],
            [r.cycles_model for r in runs],
            height=0.36,
            color=ORANGE,
            label="cost model",
        )
        axes.bar_label(rtl, [f"{r.cycles_rtl:,}" for r in runs], padding=4)
        axes.bar_label(model, [f"{r.cycles_model:,}" for r in runs], padding=4)
        axes.set_yticks(ys, [f"{_short(r.layer)} ({r.driver})" for r in runs])
        axes.invert_yaxis()
        axes.margins(x=0.14)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set_xlabel("cycles")
        _ticks(axes, "x", units.amount)

    return drawn(name, draw, 0.9 + 0.55 * len(runs))


def layers(name: str, chain: ChainResult) -> str:
    """Layers of a chain: their cycles, the share of the array's peak, and what crossed the memory's port."""
    runs = chain.layers

    def draw(figure: Figure) -> None:
        left, middle, right = figure.subplots(1, 3, sharey=True)
        ys = range(len(runs))
        left.barh([y - 0.2 for y in ys], [r.cycles_rtl for r in runs], height=0.36, color=BLUE, label="RTL")
        left.barh(
            [y + 0.2 for y in ys], [r.cycles_model for r in runs], height=0.36, color=ORANGE, label="model"
        )
        middle.barh(ys, [100 * r.utilisation for r in runs], height=0.7, color=GREEN)
        begin = [0] * len(runs)
        for kind, colour in zip(runs[0].bytes_moved, (PURPLE, RED, GREY), strict=True):
            sizes = [run.bytes_moved[kind] for run in runs]
            right.barh(ys, sizes, left=begin, height=0.7, color=colour, label=kind)
            begin = [start + size for start, size in zip(begin, sizes, strict=True)]
        left.set_yticks(ys, [_short(run.name.removeprefix(f"{chain.layer}.")) for run in runs])
        left.invert_yaxis()
        left.set_title("cycles")
        middle.set_title("% of the array's peak")
        middle.set_xlim(0, 100)
        right.set_title("bytes moved")
        _ticks(left, "x", units.amount)
        _ticks(right, "x", units.size)
        right.xaxis.set_major_locator(_binary(right.get_xlim()[1], 4))
        figure.legend(loc="outside lower center", ncols=5)

    return drawn(name, draw, 1.6 + 0.45 * len(runs))


def pass_times(name: str, steps: Sequence[PassTime]) -> str:
    """Seconds of every step of the compilation, in order."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bars = axes.barh(range(len(steps)), [step.seconds for step in steps], color=PURPLE, height=0.7)
        axes.bar_label(bars, [units.duration(step.seconds) for step in steps], padding=4)
        axes.set_yticks(range(len(steps)), [step.name for step in steps])
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel("seconds")
        axes.grid(axis="x")

    return drawn(name, draw, 0.8 + _ROW_IN * len(steps))


def _ticks(axes: Axes, which: str, text: Callable[[float], str]) -> None:
    """Grid and tick labels in the report's units on the x axis, the y axis or both."""
    for letter, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if which in (letter, "both"):
            axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
            axis.grid(visible=True)


def _binary(most: float, ticks: int) -> Locator:
    """At most that many ticks up to ``most`` bytes, a power of two apart."""
    return MultipleLocator(2.0 ** math.ceil(math.log2(max(most, 1) / ticks)))


def _places(points: Sequence[tuple[int, GroupCost]]) -> dict[tuple[float, float], str]:
    """Numbers of the groups at one place of the roofline, near ones together: ``2–5, 9``."""
    cells: dict[tuple[int, int], list[tuple[int, GroupCost]]] = defaultdict(list)
    for number, group in points:
        rate = group.flops / group.seconds
        cells[(_cell(group.intensity), _cell(rate))].append((number, group))
    return {
        (members[0][1].intensity, members[0][1].flops / members[0][1].seconds): _ranges(
            [n for n, _ in members]
        )
        for members in cells.values()
    }


def _cell(value: float) -> int:
    return round(math.log10(value) * 12)


def _name_points(axes: Axes, places: Mapping[tuple[float, float], str], height: float) -> None:
    """Write the names in one row at that height, each with a line down to its point, none over another."""
    low, high = (math.log10(edge) for edge in axes.get_xlim())
    room = 0.009 * (high - low)  # of one character
    named = sorted(places.items())
    widths = [room * (len(name) + 1.5) for _, name in named]
    centres: list[float] = []
    for ((x, _), _), width in zip(named, widths, strict=True):
        left = centres[-1] + (widths[len(centres) - 1] + width) / 2 if centres else low + width / 2
        centres.append(max(math.log10(x), left))
    edge = high
    for at in range(len(centres) - 1, -1, -1):
        centres[at] = min(centres[at], edge - widths[at] / 2)
        edge = centres[at] - widths[at] / 2
    for ((x, y), name), centre in zip(named, centres, strict=True):
        axes.plot([10**centre, x], [height, y], color=GREY, linewidth=0.6, alpha=0.7, zorder=0.5)
        axes.text(10**centre, height * 1.08, name, ha="center", va="bottom", fontsize=9)


def _ranges(numbers: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(str(s[0]) if len(s) == 1 else f"{s[0]}–{s[-1]}" for s in spans)


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
