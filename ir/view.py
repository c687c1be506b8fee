"""A cascade: Einsums in order over global tensor and rank names (FuseMax §II-D, EDGE).

One view of two sources, a text file and MLIR. Sections follow the paper: initialization, extended
Einsums, and the stopping condition of the generational rank when there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .einsum import Einsum, Index
from .errors import NotationError


@dataclass(frozen=True)
class Cascade:
    """Einsums in dependency order.

    Attributes:
        einsums: the extended Einsums, run once, or once per generation where they carry its rank.
        init: Einsums of the initialization, run once before.
        extents: rank → extent; may be empty where only the structure matters.
        stop: the stopping condition of the generational rank, empty when there is none.
        outputs: tensors read by the outside; empty means those that nothing here reads.
        like: tensor that a rewriting made → the tensor whose element type it has.
    """

    einsums: tuple[Einsum, ...]
    init: tuple[Einsum, ...] = ()
    extents: Mapping[str, int] = field(default_factory=dict)
    stop: str = ""
    outputs: tuple[str, ...] = ()
    like: Mapping[str, str] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Einsum, ...]:
        """Initialization, then the extended Einsums."""
        return self.init + self.einsums

    @property
    def written(self) -> frozenset[str]:
        """Tensors that an Einsum here writes."""
        return frozenset(einsum.output.tensor for einsum in self.all)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Program inputs: tensors read and written by nobody here, in order of first reading."""
        read = (access.tensor for einsum in self.all for access in einsum.accesses)
        return tuple(dict.fromkeys(tensor for tensor in read if tensor not in self.written))

    @property
    def results(self) -> tuple[str, ...]:
        """The tensors that leave: `outputs`, or those that no other Einsum reads."""
        return self.outputs or self.unread

    @property
    def unread(self) -> tuple[str, ...]:
        """The tensors that no other Einsum reads, in order of writing."""
        read = {
            access.tensor
            for einsum in self.all
            for access in einsum.accesses
            if access.tensor != einsum.output.tensor
        }
        return tuple(dict.fromkeys(e.output.tensor for e in self.all if e.output.tensor not in read))

    @property
    def generational(self) -> str | None:
        """The rank some Einsum writes at a shift of itself (``RM[m1+1]``), found structurally."""
        for einsum in self.einsums:
            for index in einsum.output.index:
                if len(index.terms) == 1 and index.const:
                    return index.terms[0][0]
        return None

    @property
    def carried(self) -> tuple[str, ...]:
        """Tensors written at a generational shift, in order."""
        rank = self.generational
        return tuple(
            einsum.output.tensor
            for einsum in self.einsums
            if any(index.terms == ((rank, 1),) and index.const for index in einsum.output.index)
        )

    def families(self) -> tuple[tuple[str, ...], ...]:
        """Ranks grouped with their sub-ranks, outermost first: ``(m1, m0)`` where ``m1*M0+m0`` is read."""
        found: dict[str, tuple[str, ...]] = {}
        for einsum in self.all:
            for index in _indices(einsum):
                family = _split(index, self.extents)
                for rank in family:
                    if len(family) > len(found.get(rank, ())):
                        found[rank] = family
        single = {rank: (rank,) for einsum in self.all for rank in einsum.ranks}
        return tuple(dict.fromkeys((single | found).values()))

    def family(self, rank: str) -> tuple[str, ...]:
        """The family that holds `rank`.

        Raises:
            NotationError: no Einsum has the rank.
        """
        for family in self.families():
            if rank in family:
                return family
        ranks = sorted({name for family in self.families() for name in family})
        raise NotationError(f"no rank '{rank}' in the cascade", accepted=", ".join(ranks))

    def __str__(self) -> str:
        lines = [f"{rank.upper()}={extent}" for rank, extent in self.extents.items()]
        text = [" ".join(lines)] if lines else []
        if self.init:
            text += ["init:", *(f"  {einsum}" for einsum in self.init), "einsums:"]
        text += [f"  {einsum}" for einsum in self.einsums]
        if self.stop:
            text.append(f"stop: {self.stop}")
        if set(self.results) != set(self.unread):
            text.append(f"outputs: {', '.join(self.outputs)}")
        return "\n".join(text) + "\n"


def check(cascade: Cascade) -> None:
    """Check the order and the stopping condition.

    Raises:
        NotationError: a tensor is read before it is written, or written twice in one section, or with
            different numbers of indices, or an iterative cascade has no stopping condition of its rank.
    """
    rank = cascade.generational
    if rank is not None and not cascade.stop:
        raise NotationError(
            f"rank '{rank}' is generational and there is no stopping condition", accepted=f"stop: {rank} >= N"
        )
    if rank is not None and cascade.stop.partition(">=")[0].strip() != rank:
        raise NotationError(
            f"'{cascade.stop}' does not stop the generational rank '{rank}'", accepted=f"stop: {rank} >= N"
        )
    arity: dict[str, int] = {}
    for einsum in cascade.all:
        for access in (einsum.output, *einsum.accesses):
            if arity.setdefault(access.tensor, len(access.index)) != len(access.index):
                raise NotationError(
                    f"{access.tensor} has {arity[access.tensor]} indices elsewhere", where=str(einsum)
                )
    later = {einsum.output.tensor for einsum in cascade.all}
    seen: set[str] = set()
    twice: set[tuple[str, bool]] = set()
    for place, einsum in enumerate(cascade.all):
        for access in einsum.accesses:
            known = access.tensor in seen or access.tensor not in later or access.tensor in cascade.carried
            if not known:
                raise NotationError(f"{access.tensor} is read before it is written", where=str(einsum))
        key = (einsum.output.tensor, place < len(cascade.init))
        if key in twice:
            raise NotationError(f"{einsum.output.tensor} is written twice", where=str(einsum))
        twice.add(key)
        seen.add(einsum.output.tensor)


def _indices(einsum: Einsum) -> list[Index]:
    return [index for access in einsum.accesses for index in access.index]


def _split(index: Index, extents: Mapping[str, int]) -> tuple[str, ...]:
    """The sub-ranks of a partition ``m1*M0+m0``, outermost first; empty for anything else."""
    terms = sorted(index.terms, key=lambda term: -term[1])
    if len(terms) < 2 or index.const or terms[-1][1] != 1:
        return ()
    stride = 1
    for rank, coefficient in reversed(terms):
        if coefficient != stride:
            return ()
        stride *= extents.get(rank, 0)
    return tuple(rank for rank, _ in terms)
