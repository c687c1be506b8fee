"""One way to run a phase: loops over blocks of outer ranks, and inside them passes over a streamed rank.

What must be held follows from the passes (FuseMax §III-B): a tensor that crosses a pass boundary is kept
whole along the streamed rank, spilled and loaded again, or made again from what it was made from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from ...ir.einsum import Access
from .part import Part
from .sizes import Pattern, Term, divided, span

KEEP, SPILL, RECOMPUTE = "keep", "spill", "recompute"


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
        stream: ranks traversed point by point (one, but for a single Einsum's several reduced ranks,
            the first outermost).
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
    def fate(self) -> dict[str, str]:
        """The fates by tensor."""
        return dict(self.fates)

    @cached_property
    def runs(self) -> list[frozenset[int]]:
        """Per Einsum the passes it runs in; several when its tensor is made again."""
        part, levels = self.part, self.levels
        found: list[frozenset[int]] = [frozenset()] * len(part.einsums)
        for place in reversed(range(len(part.einsums))):
            tensor = part.einsums[place].output.tensor
            level = levels[place]
            needed = {run for reader in part.readers.get(tensor, ()) for run in found[reader]}
            streams = not part.made_ranks[place].isdisjoint(self.stream)
            again = {run for run in needed if run > level} if streams else set()
            if self.fate.get(tensor, RECOMPUTE) == RECOMPUTE and tensor not in part.carried and again:
                here = level in needed or tensor in part.stores
                found[place] = frozenset(again | ({level} if here else set()))
            else:
                found[place] = frozenset({level})
        return found

    @cached_property
    def levels(self) -> list[int]:
        """Per Einsum the pass it belongs to, 0 for what is done before the first."""
        found = self.part.levels(self.stream[0]) if self.stream else {}
        pairs = zip(self.part.einsums, self.part.starts, strict=True)
        return [0 if start else found.get(e.output.tensor, 0) for e, start in pairs]

    @cached_property
    def passes(self) -> int:
        """Passes over the streamed rank."""
        return max([1, *(run for runs in self.runs for run in runs)])

    def streams(self, key: Pattern) -> bool:
        """Whether what is read from outside moves with the streamed rank."""
        return not self.part.load_ranks[key].isdisjoint(self.stream)

    def crossing(self) -> tuple[str, ...]:
        """Tensors made here that stream and are read in a later pass than the one that makes them."""
        found = []
        for place, einsum in enumerate(self.part.einsums):
            tensor = einsum.output.tensor
            if self.makes_stream(place):
                later = any(self.levels[r] > self.levels[place] for r in self.part.readers.get(tensor, ()))
                found += [tensor] if later else []
        return tuple(found)

    def makes_stream(self, place: int) -> bool:
        """Whether an Einsum writes what moves with the streamed rank."""
        return not self.part.starts[place] and not self.part.made_ranks[place].isdisjoint(self.stream)

    # Sizes.

    @cached_property
    def extents(self) -> Mapping[str, int]:
        """Rank → extent."""
        return self.part.cascade.extents

    def tile(self, access: Access, *, point: bool = False, fiber: bool = False, drop: str = "") -> Term:
        """Elements of an access held at once.

        Args:
            access: the access; a constant in an index is how much farther it reaches.
            point: one point of the outer ranks, not the block.
            fiber: the whole streamed rank, not a point of it.
            drop: a rank inside the block that is traversed point by point too.
        """
        key = (id(access), self.stream, frozenset(self.order), point, fiber, drop)
        if key not in self.part.tiles:
            self.part.tiles[key] = self._tile(access, point, fiber, drop)
        return self.part.tiles[key]

    def _tile(self, access: Access, point: bool, fiber: bool, drop: str) -> Term:
        one = {*self.order} if point else set()
        if not fiber:
            one |= set(self.stream)
        if drop:
            one.add(drop)
        constant, windows = 1, []
        for index in access.index:
            block, rest = divided(index, set(self.order) - one)
            others = index.const + span(rest, {r: 1 if r in one else self.extents[r] for r in rest.ranks})
            if block.terms:
                windows.append((block, others))
            else:
                constant *= others
        return Term(constant, tuple(windows))

    def volume(self, access: Access, ranks: Collection[str], *, stays: bool = False, times: int = 1) -> Term:
        """Elements moved when every block moves its share.

        Args:
            access: the access.
            ranks: the ranks it has.
            stays: whether a block stays while loops turn that it does not depend on.
            times: passes that move it.
        """
        constant, windows = times, []
        trips: list[tuple[str, tuple[str, ...]]] = []
        for index in access.index:
            block, rest = divided(index, self.order)
            if block.terms and (len(index.terms) > 1 or index.const):
                windows.append((block, index.const + span(rest, self.extents)))
                trips += [(rank, ()) for rank in block.ranks]
            else:
                constant *= span(index, self.extents)
        for place, rank in enumerate(self.order):
            deeper = tuple(each for each in self.order[place + 1 :] if each in ranks)
            if rank not in ranks and (deeper or not stays):
                trips.append((rank, deeper if stays else ()))
        return Term(constant, tuple(windows), tuple(trips))

    def returns(self, ranks: Collection[str]) -> int:
        """How often what has only some of several streamed ranks is come back to: the first is outermost."""
        last = max(place for place, rank in enumerate(self.stream) if rank in ranks)
        return prod(self.extents[rank] for rank in self.stream[:last] if rank not in ranks)

    def shifts(self, access: Access) -> int:
        """How often an element is read as the stream passes, where it is read at several shifts."""
        return prod(1 + index.const for index in access.index if not set(index.ranks).isdisjoint(self.stream))

    def before(self, ranks: Collection[str]) -> int:
        """Place behind the last outer rank among `ranks`: deeper loops find the block still there."""
        places = [place + 1 for place, rank in enumerate(self.order) if rank in ranks]
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
        for key, access, runs in self._input_runs():
            ranks = self.part.load_ranks[key]
            if not self.streams(key):
                # What may stay while the loop of a rank it lacks turns is there in every pass.
                stays = not ranks.issuperset(self.order)
                yield Held(self.tile(access), 1 if stays else runs[0], self.passes if stays else runs[-1])
            elif self.fibers and len(runs) > 1:
                yield Held(self.tile(access, fiber=True), runs[0], runs[-1])
            else:
                for run in runs:
                    yield Held(self.tile(access, point=self.aside(ranks)), run, run)

    def _held_made(self) -> Iterator[Held]:
        for place, einsum in enumerate(self.part.einsums):
            tensor = einsum.output.tensor
            if self.part.starts[place]:
                continue
            level = max(1, self.levels[place])
            last = max([level, *(max(self.runs[r]) for r in self.part.readers.get(tensor, ()))])
            if self.makes_stream(place):
                if self.fate.get(tensor) == KEEP:
                    yield Held(self.tile(self.part.made[place], fiber=True), level, last)
                elif tensor in self.part.carried:
                    yield Held(self.tile(self.part.made[place]), level, last)
                elif not self.aside(self.part.made_ranks[place]) and not self.part.aliases[place]:
                    yield from (Held(self.tile(self.part.made[place]), run, run) for run in self.uses[place])
            elif not (self.momentary(place) and self.aside(self.part.made_ranks[place])):
                yield Held(self.tile(self.part.made[place]), level, last)

    def momentary(self, place: int) -> bool:
        """Whether a tensor that does not stream is made and used point by point behind its pass."""
        einsum = self.part.einsums[place]
        if self.iterates(place) or einsum.output.tensor in self.part.carried:
            return False
        readers = self.part.readers.get(einsum.output.tensor, ())
        same = all(self.levels[r] == self.levels[place] for r in readers)
        return same and not any(self.iterates(reader) for reader in readers)

    def iterates(self, place: int) -> bool:
        """Whether an Einsum runs along the streamed rank."""
        return not self.part.rank_sets[place].isdisjoint(self.stream)

    @property
    def inner(self) -> tuple[str, ...]:
        """Ranks inside the block of which one may be traversed point by point too."""
        taken = {*self.order, *self.stream, *(rank for ranks in self.part.whole.values() for rank in ranks)}
        return tuple(rank for rank in self.part.ranks if rank not in taken)

    def aside(self, ranks: Collection[str]) -> bool:
        """Whether a point of what has these ranks is done with before the next one is needed."""
        return set(self.order[: self.before(ranks)]) <= set(ranks)

    @cached_property
    def passing_peak(self) -> list[int]:
        """Per pass (from 1) the most elements alive at once of what is made and used at one outer point."""
        key = (self.stream, self.order, self.fates)
        if key in self.part.peaks:
            return self.part.peaks[key]
        options = [self._passing(rank) for rank in ("", *self.inner)]
        peaks = [min(option[at] for option in options) for at in range(self.passes)]
        self.part.peaks[key] = peaks
        return peaks

    def _passing(self, inner: str) -> list[int]:
        """Per pass the peak when `inner` is traversed point by point inside the block.

        Then, and in a recurrence inside the block, Einsums take turns, and all they make is alive together;
        otherwise each is done before the next one starts. What lacks an outer rank stays for all its points.
        """
        recurs = bool(self.part.carried) and self.part.cascade.generational not in self.stream
        turns = bool(inner) or recurs
        through = self.part.passing(inner) if inner else frozenset()
        alive = [[0] * len(self.part.einsums) for _ in range(self.passes)]
        for place in self.fleeting:
            tensor = self.part.einsums[place].output.tensor
            drop = inner if tensor in through else ""
            size = self.tile(self.part.made[place], point=True, drop=drop).constant
            # Of a carried tensor this is the last generation, beside the held one that replaces it.
            size *= 1 if tensor in self.part.carried else 1 + self.part.reach[tensor]
            stays = turns or not self.part.made_ranks[place].issuperset(self.order)
            for run, used in self.uses[place].items():
                first, last = (0, len(self.part.einsums) - 1) if stays else (min(used), max(used))
                for at in range(first, last + 1):
                    alive[run - 1][at] += size
        return [max(each) for each in alive]

    @cached_property
    def fleeting(self) -> list[int]:
        """Places of the Einsums whose results pass through, a point of the outer ranks at a time."""
        found = []
        for place, einsum in enumerate(self.part.einsums):
            tensor = einsum.output.tensor
            if self.part.starts[place] or self.part.aliases[place] or self.fate.get(tensor) == KEEP:
                continue
            aside = tensor in self.part.carried or self.aside(self.part.made_ranks[place])
            if aside and (self.makes_stream(place) or self.momentary(place)):
                found.append(place)
        return found

    @cached_property
    def uses(self) -> list[dict[int, list[int]]]:
        """Per Einsum: pass → places of the Einsums that make or read in it what the Einsum writes."""
        during = [{max(1, run) for run in runs} for runs in self.runs]
        found = []
        for place, einsum in enumerate(self.part.einsums):
            used: dict[int, list[int]] = {}
            for each in (place, *self.part.readers.get(einsum.output.tensor, ())):
                for run in during[each]:
                    used.setdefault(run, []).append(each)
            found.append(used)
        return found

    @cached_property
    def flows(self) -> list[Flow]:
        """Everything that moves between memory and buffer."""
        found: list[Flow] = []
        for key, access, runs in self._input_runs():
            ranks = self.part.load_ranks[key]
            if self.streams(key):
                times = (1 if self.fibers else len(runs)) * self.returns(ranks) * self.shifts(access)
                found.append(Flow(access.tensor, "load", self.volume(access, ranks, times=times)))
            else:
                found.append(Flow(access.tensor, "load", self.volume(access, ranks, stays=True)))
        for tensor, elements in self.part.stores.items():
            found.append(Flow(tensor, "store", Term(elements)))
        for place, einsum in enumerate(self.part.einsums):
            tensor = einsum.output.tensor
            if self.fate.get(tensor) != SPILL or self.part.starts[place]:
                continue
            runs = {run for r in self.part.readers.get(tensor, ()) for run in self.runs[r]}
            later = len({run for run in runs if run > self.levels[place]})
            ranks = self.part.made_ranks[place]
            if tensor not in self.part.stores:
                found.append(Flow(tensor, "spill", self.volume(self.part.made[place], ranks)))
            found.append(Flow(tensor, "refill", self.volume(self.part.made[place], ranks, times=later)))
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
            e.output.tensor for place, e in enumerate(self.part.einsums) if len(self.runs[place]) > 1
        )

    def made(self, trips: Mapping[str, Any]) -> dict[str, Any]:
        """Tensor → how often it is computed: per pass that needs it, and per block of a rank it lacks."""
        found = {}
        for place, einsum in enumerate(self.part.einsums):
            blocks = [trips[rank] for rank in self.order if rank not in self.part.rank_sets[place]]
            found[einsum.output.tensor] = len(self.runs[place]) * prod(blocks)
        return found

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

    @cached_property
    def floor(self) -> int:
        """The least it can move: every outer rank in one block."""
        blocks = {rank: self.extents[rank] for rank in self.order}
        return int(self.elements(blocks, dict.fromkeys(self.order, 1)))

    def elements(self, blocks: Mapping[str, Any], trips: Mapping[str, Any]) -> Any:
        """Elements moved in all."""
        total: Any = 0
        for flow in self.flows:
            total = total + flow.term.at(blocks, trips)
        return total
