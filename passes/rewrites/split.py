"""Split-K: a rank is cut in parts, every part is folded on its own, and the parts are combined at the end.

``m = m1*T + m0``. A fold over m becomes one over m0 and one over m1. A sum whose summand reads a closed
value reads that of its own part, and is corrected when the parts are combined: ``Σ_m1 L[m1]·exp(g1 - g)``
(FlashDecoding; FuseMax §IV-E2 with the numerator summed in the first pass too). The parts are independent.
"""

from __future__ import annotations

from dataclasses import replace

from ...ir.einsum import Access, Coord, Einsum, Index, Operand
from ...ir.view import Cascade
from ..fuse.iterate import Tiling
from ..fuse.steps import Step, fresh_name
from .homomorphism import Homomorphism, NotHomomorphic, kinds_over


def split_k(cascade: Cascade, tiling: Tiling, nonzero: frozenset[str]) -> tuple[Cascade, list[Step]]:
    """The cascade with every fold over a rank taken in parts.

    Args:
        cascade: a cascade without a generational rank, deferred as far as possible.
        tiling: the rank, and the extent of a part.
        nonzero: closed tensors known never to be zero over any part.

    Raises:
        NotHomomorphic: a summand changes by no factor with what it reads, or a stream leaves the cascade.
    """
    return _Split(cascade, tiling, nonzero).run()


class _Split:
    def __init__(self, cascade: Cascade, tiling: Tiling, nonzero: frozenset[str]) -> None:
        self.cascade = replace(cascade, init=(), einsums=cascade.all)
        self.tiling = tiling
        self.kinds = kinds_over(cascade.all, tiling.rank)
        self.producers = {einsum.output.tensor: einsum for einsum in cascade.all}
        self.homomorphism = Homomorphism(self.kinds, self.producers, nonzero)
        self.taken = set(cascade.written) | set(cascade.inputs)
        self.like = dict(cascade.like)
        self.names: dict[tuple[str, str], str] = {}
        self.einsums: list[Einsum] = []
        self.steps: list[Step] = []

    def run(self) -> tuple[Cascade, list[Step]]:
        streams = [e for e in self.cascade.einsums if self.kind(e.output) in ("tile", "provisional")]
        for einsum in streams:
            if einsum.output.tensor in self.cascade.results:
                raise NotHomomorphic(f"{einsum.output.tensor} streams out of the cascade")
        for einsum in self.cascade.einsums:
            if einsum in streams:
                self.einsums.append(self.tiled(einsum))
            elif self.kind(einsum.output) == "running":
                self.fold(einsum)
            else:
                self.einsums.append(einsum)
        tiling = self.tiling
        extents = {rank: n for rank, n in self.cascade.extents.items() if rank != tiling.rank}
        extents |= {tiling.outer: tiling.generations, tiling.inner: tiling.tile}
        rewritten = replace(
            self.cascade,
            einsums=tuple(self.einsums),
            extents=extents,
            outputs=self.cascade.results,
            like=self.like,
        )
        names = {einsum.output.tensor for einsum in streams}
        tiles = tuple(einsum for einsum in self.einsums if einsum.output.tensor in names)
        why = (
            f"{tiling.rank} = {tiling.index}, {tiling.generations} parts of {tiling.tile}; what streams is "
            "computed part by part, reading what its own part folds to (FuseMax §IV-E2)"
        )
        return rewritten, [Step("split", tuple(streams), tiles, why), *self.steps]

    def kind(self, access: Access) -> str:
        return self.kinds.get(access.tensor, "input")

    def tiled(self, einsum: Einsum) -> Einsum:
        operator = "exp_sub_left" if einsum.map == "exp_sub" and self.waits(einsum) else einsum.map
        operands = tuple(self.operand(operand) for operand in einsum.operands)
        return replace(einsum, output=self.access(einsum.output), map=operator, operands=operands)

    def waits(self, einsum: Einsum) -> bool:
        return any(self.homomorphism.waits(operand) for operand in einsum.operands)

    def fold(self, einsum: Einsum) -> None:
        """A fold over a part, then over the parts, each corrected to what all parts fold to."""
        corrections = self.homomorphism.factors(einsum) if self.waits(einsum) else []
        start = len(self.einsums)
        rank, outer, inner = self.tiling.rank, self.tiling.outer, self.tiling.inner
        operator = "exp_sub_left" if einsum.map == "exp_sub" and self.waits(einsum) else einsum.map
        operands = tuple(self.operand(operand) for operand in einsum.operands)
        local = self.local(einsum.output)
        reduced = tuple(inner if name == rank else name for name in einsum.reduced)
        self.einsums.append(Einsum(local, operator, operands, einsum.reduce, reduced))
        current: Access = local
        for place, (how, access) in enumerate(corrections):
            operator, factor = self.correction(how, access)
            if place == len(corrections) - 1:
                self.einsums.append(
                    Einsum(einsum.output, operator, (current, factor), einsum.reduce, (outer,))
                )
                break
            corrected = Access(self.name("S", f"{einsum.output.tensor}{place or ''}"), local.index)
            self.einsums.append(Einsum(corrected, operator, (current, factor)))
            current = corrected
        if not corrections:
            self.einsums.append(Einsum(einsum.output, "id", (local,), einsum.reduce, (outer,)))
        self.explain(einsum, corrections, tuple(self.einsums[start:]))

    def explain(
        self, einsum: Einsum, corrections: list[tuple[str, Access]], made: tuple[Einsum, ...]
    ) -> None:
        if corrections:
            read = ", ".join(access.tensor for _, access in corrections)
            why = (
                f"{einsum.output.tensor} sums what changes by a factor with {read}, so the sum of a part is "
                f"corrected from the part's own {read} to that of all parts (FuseMax §III-C, §IV-E2)"
            )
        else:
            why = (
                f"{einsum.reduce} is associative: its fold over {self.tiling.rank} is one of folds over parts"
            )
        self.steps.append(Step("split_k", (einsum,), made, why, bool(corrections)))

    def correction(self, how: str, access: Access) -> tuple[str, Access]:
        """The operator and its right operand that take a part's sum to the whole's value of `access`."""
        local = self.local(access)
        if how == "exp":
            operands, operator = (local, access), "exp_sub_left"
        elif how == "mul":
            operands, operator = (access, local), "div"
        else:
            operands, operator = (local, access), "div"
        known = ("P", access.tensor) in self.names
        target = Access(self.name("P", access.tensor), local.index)
        if not known:
            self.einsums.append(Einsum(target, operator, operands))
        return "mul", target

    # A part's own values.

    def local(self, access: Access) -> Access:
        """What a closed tensor is for one part alone."""
        known = ("L", access.tensor) in self.names
        target = Access(self.name("L", access.tensor), (Index.of(self.tiling.outer), *access.index))
        if not known and self.kind(access) == "closed":
            producer = self.producers[access.tensor]
            operands = tuple(
                self.local(operand)
                if isinstance(operand, Access) and self.homomorphism.waits(operand)
                else operand
                for operand in producer.operands
            )
            output = Access(target.tensor, (Index.of(self.tiling.outer), *producer.output.index))
            self.einsums.append(replace(producer, output=output, operands=operands))
        return target

    def name(self, prefix: str, tensor: str) -> str:
        if (prefix, tensor) not in self.names:
            self.names[prefix, tensor] = fresh_name(prefix + tensor, self.taken)
            self.taken.add(self.names[prefix, tensor])
            self.like[self.names[prefix, tensor]] = tensor
        return self.names[prefix, tensor]

    def operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Access):
            return self.access(operand)
        if isinstance(operand, Coord):
            return Coord(operand.index.substitute({self.tiling.rank: self.tiling.index}))
        return operand

    def access(self, access: Access) -> Access:
        kind = self.kind(access)
        if kind in ("running", "closed"):
            return self.local(access)
        if kind in ("input", "outside"):
            return access.substitute({self.tiling.rank: self.tiling.index})
        indices: list[Index] = []
        for index in access.index:
            if index.plain == self.tiling.rank:
                indices += [Index.of(self.tiling.outer), Index.of(self.tiling.inner)]
            elif self.tiling.rank in index.ranks:
                raise NotHomomorphic(f"{access} reads the stream across the border of a part")
            else:
                indices.append(index)
        return Access(access.tensor, tuple(indices))
