"""Counts the passes that a cascade must make over the fibers of a rank (FuseMax §III-A).

A pass is one traversal of all elements of a fiber; reading an element again after every other element
of its fiber had to be read first is one more pass, in every mapping. The count follows from the
dependency graph alone: a tensor that carries the rank *streams* at some level, one that does not is
*closed* after some level, and reading a closed tensor while streaming opens the next level.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...ir.einsum import Access, Einsum
from ...ir.view import Cascade


@dataclass(frozen=True)
class PassCount:
    """Passes over one rank.

    Attributes:
        rank: the outer sub-rank the count was made for.
        family: the rank's sub-ranks, outermost first.
        by_root: program input → passes over its fibers.
        levels: tensor → the level at which it is written.
    """

    rank: str
    family: tuple[str, ...]
    by_root: dict[str, int]
    levels: dict[str, int]

    @property
    def passes(self) -> int:
        """The largest count over the program inputs, 0 when none carries the rank."""
        return max(self.by_root.values(), default=0)

    @property
    def root(self) -> str:
        """The program input with the most passes, the first such."""
        return max(self.by_root, key=lambda name: self.by_root[name], default="")


@dataclass(frozen=True)
class _State:
    streams: bool
    level: int


def count_passes(cascade: Cascade, rank: str, family: Iterable[str] | None = None) -> PassCount:
    """Count the passes over `rank`.

    Args:
        cascade: the cascade.
        rank: the rank, or any of its sub-ranks.
        family: the sub-ranks to treat as one rank, outermost first; found from the cascade's partitions
            when None. Give ``("m0",)`` to ask about the tile of a split rank alone.

    Raises:
        NotationError: no Einsum has the rank.
    """
    members = tuple(family) if family is not None else cascade.family(rank)
    return _Counter(cascade, members).run()


def most_passes(cascade: Cascade) -> PassCount:
    """The count of the rank with the most passes; of equals the generational one, else the first.

    Of scalars alone, which have no rank, a count of no passes over the rank ``""``.
    """
    counts = [count_passes(cascade, family[0], family) for family in cascade.families()]
    nothing = PassCount("", (), {}, {})
    return max(counts, key=lambda count: (count.passes, count.rank == cascade.generational), default=nothing)


class _Counter:
    def __init__(self, cascade: Cascade, family: tuple[str, ...]) -> None:
        self.cascade = cascade
        self.family = family
        self.rank = family[0]
        self.carried = set(cascade.carried) if cascade.generational == self.rank else set()
        self.states: dict[str, _State] = {}
        self.roots: dict[str, frozenset[str]] = {}
        self.read_at: dict[str, set[int]] = {}

    def run(self) -> PassCount:
        levels: dict[str, int] = {}
        for place, einsum in enumerate(self.cascade.all):
            first = place < len(self.cascade.init)
            if first and einsum.output.tensor in self.carried:
                continue  # a first generation: its readers see the carried tensor itself
            levels[einsum.output.tensor] = self.visit(einsum, renames=first and einsum.map == "id")
        by_root = {root: len(found) for root, found in self.read_at.items()}
        return PassCount(self.rank, self.family, by_root, levels)

    def state(self, access: Access) -> _State:
        """State of what is read: a read at a fixed coordinate of the rank is closed."""
        streams = self.rank in access.ranks
        known = self.states.get(access.tensor)
        if known is None:
            return _State(streams, 1 if streams else 0)
        return _State(streams and known.streams, known.level)

    def visit(self, einsum: Einsum, renames: bool) -> int:
        """The level of an Einsum; what only renames an input is no reading of it."""
        read = [(access, self.state(access)) for access in einsum.accesses]
        if self.rank in einsum.ranks:
            level = max([1, *(state.level + (not state.streams) for _, state in read)])
        else:
            level = max([0, *(state.level for _, state in read)])
        roots: frozenset[str] = frozenset()
        for access, state in read:
            if not state.streams:
                continue
            origin = self.origin(access.tensor)
            roots |= origin
            if set(self.family) <= set(access.ranks) and not renames:
                for root in origin:
                    self.read_at.setdefault(root, set()).add(level)
        streams = self.rank in einsum.output.ranks
        self.states[einsum.output.tensor] = _State(streams, level)
        if streams:
            self.roots[einsum.output.tensor] = roots
        return level

    def origin(self, tensor: str) -> frozenset[str]:
        if tensor in self.cascade.written:
            return self.roots.get(tensor, frozenset())
        return frozenset({tensor})
