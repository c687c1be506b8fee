"""Where everything is while a kernel is written: buffers, coordinates of outer ranks, addresses.

A tensor in scratch holds one tile of each outer rank and every other rank whole; an access becomes a
`Stream`: a buffer, a base address and one coefficient per loop rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from ....ir.einsum import Access, Index
from ..isa import Isa
from .group import Step, Tensor
from .kernel import Pack
from .lanes import BITS, STORED
from .text import Linear, Writer

ALIGNMENT = 64


@dataclass(frozen=True)
class Buffer:
    """A flat memref: its SSA name, type, stored element, stride of every tensor dimension."""

    name: str
    kind: str
    element: str
    strides: tuple[int, ...]
    local: bool


@dataclass(frozen=True)
class Guard:
    """An index that may leave its tensor: present where 0 <= base + Σ coeff·rank < size."""

    base: Linear
    coeffs: tuple[tuple[str, int], ...]
    size: int


@dataclass(frozen=True)
class Stream:
    """An access as an address: base + Σ coefficient·(loop rank), and what must hold for it to exist."""

    buffer: Buffer
    element: str
    base: Linear
    coeffs: dict[str, int]
    guards: tuple[Guard, ...] = ()

    def at(self, places: dict[str, Linear]) -> Linear:
        """Address at these loop coordinates."""
        total = self.base
        for rank, coeff in self.coeffs.items():
            if coeff:
                total = total + places[rank] * coeff
        return total


@dataclass
class Arena:
    """A thread's scratch: bytes given out so far and the views made of them."""

    size: int = 0
    views: list[tuple[str, int, str]] = field(default_factory=list)

    def place(self, name: str, kind: str, size_bytes: int) -> None:
        """Reserve bytes for a buffer and note its view."""
        self.views.append((name, self.size, kind))
        self.size = -(-(self.size + size_bytes) // ALIGNMENT) * ALIGNMENT


@dataclass
class Frame:
    """State of the writing of one kernel.

    Attributes:
        writer: the text.
        isa: instruction set.
        tiles: tile of every outer rank.
        buffers: tensors that have a place.
        places: tensors of scratch that lie where another one does.
        arena: the thread's scratch.
        packed: parameters that come packed.
        origin: first coordinate of an outer rank in the current tile.
        number: which tile of an outer rank it is.
        fixed: coordinates of ranks that have no loop: outer ranks with a tile of 1, generations.
        ranges: first and last coordinate of generational ranks here.
        extents: extents that differ here, in a ragged last generation.
    """

    writer: Writer
    isa: Isa
    tiles: dict[str, int]
    buffers: dict[Tensor, Buffer] = field(default_factory=dict)
    places: dict[Tensor, Tensor] = field(default_factory=dict)
    arena: Arena = field(default_factory=Arena)
    packed: dict[Tensor, Pack] = field(default_factory=dict)
    origin: dict[str, Linear] = field(default_factory=dict)
    number: dict[str, Linear] = field(default_factory=dict)
    fixed: dict[str, Linear] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    extents: dict[str, int] = field(default_factory=dict)

    def extent(self, step: Step, rank: str) -> int:
        """Points of a rank visited inside the current tile and generation."""
        return self.extents.get(rank) or self.tiles.get(rank) or step.extents[rank]

    def generation(self, rank: str, place: Linear, span: tuple[int, int], extents: dict[str, int]) -> Frame:
        """The same frame inside a generation: its rank's coordinate, range, and ragged extents."""
        return replace(
            self,
            fixed={**self.fixed, rank: place},
            ranges={**self.ranges, rank: span},
            extents={**self.extents, **extents},
        )

    def argument(self, tensor: Tensor) -> Buffer:
        """The buffer of an input or output."""
        size = max(prod(self.packed[tensor].shape if tensor in self.packed else tensor.shape), 1)
        stored = STORED.get(tensor.element, tensor.element)
        strides = tuple(prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape)))
        return Buffer(f"%{tensor.name}", f"memref<{size}x{stored}>", stored, strides, False)

    def scratch(self, tensor: Tensor) -> Buffer:
        """A place in this thread's scratch for one tile of a tensor."""
        local = [self.tiles.get(rank, n) for rank, n in zip(tensor.ranks, tensor.shape, strict=True)]
        order = tensor.order or tuple(range(len(local)))
        stored = STORED.get(tensor.element, tensor.element)
        lanes = max(self.isa.lanes(BITS[tensor.element] if tensor.element != "i1" else 32), 1)
        strides = [0] * len(local)
        size = 1
        for place, axis in enumerate(reversed(order)):
            if place == tensor.lanes:
                size = -(-size // lanes) * lanes
            strides[axis] = size * 2 if tensor.pairs and place < tensor.lanes else size
            size *= local[axis] + (local[axis] % 2 if tensor.pairs and place == tensor.lanes else 0)
        size = -(-size // lanes) * lanes
        width = 1 if stored == "i8" else BITS[tensor.element] // 8
        kind = f"memref<{size}x{stored}>"
        self.arena.place(f"%{tensor.name}", kind, size * width)
        return Buffer(f"%{tensor.name}", kind, stored, tuple(strides), True)

    def buffer(self, tensor: Tensor) -> Buffer:
        """The tensor's buffer, made when first asked for."""
        if tensor in self.places:
            return self.buffer(self.places[tensor])
        if tensor not in self.buffers:
            made = self.argument(tensor) if tensor.argument is not None else self.scratch(tensor)
            self.buffers[tensor] = made
        return self.buffers[tensor]

    def coordinate(self, rank: str) -> Linear:
        """Coordinate of a rank where its loop variable is 0 (all of it when there is no loop)."""
        return self.fixed.get(rank) or self.origin.get(rank) or Linear()

    def value(self, index: Index) -> Linear:
        """An index expression with every loop variable at 0."""
        total = Linear((), index.const)
        for rank, coeff in index.terms:
            total = total + self.coordinate(rank) * coeff
        return total

    def stream(self, step: Step, access: Access, tensor: Tensor, ranks: Sequence[str]) -> Stream:
        """The address of an access in a nest over `ranks`."""
        buffer = self.buffer(tensor)
        base = Linear()
        coeffs = dict.fromkeys(ranks, 0)
        guards = []
        for axis, (index, stride) in enumerate(zip(access.index, buffer.strides, strict=True)):
            base = base + self.value(index) * stride
            owner = tensor.ranks[axis] if buffer.local else ""
            if owner in self.tiles:
                base = base - self.coordinate(owner) * stride
            terms = tuple((rank, coeff) for rank, coeff in index.terms if rank in coeffs)
            for rank, coeff in terms:
                coeffs[rank] += coeff * stride
            if self._leaves(step, index, tensor.shape[axis]):
                guards.append(Guard(self.value(index), terms, tensor.shape[axis]))
        return Stream(buffer, tensor.element, base, coeffs, tuple(guards))

    def _leaves(self, step: Step, index: Index, size: int) -> bool:
        low = high = index.const
        for rank, coeff in index.terms:
            first, last = self.ranges.get(rank, (0, self.extents.get(rank, step.extents[rank]) - 1))
            ends = (coeff * first, coeff * last)
            low, high = low + min(ends), high + max(ends)
        return low < 0 or high >= size


def collapse(
    ranks: list[str],
    extents: dict[str, int],
    streams: Sequence[Stream],
    classes: dict[str, object],
) -> tuple[list[str], dict[str, int], list[Stream]]:
    """Join ranks that every stream walks as one: rank a outside b with stride_a = stride_b · extent_b.

    Ranks join only within a class; a rank of class None, or one that a guard depends on, stays alone.
    """
    guarded = {rank for stream in streams for guard in stream.guards for rank, _ in guard.coeffs}
    ranks, extents, streams = list(ranks), dict(extents), list(streams)
    changed = True
    while changed:
        changed = False
        for outer, inner in ((a, b) for a in ranks for b in ranks if a != b):
            if classes[outer] != classes[inner] or classes[outer] is None or {outer, inner} & guarded:
                continue
            if all(s.coeffs[outer] == s.coeffs[inner] * extents[inner] for s in streams):
                joined = f"{outer}_{inner}"
                classes[joined] = classes[outer]
                extents[joined] = extents.pop(outer) * extents.pop(inner)
                ranks[ranks.index(inner)] = joined
                ranks.remove(outer)
                streams = [_joined(stream, outer, inner, joined) for stream in streams]
                changed = True
                break
    return ranks, extents, streams


def _joined(stream: Stream, outer: str, inner: str, joined: str) -> Stream:
    coeffs = {rank: coeff for rank, coeff in stream.coeffs.items() if rank not in (outer, inner)}
    coeffs[joined] = stream.coeffs[inner]
    return replace(stream, coeffs=coeffs)
