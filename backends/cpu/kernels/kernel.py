"""What a generated kernel is to the program around it: its symbol, memory needs and packed parameters."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ....ir.einsum import Einsum

C_TYPES = {"f32": "float", "f64": "double", "i64": "int64_t", "i32": "int32_t", "i1": "uint8_t"}


@dataclass(frozen=True)
class Pack:
    """Layout of a parameter packed once at compile time: panels ``[tiles][lanes/block][depth][block]``.

    A tile's lanes lie together, so that the last tile, which is moved back to end at the edge, has panels
    of its own; the last panel of a tile is filled up with zeros.

    Attributes:
        access: how the Einsum reads the parameter, in notation (``"W[h*64+e,d]"``).
        lanes: ranks laid along the vector, outermost first, with extents.
        tiles: tile of every lane rank.
        depth: ranks summed over, with extents; flattened.
        block: lanes in a panel.
    """

    access: str
    lanes: tuple[tuple[str, int], ...]
    tiles: tuple[int, ...]
    depth: tuple[tuple[str, int], ...]
    block: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles along every lane rank."""
        return tuple(-(-extent // tile) for (_, extent), tile in zip(self.lanes, self.tiles, strict=True))

    @property
    def panels(self) -> int:
        """Panels of one tile."""
        return -(-prod(self.tiles) // self.block)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the packed array: panels of all tiles, depth, block."""
        return prod(self.counts) * self.panels, prod(extent for _, extent in self.depth), self.block


def pack(array: np.ndarray, spec: Pack) -> np.ndarray:
    """The parameter in packed layout, contiguous, of shape `spec.shape` and the same dtype."""
    read = Einsum.parse(f"P = sum[{_ranks(spec)}] {spec.access}").accesses[0]
    grid = {**_lane_coordinates(spec), **_depth_coordinates(spec)}
    index = tuple(sum((grid[r] * c for r, c in one.terms), np.int64(one.const)) for one in read.index)
    tiles, width, (panels, depth, block) = prod(spec.counts), prod(spec.tiles), spec.shape
    flat = np.zeros((depth, tiles, spec.panels * block), array.dtype)
    flat[:, :, :width] = np.broadcast_to(array[index], (depth, tiles * width)).reshape(depth, tiles, width)
    return np.ascontiguousarray(flat.reshape(depth, panels, block).transpose(1, 0, 2))


def _ranks(spec: Pack) -> str:
    return ",".join(rank for rank, _ in (*spec.lanes, *spec.depth))


def _lane_coordinates(spec: Pack) -> dict[str, np.ndarray]:
    """Coordinate of every lane rank at every lane, tile after tile, as a row."""
    ranks, count = [rank for rank, _ in spec.lanes], len(spec.lanes)
    grid = np.indices((*spec.counts, *spec.tiles)).reshape(2 * count, 1, -1)
    rows = {}
    for place, (rank, (_, extent), tile) in enumerate(zip(ranks, spec.lanes, spec.tiles, strict=True)):
        rows[rank] = np.minimum(grid[place] * tile, extent - tile) + grid[count + place]
    return rows


def _depth_coordinates(spec: Pack) -> dict[str, np.ndarray]:
    """Coordinate of every depth rank at every depth, as a column."""
    extents = [extent for _, extent in spec.depth]
    grid = np.indices(extents).reshape(len(extents), -1, 1)
    return {rank: grid[place] for place, (rank, _) in enumerate(spec.depth)}


@dataclass(frozen=True)
class Kernel:
    """One fused cascade as native code.

    Attributes:
        symbol: C symbol; each phase has the signature `prototype` shows.
        mlir: text of the ``func.func`` operations, to be placed in a module and given to `lower`.
        arguments: C type of every tensor pointer, inputs in operand order, then outputs.
        inputs: how many of them are inputs.
        scratch_bytes: private workspace of each thread, 64-byte aligned.
        shared_bytes: workspace shared by all threads; when not zero it is passed as one more pointer
            after the outputs.
        phases: symbols to call in order, a barrier between them; just `symbol` in the ordinary case.
        packs: for an input index, the packed layout in which that parameter is expected.
    """

    symbol: str
    mlir: str
    arguments: tuple[str, ...]
    inputs: int
    scratch_bytes: int
    shared_bytes: int
    phases: tuple[str, ...]
    packs: dict[int, Pack]

    def prototype(self, phase: str | None = None) -> str:
        """C declaration of a phase (default: the first)."""
        pointers = [
            f"{'const ' if place < self.inputs else ''}{kind} *" for place, kind in enumerate(self.arguments)
        ]
        if self.shared_bytes:
            pointers.append("char *")
        pointers += ["char *scratch", "int64_t tid", "int64_t nthreads"]
        return f"void {phase or self.phases[0]}({', '.join(pointers)});"
