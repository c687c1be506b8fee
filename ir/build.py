"""Builds and reads cascade ops: the few calls that the frontend and every pass share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .cascade import EINSUM, FUSED, ITERATE, YIELD, generations_around, shape_of
from .einsum import Einsum, solve_extents
from .errors import NotationError
from .mlir import ir
from .operators import MAPS

Attribute = str | int | Sequence[str]


@dataclass(frozen=True)
class EinsumView:
    """One ``cascade.einsum`` op: its notation, operands (one value per access) and result."""

    op: ir.Operation
    einsum: Einsum

    @staticmethod
    def of(op: ir.Operation | ir.OpView) -> EinsumView:
        """The view of an op named ``cascade.einsum``."""
        operation = op.operation
        return EinsumView(operation, Einsum.parse(string(operation, "expr")))

    @property
    def operands(self) -> tuple[ir.Value, ...]:
        """Tensor operands, one per access in order."""
        return tuple(self.op.operands)

    @property
    def result(self) -> ir.Value:
        """The tensor written."""
        return self.op.results[0]

    def extents(self) -> dict[str, int]:
        """Extent of each rank of the iteration space, enclosing generational ranks included."""
        shapes = [shape_of(value) for value in self.operands]
        return solve_extents(self.einsum, shapes, shape_of(self.result), generations_around(self.op))


def is_einsum(op: ir.Operation | ir.OpView) -> bool:
    """Whether the op is a ``cascade.einsum``."""
    return op.operation.name == EINSUM


def string(op: ir.Operation | ir.OpView, name: str) -> str:
    """A string attribute's value."""
    return ir.StringAttr(op.operation.attributes[name]).value


def integer(op: ir.Operation | ir.OpView, name: str) -> int:
    """An integer attribute's value."""
    return ir.IntegerAttr(op.operation.attributes[name]).value


def strings(op: ir.Operation | ir.OpView, name: str) -> tuple[str, ...]:
    """An array-of-strings attribute's values."""
    return tuple(ir.StringAttr(item).value for item in ir.ArrayAttr(op.operation.attributes[name]))


def tensor_type(shape: Sequence[int], element: ir.Type | str) -> ir.RankedTensorType:
    """``tensor<shape x element>``; the element may be written (``"f32"``, ``"i1"``)."""
    kind = ir.Type.parse(element) if isinstance(element, str) else element
    return ir.RankedTensorType.get(list(shape), kind, loc=ir.Location.unknown(kind.context))


def element_type(value: ir.Value) -> ir.Type:
    """Element type of a tensor value."""
    return ir.RankedTensorType(value.type).element_type


def attributes(values: Mapping[str, Attribute]) -> dict[str, ir.Attribute]:
    """Python strings, integers and lists of strings as attributes."""
    built: dict[str, ir.Attribute] = {}
    for name, value in values.items():
        if isinstance(value, str):
            built[name] = ir.StringAttr.get(value)
        elif isinstance(value, int):
            built[name] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
        else:
            built[name] = ir.ArrayAttr.get([ir.StringAttr.get(item) for item in value])
    return built


def result_shape(einsum: Einsum, shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Shape of the output, from the operands' plain indices.

    Raises:
        NotationError: an output rank has no extent.
    """
    known: dict[str, int] = {}
    for access, shape in zip(einsum.accesses, shapes, strict=True):
        known.update({rank: n for rank, n in zip(access.plain, shape, strict=True) if rank is not None})
    shape = []
    for rank in einsum.output.plain:
        if rank is None or rank not in known:
            raise NotationError(f"output rank '{rank}' has no extent", where=str(einsum))
        shape.append(known[rank])
    return tuple(shape)


def build_einsum(
    notation: Einsum | str,
    operands: Sequence[ir.Value] = (),
    *,
    shape: Sequence[int] | None = None,
    element: ir.Type | str | None = None,
    location: ir.Location | None = None,
) -> ir.Value:
    """Build a ``cascade.einsum`` at the current insertion point and give its result.

    Args:
        notation: the Einsum; its accesses take `operands` in order.
        operands: one tensor value per access.
        shape: output shape; worked out from the operands when None.
        element: output element type; by default i1 for comparisons, i64 for ``to_int``, else that of the
            last tensor operand that is not i1, f32 when there is none.
        location: source location; unknown when None.

    Raises:
        NotationError: the notation does not fit the operands.
    """
    einsum = Einsum.parse(notation) if isinstance(notation, str) else notation
    shapes = [shape_of(value) for value in operands]
    if len(shapes) != len(einsum.accesses):
        raise NotationError(f"{len(einsum.accesses)} tensors, {len(shapes)} operands", where=str(einsum))
    if shape is None:
        shape = result_shape(einsum, shapes)
    result = tensor_type(shape, element if element is not None else _default_element(einsum, operands))
    op = ir.Operation.create(
        EINSUM, [result], list(operands), attributes({"expr": str(einsum)}), loc=location
    )
    return op.results[0]


def _default_element(einsum: Einsum, operands: Sequence[ir.Value]) -> ir.Type | str:
    kind = MAPS[einsum.map].kind
    if kind == "bool":
        return "i1"
    if kind == "int":
        return "i64"
    numeric = [element_type(value) for value in operands if str(element_type(value)) != "i1"]
    if numeric:
        return numeric[-1]
    return "i1" if operands and kind == "same" else "f32"


def build_region_op(
    name: str,
    operands: Sequence[ir.Value],
    results: Sequence[ir.Type],
    values: Mapping[str, Attribute],
    location: ir.Location | None = None,
) -> tuple[ir.Operation, ir.Block]:
    """Build ``cascade.fused`` or ``cascade.iterate`` with an empty body block.

    The block's arguments have the operands' types; the caller fills it and ends it with `build_yield`.
    """
    if name not in (FUSED, ITERATE):
        raise ValueError(f"{name} has no region")
    op = ir.Operation.create(name, list(results), list(operands), attributes(values), regions=1, loc=location)
    types = [value.type for value in operands]
    places = [ir.Location.unknown() for _ in operands]
    return op, op.regions[0].blocks.append(*types, arg_locs=places)


def build_yield(values: Sequence[ir.Value]) -> None:
    """End the current block with ``cascade.yield``."""
    ir.Operation.create(YIELD, [], list(values))
