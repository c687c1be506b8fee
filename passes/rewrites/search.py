"""The best cascade that legal rewritings reach: fewest passes, then least traffic, then least work.

Rewritings that cut no rank are followed in several steps, a bounded number of the best cascades at a time;
each cascade met is then tried with its ranks cut in tiles of a few sizes. Everything is deterministic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...ir.targets import Target
from ...ir.view import Cascade
from ..analyse import Polynomial, count_passes, most_passes, outer_ranks
from ..analyse.sizes import require_extents
from ..analyse.traffic import least_traffic
from ..fuse.steps import Step
from .candidate import Candidate, measured, part_of
from .canonical import canonical
from .legal import TILE, legal_rewrites, tilings
from .weights import CYCLES, cascade_weight

# Steps followed; cascades expanded per step; cascades whose traffic is worked out, and those of them whose
# other tile sizes are tried; lines printed.
_DEPTH = 5
_WIDTH = 6
_PRICED = 6
_REFINED = 2
_SHOWN = 12
# A rank is cut in tiles of its usual size and of these fractions of it.
_FRACTIONS = (1, 4, 16)
_PARTS = "split_k"
_CUT = ("iterate", "welford", "chunk", _PARTS)


@dataclass(frozen=True)
class Option:
    """A cascade that the search met.

    Attributes:
        rewrites: names of the rewritings that lead to it, in order; none for the cascade as written.
        cascade: the cascade.
        passes: the most passes over a rank that took several as written.
        rank: that rank, in the names of the cascade as written.
        traffic: elements moved off chip at least, None where it lost before.
        work: cycles of all Einsums on one processing element.
        footprint: live elements per outer point while the rank is traversed.
        steps: the derivation.
        form: equal for cascades that differ in the size of their tiles only.
        caveats: what floating point loses.
        lost: why it is not the best, empty for the best.
    """

    rewrites: tuple[str, ...]
    cascade: Cascade
    passes: int
    rank: str
    traffic: int | None
    work: float
    footprint: Polynomial
    steps: tuple[Step, ...]
    form: str
    caveats: tuple[str, ...] = ()
    lost: str = ""

    @property
    def live(self) -> int:
        """The footprint at the cascade's extents."""
        return self.footprint.at(self.cascade.extents)

    @property
    def order(self) -> tuple[float, ...]:
        """What options are ordered by: lower is better."""
        traffic = float("inf") if self.traffic is None else self.traffic
        return (self.passes, traffic, self.work, self.live, len(self.caveats), len(self.rewrites))

    def to_json(self) -> dict[str, object]:
        """The option as a JSON object."""
        return {
            "rewrites": list(self.rewrites),
            "passes": self.passes,
            "rank": self.rank,
            "traffic_elements": self.traffic,
            "work_cycles": self.work,
            "footprint": str(self.footprint),
            "caveats": list(self.caveats),
            "lost": self.lost,
            "cascade": str(self.cascade).splitlines(),
        }


@dataclass(frozen=True)
class Search:
    """What the search found.

    Attributes:
        options: the cascades met, best first.
        buffer_elements: capacity the traffic was worked out for.
        met: how many cascades were met.
    """

    options: tuple[Option, ...]
    buffer_elements: int
    met: int

    @property
    def best(self) -> Option:
        """The option that won."""
        return self.options[0]

    def to_json(self) -> dict[str, object]:
        """The search as a JSON object."""
        return {
            "buffer_elements": self.buffer_elements,
            "met": self.met,
            "options": [option.to_json() for option in self.options],
        }

    def text(self) -> str:
        """Every option with its three figures and why it lost, then the best cascade and its derivation."""
        shown = self.options[:_SHOWN]
        names = [_joined(option.rewrites) for option in shown]
        wide = max(len(name) for name in names)
        lines = [
            f"{self.met} cascades met; a buffer of {self.buffer_elements} elements",
            f"{'rewritings':{wide}}  passes  elements moved        work  live",
        ]
        for name, option in zip(names, shown, strict=True):
            moved = "-" if option.traffic is None else f"{option.traffic}"
            figures = f"{option.passes:6}  {moved:>14}  {option.work:10.0f}  {option.footprint}"
            lines.append(f"{name:{wide}}  {figures}{'; ' + option.lost if option.lost else ''}")
        if len(self.options) > _SHOWN:
            lines.append(f"and {len(self.options) - _SHOWN} more")
        best = self.best
        if best.steps:
            lines += ["", "how:", *(f"  {line}" for step in best.steps for line in step.lines())]
            lines += [f"  caveat: {caveat}" for caveat in best.caveats]
            lines += ["", "best:", *(f"  {line}" for line in str(best.cascade).splitlines())]
        return "\n".join(lines)


def _joined(names: tuple[str, ...]) -> str:
    """Names with those that come several times in a row counted."""
    runs = [(name, len(list(group))) for name, group in itertools.groupby(names)]
    return " + ".join(name if count == 1 else f"{count} {name}" for name, count in runs) or "as written"


def search(
    cascade: Cascade,
    *,
    buffer_elements: int,
    cost: Mapping[str, float] | Target | None = None,
    stable: bool = False,
) -> Search:
    """Follow legal rewritings to the best cascade.

    Args:
        cascade: with an extent for every rank.
        buffer_elements: capacity of the on-chip buffer.
        cost: cycles per operation class on one processing element, or the target to take them from; those
            of `weights.CYCLES` when None.
        stable: leave out rewritings with a caveat.

    Raises:
        InputError: a rank has no extent, or the buffer does not hold one point of an Einsum.
    """
    require_extents(cascade)
    cycles = cycles_of(cost) if isinstance(cost, Target) else cost or CYCLES
    found = _Searcher(cascade, cycles, stable).run()
    ranked = _ranked(found, buffer_elements)
    return Search(ranked, buffer_elements, len(found))


def cycles_of(target: Target) -> dict[str, float]:
    """Cycles per operation class, in those of an addition, with all units of a target at work.

    Raises:
        TargetError: the target performs no additions.
    """
    dtype = target.dtypes("add")[0] if target.dtypes("add") else "f32"
    base = target.ops_per_s("add", dtype)
    known = {kind: cycles for kind, cycles in CYCLES.items() if kind in ("move",)}
    for kind in CYCLES:
        if kind not in known:
            offered = dtype in target.dtypes(kind)
            known[kind] = base / target.ops_per_s(kind, dtype) if offered else CYCLES[kind]
    return known


class _Searcher:
    """Cascades met so far, by what they compute."""

    def __init__(self, cascade: Cascade, cycles: Mapping[str, float], stable: bool) -> None:
        self.start = cascade
        self.stable = stable
        self.cycles = cycles
        self.rank = most_passes(cascade).rank
        self.outer = outer_ranks(cascade, cascade.family(self.rank))
        counts = [count_passes(cascade, family[0], family) for family in cascade.families()]
        self.ranks = [count.rank for count in counts if count.passes > 1] or [self.rank]
        self.met: dict[str, Option] = {}

    def run(self) -> list[Option]:
        frontier = [self.add(self.option(self.start, (), (), (), "as written"))]
        for _ in range(_DEPTH):
            new: list[Option] = []
            for option in frontier:
                new += self.expanded(option)
            if not new:
                break
            frontier = _spread(new, _WIDTH)
        return list(self.met.values())

    def expanded(self, option: Option) -> list[Option]:
        """New cascades one rewriting away whose ranks are whole; those with a rank cut are noted too."""
        whole: list[Option] = []
        for each in legal_rewrites(option.cascade):
            if not self.allowed(each):
                continue
            after = self.after(option, each)
            if after is not None and each.name not in _CUT:
                whole.append(after)
        for family in option.cascade.families():
            usual = min(TILE, option.cascade.extents[family[0]] // 2)
            for fraction in _FRACTIONS[1:] if len(family) == 1 else ():
                if usual // fraction > 1:
                    for each in tilings(option.cascade, family[0], tile=usual // fraction):
                        if self.allowed(each):
                            self.after(option, each)
        return whole

    def allowed(self, each: Candidate) -> bool:
        """Whether a rewriting is legal without a condition, and stable where that is asked."""
        return not each.condition and not (self.stable and each.caveat)

    def after(self, option: Option, each: Candidate) -> Option | None:
        """The option one rewriting further, None where it was met before."""
        names = (*option.rewrites, *dict.fromkeys(step.name for step in each.steps))
        caveats = (*option.caveats, *([each.caveat] if each.caveat else []))
        key = canonical(each.cascade)
        if key in self.met:
            return None
        tiled = each.name in _CUT
        form = f"{canonical(option.cascade)} {each.rank} {each.name}" if tiled else key
        steps = (*option.steps, *each.steps)
        return self.add(self.option(each.cascade, names, steps, tuple(dict.fromkeys(caveats)), form))

    def add(self, option: Option) -> Option:
        self.met[canonical(option.cascade)] = option
        return option

    def option(
        self,
        cascade: Cascade,
        names: tuple[str, ...],
        steps: tuple[Step, ...],
        caveats: tuple[str, ...],
        form: str,
    ) -> Option:
        parts = {rank: part_of(cascade, rank) for rank in self.ranks}
        passes = {rank: count_passes(cascade, part).passes for rank, part in parts.items() if part}
        most = max(passes, key=lambda rank: passes[rank], default=self.rank)
        _, footprint = measured(cascade, self.rank, self.outer, parts=form.endswith(_PARTS))
        return Option(
            rewrites=names,
            cascade=cascade,
            passes=max(1, passes.get(most, 1)),
            rank=most,
            traffic=None,
            work=cascade_weight(cascade, self.cycles),
            footprint=footprint,
            steps=steps,
            form=form,
            caveats=caveats,
        )


def _spread(options: Iterable[Option], width: int) -> list[Option]:
    """The best by work and the best by what stays live, so that neither crowds the other out."""
    listed = list(options)
    by_work = sorted(listed, key=lambda option: (option.passes, option.work, option.live))
    by_room = sorted(listed, key=lambda option: (option.passes, option.live, option.work))
    chosen = {id(option): option for option in (*by_work[: width - width // 3], *by_room[: width // 3])}
    return list(chosen.values())


class _Prices:
    """The traffic of options, worked out where it can decide.

    Nothing moves less than the inputs and results: where an option moves no more than these, one that takes
    more work cannot win.
    """

    def __init__(self, buffer_elements: int) -> None:
        self.buffer_elements = buffer_elements
        self.known: dict[int, Option] = {}
        self.settled = float("inf")

    def price(self, option: Option, *, rival: bool = True) -> None:
        """Work out an option's traffic, unless it lost already."""
        if id(option) in self.known or (rival and option.work > self.settled):
            return
        traffic = least_traffic(option.cascade, self.buffer_elements)
        self.known[id(option)] = replace(option, traffic=traffic.elements)
        if rival and traffic.elements == traffic.compulsory:
            self.settled = min(self.settled, option.work)


def _ranked(found: list[Option], buffer_elements: int) -> tuple[Option, ...]:
    """Best first, the traffic worked out where the passes do not decide."""
    fewest = min(option.passes for option in found)
    forms: dict[str, list[Option]] = {}
    for option in found:
        if option.passes == fewest:
            forms.setdefault(option.form, []).append(option)
    prices = _Prices(buffer_elements)
    for option in _spread((sizes[0] for sizes in forms.values()), _PRICED):
        prices.price(option)
    for winner in sorted(prices.known.values(), key=lambda option: option.order)[:_REFINED]:
        for other in forms[winner.form]:
            prices.price(other)
    prices.price(found[0], rival=False)
    ordered = sorted(
        (prices.known.get(id(option), option) for option in found),
        key=lambda option: (option.order, canonical(option.cascade)),
    )
    best = ordered[0]
    return tuple(
        option if place == 0 else replace(option, lost=_why(option, best, prices))
        for place, option in enumerate(ordered)
    )


def _why(option: Option, best: Option, prices: _Prices) -> str:
    """Why an option lost: the first figure in which it is worse."""
    if option.passes > best.passes:
        return f"{option.passes} passes over {option.rank} where {best.passes} will do"
    if option.traffic is None or best.traffic is None:
        known = "nothing moves fewer elements" if prices.settled < float("inf") else "not priced"
        return f"{option.work / best.work:.3f} times the work; {known}"
    if option.traffic > best.traffic:
        return f"moves {option.traffic / best.traffic:.2f} times the elements"
    if option.work > best.work:
        return f"as few passes and elements, {option.work / best.work:.3f} times the work"
    if option.live > best.live:
        return f"keeps {option.live} elements live where {best.live} will do"
    if len(option.caveats) > len(best.caveats):
        return option.caveats[-1]
    return "the same figures by more rewritings"
