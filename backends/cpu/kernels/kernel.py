"""What a generated kernel is to the program around it: its symbol, memory needs and packed parameters."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ....ir.einsum import Einsum

C_TYPES = {"f32": "float", "f64": "double", "i64": "int64_t", "i32": "int32_t", "i1": "uint8_t"}


@dataclass(frozen=True)
class Pack:
    """Layout of a parameter packed once at compile time: panels ``[lanes/block][depth][block]``.

    Attributes:
        access: how the Einsum reads the parameter, in notation (``"W[h*64+e,d]"``).
        lanes: ranks laid along the vector, outermost first, with extents; flattened and cut in blocks.
        depth: ranks summed over, with extents; flattened.
        block: lanes in a panel; the last panel is filled up with zeros.
    """

    access: str
    lanes: tuple[tuple[str, int], ...]
    depth: tuple[tuple[str, int], ...]
    block: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the packed array: panels, depth, block."""
        width = prod(extent for _, extent in self.lanes)
        return -(-width // self.block), prod(extent for _, extent in self.depth), self.block


def pack(array: np.ndarray, spec: Pack) -> np.ndarray:
    """The parameter in packed layout, contiguous, of shape `spec.shape` and the same dtype."""
    read = Einsum.parse(f"P = {spec.access}").accesses[0]
    grid = dict(zip((rank for rank, _ in spec.depth + spec.lanes), _grid(spec), strict=True))
    index = tuple(sum((grid[r] * c for r, c in one.terms), np.int64(one.const)) for one in read.index)
    panels, depth, block = spec.shape
    width = prod(extent for _, extent in spec.lanes)
    flat = np.zeros((depth, panels * block), array.dtype)
    flat[:, :width] = np.broadcast_to(array[index], (depth, width))
    return np.ascontiguousarray(flat.reshape(depth, panels, block).transpose(1, 0, 2))


def _grid(spec: Pack) -> list[np.ndarray]:
    """Coordinates of every (depth, lane) point, one ``[depth, width]``-broadcastable array per rank."""
    rows = [np.arange(prod(extent for _, extent in spec.depth))]
    columns = [np.arange(prod(extent for _, extent in spec.lanes))]
    arrays: list[np.ndarray] = []
    for flat, ranks, axis in ((rows[0], spec.depth, 1), (columns[0], spec.lanes, 0)):
        coords = np.unravel_index(flat, tuple(extent for _, extent in ranks)) if ranks else ()
        arrays += [np.expand_dims(coord, axis) for coord in coords]
    return arrays


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
