"""One way to run a phase: loops over blocks of outer ranks, and inside them passes over a streamed rank.

What must be held follows from the passes (FuseMax §III-B): a tensor that crosses a pass boundary is kept
whole along the streamed rank, spilled and loaded again, or made again from what it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ...ir.einsum import Access, Index
from .part import Part
from .sizes import Pattern, Term, span

KEEP, SPILL, RECOMPUTE, RELOAD = "keep", "spill", "recompute", "reload"


@dataclass(frozen=True)
class Held:
    """Something in the buffer during the passes from `first` to `last`."""

    term: Term
    first: int
    last: int


@dataclass(frozen=True)
class Flow:
    """Something moved: a tensor, ``load``, ``store``, ``spill`` or ``refill``, and how much."""

    tensor: str
    kind: str
    term: Term


@dataclass(frozen=True)
class Nest:
    """A loop nest over a part.

    Attributes:
        part: the Einsums.
        stream: ranks traversed point by point (one, but for a single Einsum's several reduced ranks).
        order: outer ranks in blocks, outermost first.
        fates: what crosses a pass boundary → ``keep``, ``spill`` or ``recompute``.
        fibers: whether inputs read in several passes are kept rather than loaded again.
    """

    part: Part
    stream: tuple[str, ...]
    order: tuple[str, ...]
    fates: tuple[tuple[str, str], ...] = ()
    fibers: bool = False

    @cached_property
    def runs(self) -> list[frozenset[int]]:
        """Per Einsum the passes it runs in; several when its tensor is made again."""
        part, levels = self.part, self.levels
        fates = dict(self.fates)
        found: list[frozenset[int]] = [frozenset()] * len(part.einsums)
        for place in reversed(range(len(part.einsums))):
            tensor = part.einsums[place].output.tensor
            level = levels[place]
            needed = {run for reader in part.readers.get(tensor, ()) for run in found[reader]}
            streams = self.streams(part.einsums[place].output)
            again = {run for run in needed if run > level} if streams else set()
            if fates.get(tensor, RECOMPUTE) == RECOMPUTE and tensor not in part.carried and again:
                here = level in needed or tensor in part.stores
                found[place] = frozenset(again | ({level} if here else set()))
            else:
                found[place] = frozenset({level})
        return found

    @cached_property
    def levels(self) -> list[int]:
        """Per Einsum the pass it belongs to, 0 for what is done before the first."""
        found = self.part.levels(self.stream[0]) if self.stream else {}
        return [0 if self.part.is_start(e) else found.get(e.output.tensor, 0) for e in self.part.einsums]

    @property
    def passes(self) -> int:
        """Passes over the streamed rank."""
        return max([1, *(run for runs in self.runs for run in runs)])

    def streams(self, access: Access) -> bool:
        """Whether an access moves with the streamed rank."""
        return bool(set(self.stream) & set(access.ranks))

    def crossing(self) -> tuple[str, ...]:
        """Tensors made here that stream and are read in a later pass than the one that makes them."""
        found = []
        for place, einsum in enumerate(self.part.einsums):
            tensor = einsum.output.tensor
            if tensor in self.part.written and self.streams(einsum.output) and not self.part.is_start(einsum):
                later = any(self.levels[r] > self.levels[place] for r in self.part.readers.get(tensor, ()))
                found += [tensor] if later else []
        return tuple(found)

    # Sizes.

    @cached_property
    def extents(self) -> Mapping[str, int]:
        return self.part.cascade.extents

    def tile(self, access: Access, *, point: bool = False, fiber: bool = False, drop: str = "") -> Term:
        """Elements of an access held at once.

        Args:
            access: the access.
            point: one point of the outer ranks, not the block.
            fiber: the whole streamed rank, not a point of it.
            drop: a rank inside the block that is traversed point by point too.
        """
        one = {*self.order} if point else set()
        if not fiber:
            one |= set(self.stream)
        if drop:
            one.add(drop)
        constant, windows = 1, []
        for index in access.index:
            if set(index.ranks) & (set(self.order) - one):
                kept = tuple((rank, c) for rank, c in index.terms if rank not in one)
                windows.append(Index(kept))
            else:
                constant *= span(index, {r: 1 if r in one else self.extents[r] for r in index.ranks})
        return Term(constant, tuple(windows))

    def volume(self, access: Access, through: int | None = None, times: int = 1) -> Term:
        """Elements moved when every block moves its share; loops from place `through` on move nothing."""
        constant, windows, trips = times, [], []
        for index in access.index:
            outer = [rank for rank in index.ranks if rank in self.order]
            if outer and len(index.terms) > 1:
                windows.append(index)
                trips += outer
            else:
                constant *= span(index, self.extents)
        missing = [r for r in self.order[:through] if r not in access.ranks]
        return Term(constant, tuple(windows), (*trips, *missing))

    def before(self, access: Access) -> int:
        """Place behind the last outer rank that an access has: deeper loops find its block still there."""
        places = [place + 1 for place, rank in enumerate(self.order) if rank in access.ranks]
        return max(places, default=0)

    # What is held, and what moves.

    @cached_property
    def held(self) -> list[Held]:
        """Everything resident during a pass; what only passes through is in `passing_peak`."""
        return [*self._held_inputs(), *self._held_made()]

    def _input_runs(self) -> Iterator[tuple[Pattern, Access, list[int]]]:
        for key, (access, places) in self.part.loads.items():
            yield key, access, sorted({max(1, run) for place in places for run in self.runs[place]})

    def _held_inputs(self) -> Iterator[Held]:
        for _, access, runs in self._input_runs():
            if not self.streams(access):
                yield Held(self.tile(access), runs[0], runs[-1])
            elif self.fibers and len(runs) > 1:
                yield Held(self.tile(access, fiber=True), runs[0], runs[-1])
            else:
                prefix = self.order[: self.before(access)]
                alone = all(rank in access.ranks for rank in prefix)
                for run in runs:
                    yield Held(self.tile(access, point=alone), run, run)

    def _held_made(self) -> Iterator[Held]:
        fates = dict(self.fates)
        for place, einsum in enumerate(self.part.einsums):
            tensor = einsum.output.tensor
            if self.part.is_start(einsum):
                continue
            level = max(1, self.levels[place])
            last = max([level, *(max(self.runs[r]) for r in self.part.readers.get(tensor, ()))])
            if self.streams(einsum.output):
                if fates.get(tensor) == KEEP:
                    yield Held(self.tile(einsum.output, fiber=True), level, last)
                elif tensor in self.part.carried:
                    yield Held(self.tile(einsum.output), level, last)
            elif not self.momentary(place):
                yield Held(self.tile(einsum.output), level, last)

    def momentary(self, place: int) -> bool:
        """Whether a tensor that does not stream is made and used point by point behind its pass."""
        einsum = self.part.einsums[place]
        if set(self.stream) & set(einsum.ranks) or einsum.output.tensor in self.part.carried:
            return False
        readers = self.part.readers.get(einsum.output.tensor, ())
        same = all(self.levels[r] == self.levels[place] for r in readers)
        return same and not any(set(self.stream) & set(self.part.einsums[r].ranks) for r in readers)

    @cached_property
    def passing_peak(self) -> list[int]:
        """Per pass (from 1) the most elements alive at once of what is made and used at one outer point."""
        candidates = [r for r in self.part.ranks if r not in self.order and r not in self.stream]
        whole = {rank for ranks in self.part.whole.values() for rank in ranks}
        inner = [r for r in candidates if r not in whole]
        options = [self._passing(rank) for rank in ("", *inner)]
        return [min(option[at] for option in options) for at in range(self.passes)]

    def _passing(self, inner: str) -> list[int]:
        through = self.part.passing(inner) if inner else frozenset()
        fates = dict(self.fates)
        peaks = []
        for run in range(1, self.passes + 1):
            alive = [0] * (len(self.part.einsums) + 1)
            for place, einsum in enumerate(self.part.einsums):
                tensor = einsum.output.tensor
                streams = self.streams(einsum.output)
                held = fates.get(tensor) == KEEP or tensor in self.part.carried or self.part.is_start(einsum)
                if held or not (streams or self.momentary(place)):
                    continue
                readers = [r for r in self.part.readers.get(tensor, ()) if run in self._during(r)]
                made = run in self._during(place)
                if not made and not readers:
                    continue
                first = place if made else readers[0]
                size = self.tile(einsum.output, point=True, drop=inner if tensor in through else "").at({}, {})
                size *= 1 + self._reach(tensor)
                for at in range(first, max([first, *readers]) + 1):
                    alive[at] += size
            peaks.append(max(alive))
        return peaks

    def _during(self, place: int) -> set[int]:
        return {max(1, run) for run in self.runs[place]}

    def _reach(self, tensor: str) -> int:
        """How far back along the stream a tensor made here is read."""
        writer = self.part.written[tensor]
        reach = 0
        for place in self.part.readers.get(tensor, ()):
            for access in self.part.einsums[place].accesses:
                if access.tensor == tensor:
                    pairs = zip(writer.output.index, access.index, strict=False)
                    reach = max([reach, *(abs(m.const - r.const) for m, r in pairs if m.terms == r.terms)])
        return reach

    @cached_property
    def flows(self) -> list[Flow]:
        """Everything that moves between memory and buffer."""
        found: list[Flow] = []
        fates = dict(self.fates)
        for _, access, runs in self._input_runs():
            if self.streams(access):
                times = 1 if self.fibers else len(runs)
                found.append(Flow(access.tensor, "load", self.volume(access, times=times)))
            else:
                found.append(Flow(access.tensor, "load", self.volume(access, self.before(access))))
        for tensor, elements in self.part.stores.items():
            found.append(Flow(tensor, "store", Term(elements)))
        for place, einsum in enumerate(self.part.einsums):
            tensor = einsum.output.tensor
            if fates.get(tensor) != SPILL or self.part.is_start(einsum):
                continue
            runs = {run for r in self.part.readers.get(tensor, ()) for run in self.runs[r]}
            later = len({run for run in runs if run > self.levels[place]})
            if tensor not in self.part.stores:
                found.append(Flow(tensor, "spill", self.volume(einsum.output)))
            found.append(Flow(tensor, "refill", self.volume(einsum.output, times=later)))
        return found

    @property
    def legal(self) -> bool:
        """Whether everything made again can be."""
        return not any(
            len(self.runs[place]) > 1 and any(a.tensor in self.part.carried for a in einsum.accesses)
            for place, einsum in enumerate(self.part.einsums)
        )

    @cached_property
    def repeated(self) -> tuple[str, ...]:
        """Tensors made in more than one pass."""
        return tuple(
            einsum.output.tensor
            for place, einsum in enumerate(self.part.einsums)
            if len(self.runs[place]) > 1
        )

    def occupancy(self, blocks: Mapping[str, Any], trips: Mapping[str, Any]) -> Any:
        """The most elements held at once, over the passes."""
        peaks = []
        for run in range(1, self.passes + 1):
            total: Any = self.passing_peak[run - 1]
            for each in self.held:
                if each.first <= run <= each.last:
                    total = total + each.term.at(blocks, trips)
            peaks.append(total)
        result = peaks[0]
        for peak in peaks[1:]:
            result = np.maximum(result, peak)
        return result

    def elements(self, blocks: Mapping[str, Any], trips: Mapping[str, Any]) -> Any:
        """Elements moved in all."""
        total: Any = 0
        for flow in self.flows:
            total = total + flow.term.at(blocks, trips)
        return total


def fate_choices(nest: Nest, *, recompute: bool = True) -> Iterator[tuple[tuple[str, str], ...]]:
    """Ways to treat what crosses pass boundaries: all of them for up to four tensors, else by size."""
    crossing = nest.crossing()
    carried = nest.part.carried
    offered = [
        (KEEP, SPILL, RECOMPUTE) if recompute and tensor not in carried else (KEEP, SPILL)
        for tensor in crossing
    ]
    if prod(len(each) for each in offered) <= 81:
        for fates in product(*offered):
            yield tuple(zip(crossing, fates, strict=True))
        return
    written = nest.part.written
    ranked = sorted(crossing, key=lambda name: nest.tile(written[name].output, point=True, fiber=True).constant)
    for kept in range(len(ranked) + 1):
        for fate in (SPILL, RECOMPUTE) if recompute else (SPILL,):
            yield tuple(
                (name, KEEP if place < kept else SPILL if name in carried else fate)
                for place, name in enumerate(ranked)
            )
