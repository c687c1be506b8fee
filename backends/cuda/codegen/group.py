"""A fused group as the emitters read it: its Einsums, its tensors' names in C, the extents of its ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ....ir.build import EinsumView, integer, string
from ....ir.cascade import EINSUM, ITERATE, YIELD, shape_of, walk
from ....ir.einsum import Access, Index
from ....ir.mlir import ir
from ..kernel import Buffer, Place
from .text import Names, comment


@dataclass(frozen=True)
class Iteration:
    """A ``cascade.iterate`` of a group: its values between generations, and how its rank is taken apart.

    Attributes:
        op: the operation.
        rank: the generational rank.
        generations: how many.
        tile_rank, tile, extent: where it tiles, rank*tile + tile_rank covers the extent; else ``""``, 1, 0.
    """

    op: ir.Operation
    rank: str
    generations: int
    tile_rank: str
    tile: int
    extent: int

    @staticmethod
    def of(op: ir.Operation) -> Iteration:
        """The view of an op named ``cascade.iterate``."""
        split = string(op, "split")
        tile, extent = integer(op, "tile"), integer(op, "extent")
        tile_rank = string(op, "tile_rank") if split else ""
        rank, generations = string(op, "rank"), integer(op, "generations")
        return Iteration(op, rank, generations, tile_rank, tile if split else 1, extent if split else 0)

    @property
    def ragged(self) -> bool:
        """Whether the last generation is shorter than the others."""
        return bool(self.tile_rank) and self.extent % self.tile != 0

    @property
    def block(self) -> ir.Block:
        """Its body."""
        return self.op.regions[0].blocks[0]


@dataclass(frozen=True)
class Group:
    """A ``cascade.fused`` operation.

    Attributes:
        op: the operation.
        views: its Einsums in order, those of iterations among them.
        operands: names of its inputs' parameters in C, by value of the body.
        results: likewise of its outputs, in order.
        extents: of every rank.
        tiles: per split rank its tile rank and the extent that both cover together.
    """

    op: ir.Operation
    views: tuple[EinsumView, ...]
    operands: dict[ir.Value, str]
    results: tuple[str, ...]
    extents: dict[str, int]
    tiles: dict[str, tuple[str, int]]
    made: dict[ir.Value, EinsumView] = field(repr=False)

    @staticmethod
    def of(op: ir.Operation) -> Group:
        """Read a group."""
        inner = list(walk(op))
        views = tuple(EinsumView.of(each) for each in inner if each.name == EINSUM)
        extents: dict[str, int] = {}
        for view in views:
            extents |= view.extents()
        loops = [Iteration.of(each) for each in inner if each.name == ITERATE]
        tiles = {loop.rank: (loop.tile_rank, loop.extent) for loop in loops if loop.tile_rank}
        names = Names(extents)
        operands: dict[ir.Value, str] = {}
        block = op.regions[0].blocks[0]
        for number, value in enumerate(block.arguments):
            operands[value] = names.take(_read_as(value, views) or f"operand{number}")
        made = {view.result: view for view in views}
        last = list(block.operations)[-1].operation
        results = tuple(
            names.take(f"{made[value].einsum.output.tensor}_out" if value in made else f"result{number}")
            for number, value in enumerate(last.operands)
        )
        return Group(op, views, operands, results, extents, tiles, made)

    @property
    def block(self) -> ir.Block:
        """Its body."""
        return self.op.regions[0].blocks[0]

    @property
    def label(self) -> str:
        """What fusion calls it."""
        return string(self.op, "kernel")

    @property
    def yielded(self) -> list[ir.Value]:
        """What it gives, in order."""
        return list(list(self.block.operations)[-1].operation.operands)

    @property
    def notation(self) -> tuple[str, ...]:
        """Its Einsums as text."""
        return tuple(str(view.einsum) for view in self.views)

    def top(self) -> Iterator[ir.Operation]:
        """Its operations in order, those inside iterations left out."""
        for op in self.block.operations:
            if op.operation.name != YIELD:
                yield op.operation

    def buffers(self) -> tuple[Buffer, ...]:
        """Parameters of a kernel that carries it all out: inputs, then outputs."""
        given = [Buffer(name, dtype_name(value), shape_of(value)) for value, name in self.operands.items()]
        made = [
            Buffer(name, dtype_name(value), shape_of(value), role="out")
            for name, value in zip(self.results, self.yielded, strict=True)
        ]
        return (*given, *made)

    def places(self) -> dict[str, Place]:
        """Which tensor of the group each of these is."""
        given = {name: Place("operand", number) for number, name in enumerate(self.operands.values())}
        return given | {name: Place("result", number) for number, name in enumerate(self.results)}

    def source(self, value: ir.Value) -> ir.Value:
        """The Einsum's result that gives a value, or a running one, its first contents."""
        if value in self.made:
            return value
        if isinstance(value.owner, ir.Block):
            loop = value.owner.owner.operation
            return self.source(loop.operands[ir.BlockArgument(value).arg_number])
        return self.source(value.owner.operation.operands[ir.OpResult(value).result_number])

    def ranks_of(self, value: ir.Value) -> tuple[str, ...]:
        """Ranks of the axes of a value that the group makes."""
        return self.made[self.source(value)].einsum.output.ranks

    def names(self) -> Names:
        """Names for everything else in a kernel."""
        return Names((*self.extents, *self.operands.values(), *self.results))

    def head(self, what: str) -> list[str]:
        """The comment above a kernel: what it is, and its Einsums."""
        return comment([what, *(f"    {text}" for text in self.notation)])

    def bounds(self, index: Index) -> tuple[int, int]:
        """Smallest and largest value of an index over the iteration space, ragged tiles not overrun."""
        low, high = index.bounds(self.extents)
        terms = dict(index.terms)
        for rank, (tile_rank, extent) in self.tiles.items():
            tile = self.extents.get(tile_rank, 0)
            if tile_rank in terms and terms.get(rank, 0) == terms[tile_rank] * tile > 0:
                covered = self.extents[rank] * tile
                high -= (covered - extent) * terms[tile_rank]
        return low, high

    def leaves(self, access: Access, shape: tuple[int, ...]) -> list[tuple[Index, int]]:
        """The indices of an access that may lie outside its tensor, each with the extent there."""
        found = []
        for index, extent in zip(access.index, shape, strict=True):
            low, high = self.bounds(index)
            if low < 0 or high >= extent:
                found.append((index, extent))
        return found


def dtype_name(value: ir.Value) -> str:
    """MLIR's name of a tensor's element type."""
    return str(ir.RankedTensorType(value.type).element_type)


def _read_as(value: ir.Value, views: tuple[EinsumView, ...]) -> str | None:
    """The name under which the first Einsum that reads a value does."""
    for view in views:
        for access, operand in zip(view.einsum.accesses, view.operands, strict=True):
            if operand == value:
                return access.tensor
    return None
