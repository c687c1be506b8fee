"""What a CUDA kernel is to everybody around it: its source, its launch, and what each argument points to.

The builder compiles it, the program launches it, the emulator runs it on the host. The source includes
headers of ``backends/cuda/include`` by name (``#include "element.cuh"``), and nothing else; the emulator has
headers of the same names that carry the same functions out in C++.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from ...ir.dtypes import BY_MLIR, lookup
from ...ir.errors import PassError

Arch = Literal["sm_80", "sm_90a", "sm_100a"]
ARCHS: tuple[Arch, ...] = ("sm_80", "sm_90a", "sm_100a")
"""What everything generic is compiled for."""


def arch_named(name: str) -> Arch:
    """An architecture by its name.

    Raises:
        PassError: no kernels are written for it.
    """
    for arch in ARCHS:
        if arch == name:
            return arch
    raise PassError(f"no kernels for '{name}'", accepted=", ".join(ARCHS))


Role = Literal["in", "out", "update", "scratch", "zeroed"]
"""Read; written in full; read and written; contents before do not matter; the same, but zero at the start.

A scratch tensor that one launch of a group writes and a later one reads is ``scratch`` in the first, ``in``
in the second.
"""


MOST_BLOCKS = (2**31 - 1, 65535, 65535)
MOST_THREADS = (1024, 1024, 64)
"""Of a launch along x, y and z (CUDA programming guide, *Technical Specifications*)."""
MOST_EXTENT, MOST_STRIDE = 2**32, 2**40
"""Of a tensor map: elements along an axis; bytes from one to the next, which must be fewer."""


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a tensor without gaps."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


@dataclass(frozen=True)
class Buffer:
    """A pointer to a tensor in device memory.

    Attributes:
        name: of the parameter in the source.
        dtype: of its elements, MLIR's name (``"bf16"``).
        shape: extents, outermost first.
        strides: in elements; row-major when left out.
        role: what the kernel does with it.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] = ()
    role: Role = "in"

    def __post_init__(self) -> None:
        lookup(BY_MLIR, self.dtype)
        if not self.strides:
            object.__setattr__(self, "strides", row_major(self.shape))
        if len(self.strides) != len(self.shape):
            raise PassError(f"{len(self.strides)} strides for {len(self.shape)} axes", where=self.name)

    @property
    def bytes(self) -> int:
        """Bytes from its first element to the end of its last."""
        if 0 in self.shape:
            return 0
        last = sum((extent - 1) * stride for extent, stride in zip(self.shape, self.strides, strict=True))
        return (last + 1) * BY_MLIR[self.dtype].size


@dataclass(frozen=True)
class Scalar:
    """A number handed over by value.

    Attributes:
        name: of the parameter in the source.
        dtype: MLIR's name; ``i32``, ``i64``, ``f32`` or ``f64``.
        value: fixed when the kernel is launched.
    """

    name: str
    dtype: str
    value: float


@dataclass(frozen=True)
class TensorMap:
    """A TMA descriptor, handed over by value as ``const __grid_constant__ CUtensorMap``.

    All tuples are outermost first; the driver's order is the reverse.

    Attributes:
        name: of the parameter in the source.
        tensor: what it describes; its pointer is no argument of its own unless listed as one. Strides of all
            axes but the last must be multiples of 16 bytes, the last one 1.
        box: extents of what one copy moves; parts outside the tensor read as zero and are not written.
        swizzle: bytes of the shared-memory swizzle: 0, 32, 64 or 128; the box's last axis is at most that.
    """

    name: str
    tensor: Buffer
    box: tuple[int, ...]
    swizzle: int = 0

    def __post_init__(self) -> None:
        size = BY_MLIR[self.tensor.dtype].size
        wide = self.box[-1] * size
        problems = {
            "the box has another rank than the tensor": len(self.box) != len(self.tensor.shape),
            "more than five axes": len(self.box) > 5,
            "a box side above 256": max(self.box) > 256,
            "an axis without elements, or with too many": not all(
                0 < extent <= MOST_EXTENT for extent in self.tensor.shape
            ),
            "a stride of 2^40 bytes": any(s * size >= MOST_STRIDE for s in self.tensor.strides),
            "a last stride other than 1": self.tensor.strides[-1] != 1,
            "a stride that is no multiple of 16 bytes": any(s * size % 16 for s in self.tensor.strides[:-1]),
            "a row of the box that is no multiple of 16 bytes": wide % 16 != 0,
            "no such swizzle": self.swizzle not in (0, 32, 64, 128),
            "a row of the box wider than the swizzle": self.swizzle != 0 and wide > self.swizzle,
        }
        for problem, holds in problems.items():
            if holds:
                raise PassError(problem, where=f"tensor map {self.name}")


Argument = Buffer | Scalar | TensorMap


@dataclass(frozen=True)
class Kernel:
    """One launch.

    Attributes:
        name: of the ``extern "C" __global__`` function.
        source: CUDA C++, complete but for the headers it includes.
        arch: what it must be compiled for: ``sm_90a`` where it uses what only Hopper has, else ``sm_80``, and
            then it is compiled for every architecture.
        grid, block: blocks and threads, (x, y, z).
        shared_bytes: dynamic shared memory of a block.
        arguments: in the order of the parameters.
        einsums: what it computes, in notation.
        note: what it is and why it is cut so, for the report; one line.
        cluster: blocks of a cluster, (x, y, z).
    """

    name: str
    source: str
    arch: Arch
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[Argument, ...]
    einsums: tuple[str, ...] = ()
    note: str = ""
    cluster: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        limits = ((self.grid, MOST_BLOCKS, "blocks"), (self.block, MOST_THREADS, "threads"))
        for given, most, what in limits:
            if not all(0 < count <= limit for count, limit in zip(given, most, strict=True)):
                raise PassError(f"{given} {what}", where=self.name, accepted=f"at most {most}")
        if prod(self.block) > MOST_THREADS[0]:
            raise PassError(f"{self.block} threads", where=self.name, accepted=f"{MOST_THREADS[0]} in all")

    def tensors(self) -> Iterator[Buffer]:
        """What its arguments point to, each once, in order."""
        seen: set[str] = set()
        for argument in self.arguments:
            if isinstance(argument, Scalar):
                continue
            tensor = argument.tensor if isinstance(argument, TensorMap) else argument
            if tensor.name not in seen:
                seen.add(tensor.name)
                yield tensor


@dataclass(frozen=True)
class Place:
    """Which tensor of a group a kernel's buffer is.

    Attributes:
        kind: ``operand`` or ``result`` of the group, or ``work``, a workspace that lives as long as it.
        number: which one, from 0.
        part: of an operand that is a parameter stored in another form, which part of it (`bitmod.layout`);
            ``""``: as the model has it.
    """

    kind: Literal["operand", "result", "work"]
    number: int
    part: str = ""


@dataclass(frozen=True)
class Launch:
    """One launch among those that carry out a group.

    Attributes:
        kernel: what is launched.
        places: per tensor of the kernel, by name, what of the group it is.
    """

    kernel: Kernel
    places: Mapping[str, Place]

    def __post_init__(self) -> None:
        names = {tensor.name for tensor in self.kernel.tensors()}
        if names != set(self.places):
            wrong = ", ".join(sorted(names ^ set(self.places)))
            raise PassError(f"tensors and places differ in {wrong}", where=self.kernel.name)
