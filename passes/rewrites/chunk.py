"""Chunks of a linear recurrence: ``H[t+1] = A[t]·H[t] + B[t]``, parallel within a chunk, carried between.

``t = t1*T + t0``. Within a chunk the state is what the chunk began with, decayed, and a sum of what came
since, each decayed from its own time: ``H = (Π A)·H0 + Σ_j (Π_{j<i≤t0} A)·B_j`` (Dao and Gu, "Transformers
are SSMs", 2024, arXiv 2405.21060, §6). Products of decays are formed, never their ratios, so nothing
overflows. A result that carries t leaves in chunks: the same elements in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir.einsum import Access, Coord, Einsum, Index, Literal, Operand
from ...ir.view import Cascade
from ..fuse.defer import prune
from ..fuse.steps import Step, fresh_name


@dataclass(frozen=True)
class _Recurrence:
    """``state = add(product, gain)`` with ``product = mul(decay, old state)``."""

    state: Einsum
    product: Einsum
    decay: Access
    gain: Access


def chunk(cascade: Cascade, tile: int) -> tuple[Cascade, list[Step]] | None:
    """The cascade with its recurrence over the generational rank taken in chunks.

    Args:
        cascade: a cascade with a generational rank.
        tile: extent of a chunk; it must divide the rank's and be shorter.

    Returns:
        The cascade and its derivation, None where what is carried is no linear recurrence, where someone
        else reads the state before a generation, or where the chunk does not fit.
    """
    rank = cascade.generational
    if rank is None or cascade.family(rank) != (rank,) or rank not in cascade.extents:
        return None
    extent = cascade.extents[rank]
    if extent % tile or tile >= extent or {f"{rank}1", f"{rank}0"} & set(cascade.extents):
        return None
    found = _recurrences(cascade, rank)
    return _Chunks(cascade, rank, tile, found).run() if found else None


def _recurrences(cascade: Cascade, rank: str) -> list[_Recurrence]:
    """What every carried tensor does from one generation to the next; empty where one is not linear."""
    found = [_recurrence(cascade, einsum, rank) for einsum in cascade.einsums
             if einsum.output.tensor in cascade.carried]  # fmt: skip
    known = [each for each in found if each is not None]
    products = {each.product.output.tensor for each in known}
    for einsum in cascade.einsums:
        for access in einsum.accesses:
            moved = [index for index in access.index if rank in index.ranks and index.plain != rank]
            before = access.tensor in cascade.carried and Index.of(rank) in access.index
            if before and einsum.output.tensor not in products:
                return []
            if moved and access.tensor in cascade.written and access.tensor not in cascade.carried:
                return []
    return known if len(known) == len(found) else []


def _recurrence(cascade: Cascade, einsum: Einsum, rank: str) -> _Recurrence | None:
    name = einsum.output.tensor
    old = Access(name, tuple(Index.of(rank) if i.const else i for i in einsum.output.index))
    producers = {each.output.tensor: each for each in cascade.einsums}
    if einsum.map != "add" or einsum.reduce is not None:
        return None
    for place in (0, 1):
        inner, gain = einsum.operands[place], einsum.operands[1 - place]
        product = producers.get(inner.tensor) if isinstance(inner, Access) else None
        if product is None or not isinstance(gain, Access) or product.map != "mul":
            continue
        others = [operand for operand in product.operands if operand != old]
        free = not _depends(cascade, gain) and len(others) == 1
        if free and isinstance(others[0], Access) and not _depends(cascade, others[0]):
            read = [e for e in cascade.einsums if product.output in e.accesses]
            plain = product.reduce is None and inner == product.output and read == [einsum]
            if plain and rank in others[0].ranks and rank in gain.ranks:
                return _Recurrence(einsum, product, others[0], gain)
    return None


def _depends(cascade: Cascade, access: Access) -> bool:
    """Whether a tensor is made of something carried."""
    reached = set(cascade.carried)
    for einsum in cascade.einsums:
        if any(each.tensor in reached for each in einsum.accesses):
            reached.add(einsum.output.tensor)
    return access.tensor in reached


class _Chunks:
    """Writes the chunked form."""

    def __init__(self, cascade: Cascade, rank: str, tile: int, found: list[_Recurrence]) -> None:
        self.cascade = cascade
        self.rank = rank
        self.tile = tile
        self.states = {each.state.output.tensor: each for each in found}
        self.products = {each.product.output.tensor for each in found}
        self.outer, self.inner = f"{rank}1", f"{rank}0"
        ranks = {name for einsum in cascade.all for name in einsum.ranks}
        self.since = fresh_name(f"{rank}j", ranks)  # when something came in
        self.until = fresh_name(f"{rank}i", ranks)  # the times whose decay it has seen
        self.taken = set(cascade.written) | set(cascade.inputs)
        self.like = dict(cascade.like)
        self.whole: dict[str, str] = {}
        self.einsums: list[Einsum] = []

    def run(self) -> tuple[Cascade, list[Step]]:
        cascade = self.cascade
        steps: list[Step] = []
        for einsum in cascade.einsums:
            if einsum.output.tensor in self.products:
                continue
            if einsum.output.tensor in self.states:
                start = len(self.einsums)
                recurrence = self.states[einsum.output.tensor]
                self.recurrence(recurrence)
                made = tuple(self.einsums[start:])
                steps.append(Step("chunk", (recurrence.product, einsum), made, self.why(einsum)))
            else:
                self.einsums.append(self.tiled(einsum))
        generations = cascade.extents[self.rank] // self.tile
        extents = {rank: extent for rank, extent in cascade.extents.items() if rank != self.rank}
        extents |= {self.outer: generations, self.inner: self.tile}
        extents |= {self.since: self.tile, self.until: self.tile}
        rewritten = replace(
            cascade,
            einsums=tuple(self.einsums),
            extents=extents,
            stop=f"{self.outer} >= {generations}",
            outputs=cascade.results,
            like=self.like,
        )
        return prune(rewritten), steps

    def why(self, einsum: Einsum) -> str:
        return (
            f"{einsum.output.tensor} is linear in what it was: within a chunk of {self.tile} it is the "
            "decayed state it began with and a sum of decayed gains; only the chunks wait for each other"
        )

    def recurrence(self, found: _Recurrence) -> None:
        """Decays within the chunk, the sum of gains, the state carried on, and the state at every time."""
        outer, inner, since, until = (Index.of(r) for r in (self.outer, self.inner, self.since, self.until))
        state = found.state.output.tensor
        kept = tuple(index for index in found.state.output.index if not index.const)
        decay, gain = self.at(found.decay, until), self.at(found.gain, since)
        ranks = tuple(Index.of(rank) for rank in found.decay.ranks if rank != self.rank)
        last = Index((), self.tile - 1)

        after = self.add("AFT", (since, until), "gt", Coord(until), Coord(since))
        upto = self.add("UPTO", (inner, until), "le", Coord(until), Coord(inner))
        between = self.add("SEG", (inner, since, until), "and", after, upto)
        one, zero = Literal(1.0), Literal(0.0)
        seen = self.add("SEEN", (outer, inner, since, until, *ranks), "where", between, decay, one)
        decayed = self.fold("DS", (outer, inner, since, *ranks), "prod", self.until, seen)
        came = self.add("CAME", (inner, since), "le", Coord(since), Coord(inner))
        weights = self.add("DW", (outer, inner, since, *ranks), "where", came, decayed, zero)
        local = self.fold(f"L{state}", (outer, inner, *kept), "sum", self.since, weights, gain)
        so_far = self.add("AU", (outer, inner, until, *ranks), "where", upto, decay, one)
        total = self.fold("DU", (outer, inner, *ranks), "prod", self.until, so_far)

        before = Access(state, (outer, *kept))
        ended = Access(total.tensor, (outer, last, *ranks))
        carried = self.add(f"P{state}", (outer, *kept), "mul", ended, before)
        entered = Access(local.tensor, (outer, last, *kept))
        following = Access(state, (Index(((self.outer, 1),), 1), *kept))
        self.einsums.append(Einsum(following, "add", (carried, entered)))
        begun = self.add(f"B{state}", (outer, inner, *kept), "mul", total, before)
        self.whole[state] = self.add(f"E{state}", (outer, inner, *kept), "add", begun, local).tensor

    def add(self, wanted: str, index: tuple[Index, ...], operator: str, *operands: Operand) -> Access:
        name = fresh_name(wanted, self.taken)
        self.taken.add(name)
        output = Access(name, index)
        self.einsums.append(Einsum(output, operator, operands))
        return output

    def fold(self, wanted: str, index: tuple[Index, ...], fold: str, rank: str, *operands: Operand) -> Access:
        output = self.add(wanted, index, "mul" if len(operands) == 2 else "id", *operands)
        self.einsums[-1] = replace(self.einsums[-1], reduce=fold, reduced=(rank,))
        return output

    # Everything else, tile by tile.

    def tiled(self, einsum: Einsum) -> Einsum:
        split = Index(((self.outer, self.tile), (self.inner, 1)))
        operands = tuple(
            self.at(operand, Index.of(self.inner))
            if isinstance(operand, Access)
            else Coord(operand.index.substitute({self.rank: split}))
            if isinstance(operand, Coord)
            else operand
            for operand in einsum.operands
        )
        reduced: list[str] = []
        for rank in einsum.reduced:
            reduced += [self.outer, self.inner] if rank == self.rank else [rank]
        output = self.split(einsum.output, Index.of(self.inner))
        return replace(einsum, output=output, operands=operands, reduced=tuple(reduced))

    def at(self, access: Access, inner: Index) -> Access:
        """An operand in tiles, its place within the tile at `inner`."""
        if access.tensor in self.states:
            return self.state(access, inner)
        if access.tensor in self.cascade.written:
            return self.split(access, inner)
        place = Index(((self.outer, self.tile), *inner.terms), inner.const)
        return access.substitute({self.rank: place})

    def state(self, access: Access, inner: Index) -> Access:
        """The state after a generation, or at the end."""
        if self.rank in access.ranks:
            index = [Index.of(self.outer), inner]
            return Access(self.whole[access.tensor], (*index, *(i for i in access.index if not i.const)))
        end = Index((), self.cascade.extents[self.rank] // self.tile)
        return Access(access.tensor, tuple(i if i.ranks else end for i in access.index))

    def split(self, access: Access, inner: Index) -> Access:
        indices: list[Index] = []
        for index in access.index:
            indices += [Index.of(self.outer), inner] if index.plain == self.rank else [index]
        return Access(access.tensor, tuple(indices))
