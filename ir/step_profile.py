"""What a training step of a model does and holds, traced without computing: operations, lives of storages.

A storage is memory that tensors are views of. Of a layer, *skeletal* ones are made in its forward and read by
its backward; *transient* ones live and die within one forward or backward (MEMO, SIGMOD 2025, section 2.1).
What lives from one segment of the step into another is neither: a gradient of the hidden states, of a
parameter, or what the classifier takes; such storages are called *crossing* here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

SKELETAL, TRANSIENT, CROSSING, GIVEN = "skeletal", "transient", "crossing", "given"
"""Roles of a storage; the last: inputs of the model, which its caller holds."""


@dataclass(frozen=True)
class Operation:
    """One operator.

    Attributes:
        name: of it, ``mm``.
        flops: a multiply-accumulate is two; only products and attention are counted, attention by its mask.
        moved_bytes: read and written if it runs on its own.
        reads, writes: numbers of storages; parameters are left out.
    """

    name: str
    flops: int
    moved_bytes: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True)
class Storage:
    """Memory of one or several tensors.

    Attributes:
        name: unique in its layer, after the module and the operator that made it.
        bytes: of it.
        start, end: operations in which it is live, half-open.
        role: ``skeletal``, ``transient``, ``crossing`` or ``given``.
        layer: whose it is; None outside of layers.
        kind: of a skeletal one, a class of `ir.swap_plan`; else empty.
        gradient: whether it becomes a parameter's gradient.
    """

    name: str
    bytes: int
    start: int
    end: int
    role: str
    layer: int | None = None
    kind: str = ""
    gradient: bool = False


@dataclass(frozen=True)
class Segment:
    """A part of the step: ``forward/I``, ``backward/I`` of a layer, or what is before, between and after.

    Attributes:
        name: ``begin``, ``forward/I``, ``head``, ``backward/I`` or ``finish``.
        start, end: operations, half-open.
    """

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class StepProfile:
    """One training step.

    Attributes:
        model: its name.
        tokens: of the sequence, batch counted.
        dtype: of activations, ``f32`` or ``bf16``.
        layers: how many.
        parameters: how many values, and of one layer.
        operations, storages, segments: in order of time.
    """

    model: str
    tokens: int
    dtype: str
    layers: int
    parameters: int
    layer_parameters: int
    operations: tuple[Operation, ...]
    storages: tuple[Storage, ...]
    segments: tuple[Segment, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Segment]:
        """Segments by name."""
        return {segment.name: segment for segment in self.segments}

    def skeletal(self, layer: int) -> tuple[Storage, ...]:
        """Skeletal storages of a layer, in the order they are made."""
        return tuple(s for s in self.storages if s.role == SKELETAL and s.layer == layer)

    def flops(self, segment: Segment) -> int:
        """Operations of a segment."""
        return sum(each.flops for each in self.operations[segment.start : segment.end])
