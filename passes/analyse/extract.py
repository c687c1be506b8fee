"""Reads a cascade back from MLIR: the body of a ``cascade.fused`` op, its iteration included.

Values carried by ``cascade.iterate`` become generations again, ``RM[m1,p]`` and ``RM[m1+1,p]``, and what
the body computes carries the generational rank, as in FuseMax Eq 39-56.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...ir.build import EinsumView, integer, string
from ...ir.cascade import EINSUM, FUSED, ITERATE, YIELD
from ...ir.einsum import Access, Einsum, Index, Operand
from ...ir.errors import NotationError
from ...ir.mlir import ir
from ...ir.view import Cascade


def extract_cascade(op: ir.Operation | ir.OpView) -> Cascade:
    """The cascade inside a ``cascade.fused`` op, in whose body one rank name means one rank.

    Raises:
        NotationError: the op is no ``cascade.fused``, or holds something else than Einsums and iterations.
    """
    operation = op.operation
    if operation.name != FUSED:
        raise NotationError("not a group of Einsums", where=operation.name, accepted=FUSED)
    return _Extractor().run(operation)


@dataclass
class _Extractor:
    einsums: list[Einsum] = field(default_factory=list)
    init: list[Einsum] = field(default_factory=list)
    extents: dict[str, int] = field(default_factory=dict)
    accesses: dict[ir.Value, tuple[str, Index | None]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    stop: str = ""

    def run(self, op: ir.Operation) -> Cascade:
        block = op.regions[0].blocks[0]
        outputs: tuple[str, ...] = ()
        operations = [each.operation for each in block.operations]
        iterates = any(each.name == ITERATE for each in operations)
        for each in operations:
            if each.name == EINSUM:
                before = iterates and not self.stop
                (self.init if before else self.einsums).append(self.einsum(each, None))
            elif each.name == ITERATE:
                self.iterate(each)
            elif each.name == YIELD:
                outputs = tuple(self.known(value, "")[0] for value in each.operands)
            else:
                raise NotationError("a group holds Einsums only", where=each.name)
        return Cascade(tuple(self.einsums), tuple(self.init), self.extents, self.stop, outputs)

    def known(self, value: ir.Value, wanted: str) -> tuple[str, Index | None]:
        """Name of a value's tensor, and its generation where it has one."""
        if value not in self.accesses:
            self.accesses[value] = (self.fresh(wanted or "T"), None)
        return self.accesses[value]

    def fresh(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self.names:
            count += 1
            name = f"{wanted}_{count}"
        self.names.add(name)
        return name

    def einsum(self, op: ir.Operation, rank: str | None) -> Einsum:
        """One Einsum; inside an iteration over `rank` its output carries the rank."""
        view = EinsumView.of(op)
        self.extents.update(view.extents())
        operands: list[Operand] = []
        values = iter(view.operands)
        for operand in view.einsum.operands:
            if isinstance(operand, Access):
                operand = self.access(operand, self.known(next(values), operand.tensor))
            operands.append(operand)
        generation = Index.of(rank) if rank is not None else None
        if view.result not in self.accesses:
            self.accesses[view.result] = (self.fresh(view.einsum.output.tensor), generation)
        output = self.access(view.einsum.output, self.accesses[view.result])
        return replace(view.einsum, output=output, operands=tuple(operands))

    @staticmethod
    def access(access: Access, known: tuple[str, Index | None]) -> Access:
        name, generation = known
        index = access.index if generation is None else (generation, *access.index)
        return Access(name, index)

    def iterate(self, op: ir.Operation) -> None:
        rank = string(op, "rank")
        block = op.regions[0].blocks[0]
        ends = list(list(block.operations)[-1].operands)
        carried = self.first_generations(op)
        self.stop = string(op, "until")
        self.extents[rank] = integer(op, "generations")
        for place, name in enumerate(carried):
            self.accesses[block.arguments[place]] = (name, Index.of(rank))
            self.accesses[ends[place]] = (name, Index(((rank, 1),), 1))
            self.accesses[op.results[place]] = (name, Index((), integer(op, "generations")))
        for inner in block.operations:
            if inner.operation.name == EINSUM:
                self.einsums.append(self.einsum(inner.operation, rank))

    def first_generations(self, op: ir.Operation) -> Sequence[str]:
        """Names of the carried tensors; the Einsums that start them write generation 0."""
        carried: list[str] = []
        places: Mapping[str, int] = {e.output.tensor: place for place, e in enumerate(self.init)}
        for value in op.operands:
            name, _ = self.known(value, "R")
            if name in places:
                start = self.init[places[name]]
                output = Access(name, (Index(), *start.output.index))
                self.init[places[name]] = replace(start, output=output)
            carried.append(name)
        return carried
