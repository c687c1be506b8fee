"""Writes a cascade as ``cascade.fused``, its iterative part as ``cascade.iterate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...ir.build import Attribute, build_einsum, build_region_op, build_yield, tensor_type
from ...ir.cascade import FUSED, ITERATE
from ...ir.einsum import Access, Einsum, Index, Operand
from ...ir.mlir import ir
from ..analyse import Cascade
from .iterate import Tiling
from .steps import fresh_name


@dataclass(frozen=True)
class GroupSpec:
    """What a ``cascade.fused`` op is made of.

    Attributes:
        cascade: its Einsums; inputs are bound by name.
        inputs: names of the op's operands, in order.
        outputs: name, shape and element type of each result.
        elements: tensor name → element type where known.
        attributes: the op's attributes.
        tiling: the split rank when the cascade is iterative.
        location: source location.
    """

    cascade: Cascade
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, tuple[int, ...], str], ...]
    elements: Mapping[str, str]
    attributes: Mapping[str, Attribute]
    tiling: Tiling | None = None
    location: ir.Location | None = None


def emit_group(spec: GroupSpec, operands: Sequence[ir.Value]) -> Sequence[ir.Value]:
    """Build the op at the current insertion point and give its results."""
    results = [tensor_type(shape, element) for _, shape, element in spec.outputs]
    op, block = build_region_op(FUSED, operands, results, spec.attributes, spec.location)
    with ir.InsertionPoint(block), spec.location or ir.Location.unknown():
        values = dict(zip(spec.inputs, block.arguments, strict=True))
        _Writer(spec, values).write()
        build_yield([values[name] for name, _, _ in spec.outputs])
    return list(op.results)


class _Writer:
    def __init__(self, spec: GroupSpec, values: dict[str, ir.Value]) -> None:
        self.spec = spec
        self.cascade = spec.cascade
        self.values = values
        self.rank = spec.cascade.generational

    def write(self) -> None:
        carried = self.cascade.carried
        for einsum in self.cascade.init:
            if einsum.output.tensor not in carried:
                self.einsum(einsum)
        if self.spec.tiling is not None:
            self.iterate(self.spec.tiling, carried)
        for einsum in self.cascade.einsums:
            if self.rank is None or self.rank not in einsum.ranks:
                self.finish(einsum)

    def element(self, name: str) -> str | None:
        while name not in self.spec.elements and name in self.cascade.like:
            name = self.cascade.like[name]
        return self.spec.elements.get(name)

    def einsum(self, einsum: Einsum) -> ir.Value:
        extents = self.cascade.extents
        shape = [extents[rank] for rank in einsum.output.ranks]
        operands = [self.values[access.tensor] for access in einsum.accesses]
        value = build_einsum(einsum, operands, shape=shape, element=self.element(einsum.output.tensor))
        self.values[einsum.output.tensor] = value
        return value

    def finish(self, einsum: Einsum) -> None:
        """An Einsum behind the iteration; one that only renames a carried value is that value."""
        plain = self.local(einsum, {})
        if plain.map == "id" and plain.reduce is None and plain.accesses == plain.operands:
            source = plain.accesses[0]
            if source.tensor in self.cascade.carried and source.index == plain.output.index:
                self.values[plain.output.tensor] = self.values[source.tensor]
                return
        self.einsum(plain)

    def iterate(self, tiling: Tiling, carried: tuple[str, ...]) -> None:
        starts = {e.output.tensor: e for e in self.cascade.init}
        first = [self.einsum(self.local(starts[name], {})) for name in carried]
        op, block = build_region_op(
            ITERATE,
            first,
            [value.type for value in first],
            {
                "rank": tiling.outer,
                "generations": tiling.generations,
                "split": tiling.rank,
                "extent": tiling.extent,
                "tile_rank": tiling.inner,
                "tile": tiling.tile,
                "until": self.cascade.stop,
            },
        )
        taken = self.cascade.written | set(self.cascade.inputs)
        renamed = {name: fresh_name(f"{name}n", taken) for name in carried}
        outside = dict(self.values)
        with ir.InsertionPoint(block):
            self.values.update(zip(carried, block.arguments, strict=True))
            for einsum in self.cascade.einsums:
                if self.rank in einsum.ranks:
                    self.einsum(self.local(einsum, renamed))
            build_yield([self.values[renamed[name]] for name in carried])
        self.values.clear()
        self.values.update(outside)
        self.values.update(zip(carried, op.results, strict=True))

    def local(self, einsum: Einsum, renamed: Mapping[str, str]) -> Einsum:
        """The Einsum as it stands inside a generation: the generational index is implied."""
        operands = tuple(self.operand(operand, renamed) for operand in einsum.operands)
        output = self.access(einsum.output, renamed)
        return replace(einsum, output=output, operands=operands)

    def operand(self, operand: Operand, renamed: Mapping[str, str]) -> Operand:
        return self.access(operand, renamed) if isinstance(operand, Access) else operand

    def access(self, access: Access, renamed: Mapping[str, str]) -> Access:
        if access.tensor in self.cascade.carried:
            at = next(
                place
                for place, index in enumerate(access.index)
                if index.ranks == (self.rank,) or not index.terms
            )
            next_one = _is_next(access.index[at], self.rank)
            name = renamed[access.tensor] if next_one and renamed else access.tensor
            return Access(name, access.index[:at] + access.index[at + 1 :])
        if self.rank is not None and access.tensor in self.cascade.written:
            kept = tuple(index for index in access.index if index.plain != self.rank)
            return Access(access.tensor, kept)
        return access


def _is_next(index: Index, rank: str | None) -> bool:
    """Whether the index is the next generation of `rank`."""
    return bool(index.const) and index.ranks == (rank,)
