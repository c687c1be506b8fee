"""What a generated kernel is to the program around it: its symbol, memory needs and packed parameters."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ....ir.einsum import Einsum
from ....ir.quantized import Quantization

C_TYPES = {
    "f32": "float",
    "f64": "double",
    "bf16": "uint16_t",
    "i64": "int64_t",
    "i32": "int32_t",
    "i1": "uint8_t",
}


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
        pairs: two neighbours of the depth lie side by side, ``[depth/2][block][2]``, the last of an odd
            depth with a zero (``pairs.py``).
    """

    access: str
    lanes: tuple[tuple[str, int], ...]
    tiles: tuple[int, ...]
    depth: tuple[tuple[str, int], ...]
    block: int
    pairs: bool = False

    @property
    def deep(self) -> int:
        """Length of the depth in a panel."""
        points = prod(extent for _, extent in self.depth)
        return points + points % 2 if self.pairs else points

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
        """Shape of the packed array: panels of all tiles, depth (in pairs: half of it), block (twice it)."""
        group = 2 if self.pairs else 1
        return prod(self.counts) * self.panels, self.deep // group, self.block * group


@dataclass(frozen=True)
class Image:
    """Layout of a quantized parameter as packed kernels take it (``packed/layout.py``).

    Attributes:
        mark: how it is quantized.
        first, rows: the rows of its matrix that are in it.
    """

    mark: Quantization
    first: int
    rows: int


def pack(array: np.ndarray, spec: Pack) -> np.ndarray:
    """The parameter in packed layout, contiguous, of shape `spec.shape` and the same dtype."""
    ranks = [rank for rank, _ in (*spec.lanes, *spec.depth)]
    read = Einsum.parse(f"P = sum[{','.join(ranks)}] {spec.access}").accesses[0]
    flat, steps, begin = np.ascontiguousarray(array).reshape(-1), dict.fromkeys(ranks, 0), 0
    for axis, index in enumerate(read.index):
        stride = prod(array.shape[axis + 1 :])
        begin += index.const * stride
        for rank, coeff in index.terms:
            steps[rank] += coeff * stride
    shape = (*spec.tiles, *(extent for _, extent in spec.depth))
    strides = [steps[rank] * flat.itemsize for rank in ranks]
    packed, width = np.zeros(spec.shape, array.dtype), prod(spec.tiles)
    for number, tile in enumerate(np.ndindex(*spec.counts)):
        origin = begin
        for place, size, (rank, extent) in zip(tile, spec.tiles, spec.lanes, strict=True):
            origin += min(place * size, extent - size) * steps[rank]
        rows = np.lib.stride_tricks.as_strided(flat[origin:], shape, strides).reshape(width, -1)
        for panel in range(spec.panels):
            part = rows[panel * spec.block : (panel + 1) * spec.block]
            _fill(packed[number * spec.panels + panel], part, spec)
    return packed


def _fill(panel: np.ndarray, part: np.ndarray, spec: Pack) -> None:
    """Lay the lanes of one panel, ``[lanes, depth]``."""
    wide = len(part)
    if not spec.pairs:
        panel[:, :wide] = part.T
        return
    pairs = panel.reshape(-1, spec.block, 2)
    for place in (0, 1):
        column = part[:, place::2].T
        pairs[: len(column), :wide, place] = column


@dataclass(frozen=True)
class Kernel:
    """One fused cascade as native code.

    Attributes:
        symbol: C symbol, with the signature `prototype` shows.
        mlir: text of the ``func.func`` operations, to be placed in a module and given to `lower`.
        arguments: C type of every tensor pointer, inputs in operand order, then outputs.
        inputs: how many of them are inputs.
        scratch_bytes: private workspace of each thread, 64-byte aligned.
        shared_bytes: workspace shared by all threads; when not zero it is passed as one more pointer
            after the outputs.
        packs: for an input index, the packed layout in which that parameter is expected.
        source: where it is C and no MLIR, its definition; it takes the thread after the tensors.
    """

    symbol: str
    mlir: str
    arguments: tuple[str, ...]
    inputs: int
    scratch_bytes: int
    shared_bytes: int
    packs: dict[int, Pack | Image]
    source: str = ""

    @property
    def packed(self) -> bool:
        """Whether it calls the kernels on packed weights."""
        return any(isinstance(spec, Image) for spec in self.packs.values())

    @property
    def workspace(self) -> list[str]:
        """What a call hands on after the tensors, in C."""
        if self.source:
            return ["thread"]
        shared = ["thread->shared"] if self.shared_bytes else []
        return [*shared, "thread->scratch", "thread->id", "thread->count"]

    def prototype(self) -> str:
        """C declaration."""
        pointers = [
            f"{'const ' if place < self.inputs else ''}{kind} *" for place, kind in enumerate(self.arguments)
        ]
        if self.shared_bytes:
            pointers.append("char *")
        pointers += ["char *scratch", "int64_t tid", "int64_t nthreads"]
        return f"void {self.symbol}({', '.join(pointers)});"
