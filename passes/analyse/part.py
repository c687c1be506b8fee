"""Einsums that run together, as one phase between memory and memory: what they read, write and allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...ir.einsum import Access, Einsum, Index
from ...ir.view import Cascade
from .passes import count_passes
from .sizes import Pattern, Term, access_size, pattern, ranks_of


def in_order(cascade: Cascade) -> tuple[Einsum, ...]:
    """All Einsums, the first generation of a carried tensor just before whoever needs it first."""
    carried = set(cascade.carried)
    starts = {e.output.tensor: e for e in cascade.init if e.output.tensor in carried}
    listed: list[Einsum] = []
    for einsum in (e for e in cascade.all if not any(e is start for start in starts.values())):
        touched = [einsum.output.tensor, *(access.tensor for access in einsum.accesses)]
        listed += [starts.pop(tensor) for tensor in dict.fromkeys(touched) if tensor in starts]
        listed.append(einsum)
    return tuple(listed)


def cuts(cascade: Cascade, einsums: Sequence[Einsum]) -> tuple[int, ...]:
    """Places where the order may be cut in phases: nowhere between a carried tensor's users and writer."""
    allowed = set(range(len(einsums) + 1))
    for tensor in cascade.carried:
        writers = [place for place, e in enumerate(einsums) if e.output.tensor == tensor]
        read = [place for place, e in enumerate(einsums) if any(a.tensor == tensor for a in e.accesses)]
        last = max(writers)
        allowed -= set(range(min([*writers, *read]) + 1, last + 1))
    return tuple(sorted(allowed))


def renames(einsum: Einsum) -> bool:
    """Whether an Einsum computes nothing: it reads a tensor at other indices."""
    return einsum.map == "id" and einsum.reduce is None and len(einsum.accesses) == 1


def _together(accesses: Sequence[Access]) -> Access:
    """One access for several of one pattern; a constant says how far apart their shifts are."""
    shifts = [[access.index[axis].const for access in accesses] for axis in range(len(accesses[0].index))]
    index = tuple(
        Index(one.terms, max(at) - min(at)) for one, at in zip(accesses[0].index, shifts, strict=True)
    )
    return Access(accesses[0].tensor, index)


@dataclass(frozen=True)
class Part:
    """A run of Einsums of a cascade executed together.

    Attributes:
        cascade: the whole cascade, with extents.
        einsums: those of the part, in order.
    """

    cascade: Cascade
    einsums: tuple[Einsum, ...]

    @cached_property
    def sub(self) -> Cascade:
        """The part as a cascade of its own."""
        starts = tuple(e for e, start in zip(self.einsums, self.starts, strict=True) if start)
        body = tuple(e for e, start in zip(self.einsums, self.starts, strict=True) if not start)
        return Cascade(body, starts, self.cascade.extents, self.cascade.stop)

    @property
    def key(self) -> tuple[object, ...]:
        """What decides how it may be run: two parts with one key are the same."""
        extents = tuple((rank, self.cascade.extents[rank]) for rank in self.ranks)
        return self.einsums, extents, tuple(self.stores.items()), self.carried

    @cached_property
    def starts(self) -> tuple[bool, ...]:
        """Per Einsum whether it only writes the first generation of a carried tensor."""
        carried = frozenset(self.cascade.carried)
        init = {id(einsum) for einsum in self.cascade.init}
        return tuple(e.output.tensor in carried and id(e) in init for e in self.einsums)

    @cached_property
    def aliases(self) -> tuple[bool, ...]:
        """Per Einsum whether it only renames what is read from outside, and so needs no room of its own."""
        return tuple(renames(e) and e.accesses[0].tensor not in self.written for e in self.einsums)

    @cached_property
    def rank_sets(self) -> tuple[frozenset[str], ...]:
        """Per Einsum the ranks of its iteration space."""
        return tuple(frozenset(einsum.ranks) for einsum in self.einsums)

    @cached_property
    def made_ranks(self) -> tuple[frozenset[str], ...]:
        """Per Einsum the ranks of what it writes."""
        return tuple(frozenset(einsum.output.ranks) for einsum in self.einsums)

    @cached_property
    def written(self) -> dict[str, Einsum]:
        """Tensor → the Einsum of this part that writes it, first generations left out."""
        pairs = zip(self.einsums, self.starts, strict=True)
        return {e.output.tensor: e for e, start in pairs if not start}

    @cached_property
    def carried(self) -> frozenset[str]:
        """Carried tensors written here."""
        return frozenset(self.cascade.carried) & frozenset(self.written)

    @cached_property
    def readers(self) -> dict[str, tuple[int, ...]]:
        """Tensor → places of the Einsums here that read it."""
        found: dict[str, list[int]] = {}
        for place, einsum in enumerate(self.einsums):
            for tensor in dict.fromkeys(access.tensor for access in einsum.accesses):
                found.setdefault(tensor, []).append(place)
        return {tensor: tuple(places) for tensor, places in found.items()}

    @cached_property
    def loads(self) -> dict[Pattern, tuple[Access, tuple[int, ...]]]:
        """What is read from outside: pattern → an access and the places of its readers.

        The constant of an index is how far apart the shifts are that it is read at.
        """
        found: dict[Pattern, list[tuple[Access, int]]] = {}
        for place, einsum in enumerate(self.einsums):
            for access in einsum.accesses:
                if access.tensor not in self.written:
                    found.setdefault(pattern(access), []).append((access, place))
        return {
            key: (_together([access for access, _ in read]), tuple(dict.fromkeys(place for _, place in read)))
            for key, read in found.items()
        }

    @cached_property
    def made(self) -> tuple[Access, ...]:
        """Per Einsum what it writes, generations left out."""
        return tuple(_together([einsum.output]) for einsum in self.einsums)

    @cached_property
    def load_ranks(self) -> dict[Pattern, frozenset[str]]:
        """What is read from outside → the ranks it is read at."""
        return {key: frozenset(access.ranks) for key, (access, _) in self.loads.items()}

    @cached_property
    def stores(self) -> dict[str, int]:
        """Tensors that leave → elements written: what the outside reads of them, or all of a result."""
        inside = {id(einsum) for einsum in self.einsums}
        found: dict[str, int] = {}
        for tensor, writer in self.written.items():
            outside = [
                access_size(access, self.cascade.extents)
                for einsum in self.cascade.all
                if id(einsum) not in inside
                for access in einsum.accesses
                if access.tensor == tensor
            ]
            if tensor in self.cascade.results:
                outside.append(access_size(writer.output, self.cascade.extents))
            if outside:
                found[tensor] = max(outside)
        return found

    @cached_property
    def compulsory(self) -> int:
        """Elements that any execution of the part on its own moves."""
        largest: dict[str, int] = {}
        for access, _ in self.loads.values():
            size = access_size(access, self.cascade.extents)
            largest[access.tensor] = max(size, largest.get(access.tensor, 0))
        return sum(largest.values()) + sum(self.stores.values())

    @cached_property
    def ranks(self) -> tuple[str, ...]:
        """Ranks of the part."""
        return ranks_of(self.sub)

    @cached_property
    def whole(self) -> dict[str, frozenset[str]]:
        """Tensor made here → its ranks that some Einsum here reads at another rank or a fixed coordinate."""
        found: dict[str, set[str]] = {}
        for einsum in self.einsums:
            for access in einsum.accesses:
                writer = self.written.get(access.tensor)
                if writer is None:
                    continue
                for made, read in zip(writer.output.index, access.index, strict=False):
                    fixed = not read.terms and access.tensor in self.carried
                    if made.terms != read.terms and not fixed:
                        found.setdefault(access.tensor, set()).update(made.ranks)
        return {tensor: frozenset(ranks) for tensor, ranks in found.items()}

    @cached_property
    def reach(self) -> dict[str, int]:
        """Tensor made here → how far from its own place along a rank it is read."""
        found = dict.fromkeys(self.written, 0)
        for access in (access for einsum in self.einsums for access in einsum.accesses):
            writer = self.written.get(access.tensor)
            if writer is not None:
                pairs = zip(writer.output.index, access.index, strict=False)
                far = [abs(made.const - read.const) for made, read in pairs if made.terms == read.terms]
                found[access.tensor] = max([found[access.tensor], *far])
        return found

    @cached_property
    def shifted(self) -> frozenset[str]:
        """Ranks at which a tensor made here is read a constant apart: they run in order, in one tile."""
        found: set[str] = set()
        for einsum in self.einsums:
            for access in einsum.accesses:
                writer = self.written.get(access.tensor)
                if writer is not None:
                    pairs = zip(writer.output.index, access.index, strict=False)
                    found |= {rank for made, read in pairs if made != read for rank in made.ranks}
        return frozenset(found)

    @cached_property
    def tileable(self) -> tuple[str, ...]:
        """Ranks whose loop over blocks may stand outside everything: reduced and read shifted nowhere."""
        inner = {rank for einsum in self.einsums for rank in einsum.reduced} | self.shifted
        inner |= {rank for ranks in self.whole.values() for rank in ranks}
        if self.carried and self.cascade.generational:
            inner.add(self.cascade.generational)
        return tuple(rank for rank in self.ranks if rank not in inner)

    @cached_property
    def streamable(self) -> tuple[str, ...]:
        """Ranks that may be traversed point by point inside the blocks."""
        whole = {rank for ranks in self.whole.values() for rank in ranks}
        return tuple(rank for rank in self.ranks if rank not in whole)

    def levels(self, rank: str) -> dict[str, int]:
        """Tensor → the pass over `rank` in which it is written."""
        if rank not in self._levels:
            self._levels[rank] = count_passes(self.sub, rank, (rank,)).levels
        return self._levels[rank]

    def passing(self, rank: str) -> frozenset[str]:
        """Tensors that carry the rank and are read in the pass that makes them, and only then."""
        if rank not in self._passing:
            self._passing[rank] = frozenset(self._read_at_once(rank))
        return self._passing[rank]

    def _read_at_once(self, rank: str) -> Iterator[str]:
        levels = self.levels(rank)
        for tensor, einsum in self.written.items():
            if rank not in einsum.output.ranks or rank in self.whole.get(tensor, ()):
                continue
            places = self.readers.get(tensor, ())
            read = {levels.get(self.einsums[place].output.tensor, 0) for place in places}
            if read <= {levels[tensor]}:
                yield tensor

    @cached_property
    def _levels(self) -> dict[str, dict[str, int]]:
        return {}

    @cached_property
    def _passing(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def peaks(self) -> dict[object, list[int]]:
        """Peaks of what only passes through, kept by the loop nests that share them."""
        return {}

    @cached_property
    def tiles(self) -> dict[object, Term]:
        """Tile sizes, kept likewise."""
        return {}
