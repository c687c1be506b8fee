"""Evaluates the upstream ops that pass through penstock: tensor, linalg.generic, arith and math.

A ``linalg.generic`` is visited coordinate by coordinate along its reduction loops, with all parallel
loops at once as NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..mlir import ir
from ..operators import MAPS
from .einsum import grid_points

Array = np.ndarray
Values = dict[ir.Value, object]

_CMPF: dict[int, Callable[[Array, Array], Array]] = {
    1: np.equal, 2: np.greater, 3: np.greater_equal, 4: np.less, 5: np.less_equal,
    6: lambda a, b: (a != b) & ~np.isnan(a) & ~np.isnan(b),
    7: lambda a, b: ~np.isnan(a) & ~np.isnan(b),
    8: lambda a, b: (a == b) | np.isnan(a) | np.isnan(b),
    9: lambda a, b: ~(a <= b), 10: lambda a, b: ~(a < b),
    11: lambda a, b: ~(a >= b), 12: lambda a, b: ~(a > b),
    13: np.not_equal, 14: lambda a, b: np.isnan(a) | np.isnan(b),
}  # fmt: skip

_CMPI: dict[int, Callable[[Array, Array], Array]] = {
    0: np.equal, 1: np.not_equal, 2: np.less, 3: np.less_equal, 4: np.greater, 5: np.greater_equal,
    6: np.less, 7: np.less_equal, 8: np.greater, 9: np.greater_equal,
}  # fmt: skip


def _integer(x: Array) -> Array:
    return np.asarray(x).astype(np.int64)


def _double(x: Array) -> Array:
    return np.asarray(x).astype(np.float64)


_POINT: dict[str, Callable[..., Array]] = {
    "arith.addf": np.add, "arith.subf": np.subtract, "arith.mulf": np.multiply, "arith.divf": np.divide,
    "arith.remf": np.fmod, "arith.negf": np.negative,
    "arith.maximumf": np.maximum, "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax, "arith.minnumf": np.fmin,
    "arith.addi": np.add, "arith.subi": np.subtract, "arith.muli": np.multiply,
    "arith.divsi": lambda a, b: _integer(np.trunc(np.divide(a, b))), "arith.divui": np.floor_divide,
    "arith.floordivsi": np.floor_divide, "arith.ceildivsi": lambda a, b: -(-a // b),
    "arith.remsi": np.fmod, "arith.remui": np.mod,
    "arith.maxsi": np.maximum, "arith.minsi": np.minimum,
    "arith.maxui": np.maximum, "arith.minui": np.minimum,
    "arith.andi": np.bitwise_and, "arith.ori": np.bitwise_or, "arith.xori": np.bitwise_xor,
    "arith.select": np.where,
    "arith.extf": _double, "arith.truncf": _double, "arith.sitofp": _double, "arith.uitofp": _double,
    "arith.fptosi": lambda x: _integer(np.trunc(x)), "arith.fptoui": lambda x: _integer(np.trunc(x)),
    "arith.extsi": _integer, "arith.extui": _integer,
    "arith.index_cast": _integer,
    "math.exp": np.exp, "math.exp2": np.exp2, "math.expm1": np.expm1, "math.log": np.log,
    "math.log2": np.log2,
    "math.log10": np.log10, "math.log1p": np.log1p, "math.sqrt": np.sqrt,
    "math.rsqrt": lambda x: 1 / np.sqrt(x),
    "math.tanh": np.tanh, "math.sinh": np.sinh, "math.cosh": np.cosh, "math.sin": np.sin, "math.cos": np.cos,
    "math.tan": np.tan, "math.asin": np.arcsin, "math.acos": np.arccos, "math.atan": np.arctan,
    "math.atan2": np.arctan2, "math.erf": MAPS["erf"].evaluate, "math.absf": np.abs, "math.absi": np.abs,
    "math.powf": np.power, "math.fpowi": np.power, "math.ipowi": np.power, "math.floor": np.floor,
    "math.ceil": np.ceil, "math.round": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "math.roundeven": np.round, "math.trunc": np.trunc, "math.copysign": np.copysign,
    "math.fma": lambda a, b, c: a * b + c, "math.isnan": np.isnan, "math.isinf": np.isinf,
}  # fmt: skip


def dtype_of(element: ir.Type) -> np.dtype:
    """The interpreter's dtype for an element type: float64, int64 or bool."""
    text = str(element)
    if text == "i1":
        return np.dtype(bool)
    return np.dtype(np.int64 if text == "index" or text.startswith(("i", "si", "ui")) else np.float64)


def evaluate(op: ir.Operation, operands: list[object], values: Values) -> list[object]:
    """Results of one upstream op.

    Raises:
        InputError: the interpreter does not know the op.
    """
    arrays = [np.asarray(operand) for operand in operands]
    point = _POINT.get(op.name)
    if point is not None:
        with np.errstate(all="ignore"):
            return [point(*arrays)]
    special = _SPECIAL.get(op.name)
    if special is None:
        raise InputError(f"the interpreter does not know '{op.name}'", where=str(op.location))
    return special(op, arrays, values)


def _constant(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    value = op.attributes["value"]
    kind = op.results[0].type
    if isinstance(kind, ir.RankedTensorType):
        dtype = dtype_of(ir.RankedTensorType(kind).element_type)
        shape = tuple(ir.RankedTensorType(kind).shape)
        dense = ir.DenseElementsAttr(value)
        if dense.is_splat:
            return [np.full(shape, _scalar(dense.get_splat_value()), dtype)]
        return [np.array([_scalar_of(item) for item in _dense(value)]).astype(dtype).reshape(shape)]
    return [np.asarray(_scalar(value)).astype(dtype_of(kind))]


def _dense(value: ir.Attribute) -> list[object]:
    if isinstance(value, ir.DenseFPElementsAttr | ir.DenseIntElementsAttr):
        return list(value)
    raise InputError("a dense constant of this kind is not known to the interpreter", where=str(value)[:80])


def _scalar_of(item: object) -> object:
    return _scalar(item) if isinstance(item, ir.Attribute) else item


def _scalar(value: Any) -> float | int | bool:
    if isinstance(value, ir.BoolAttr | ir.FloatAttr | ir.IntegerAttr):
        number: float | int | bool = value.value
        return number
    raise InputError("a constant of this kind is not known to the interpreter", where=str(value)[:80])


def _cmpf(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    return [_CMPF[ir.IntegerAttr(op.attributes["predicate"]).value](*arrays)]


def _cmpi(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    return [_CMPI[ir.IntegerAttr(op.attributes["predicate"]).value](*arrays)]


def _trunci(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    # Only truncation to i1 changes a value that fits; it keeps the lowest bit.
    narrow = str(op.results[0].type).endswith("i1>") or str(op.results[0].type) == "i1"
    return [(arrays[0].astype(np.int64) & 1).astype(bool) if narrow else arrays[0]]


def _empty(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    kind = ir.RankedTensorType(op.results[0].type)
    return [np.zeros(tuple(kind.shape), dtype_of(kind.element_type))]


def _reshape(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    return [arrays[0].reshape(tuple(ir.RankedTensorType(op.results[0].type).shape))]


def _same(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    return [arrays[0]]


def _extract(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    tensor, *places = arrays
    if not places:
        return [tensor]
    # Unselected branches of a body may compute coordinates outside; their value is not used.
    inside = [np.clip(place, 0, size - 1) for place, size in zip(places, tensor.shape, strict=True)]
    return [tensor[tuple(inside)]]


def _from_elements(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    kind = ir.RankedTensorType(op.results[0].type)
    return [np.array(arrays).astype(dtype_of(kind.element_type)).reshape(tuple(kind.shape))]


def _static(op: ir.Operation, name: str) -> list[int]:
    return list(ir.DenseI64ArrayAttr(op.attributes[name]))


def _window(op: ir.Operation) -> tuple[slice, ...]:
    offsets, sizes, strides = (_static(op, f"static_{name}") for name in ("offsets", "sizes", "strides"))
    if any(number < 0 for number in (*offsets, *sizes)):
        raise InputError("the interpreter knows no slices with run-time bounds", where=str(op.location))
    return tuple(
        slice(start, start + (size - 1) * stride + 1, stride)
        for start, size, stride in zip(offsets, sizes, strides, strict=True)
    )


def _extract_slice(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    shape = tuple(ir.RankedTensorType(op.results[0].type).shape)
    return [arrays[0][_window(op)].reshape(shape)]


def _insert_slice(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    source, target = arrays[0], arrays[1].copy()
    window = _window(op)
    target[window] = source.reshape(target[window].shape)
    return [target]


def _pad(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    low, high = _static(op, "static_low"), _static(op, "static_high")
    end = list(op.regions[0].blocks[0].operations)[-1].operation
    fill = np.asarray(values[end.operands[0]])
    return [np.pad(arrays[0], list(zip(low, high, strict=True)), constant_values=fill)]


def _concat(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    return [np.concatenate(arrays, axis=ir.IntegerAttr(op.attributes["dim"]).value)]


def _assert(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    if not np.all(arrays[0]):
        raise InputError(ir.StringAttr(op.attributes["msg"]).value, where=str(op.location))
    return []


def _generic(op: ir.Operation, arrays: list[Array], values: Values) -> list[object]:
    maps = [ir.AffineMapAttr(item).value for item in ir.ArrayAttr(op.attributes["indexing_maps"])]
    loops = ["parallel" in str(item) for item in ir.ArrayAttr(op.attributes["iterator_types"])]
    extents = _loop_extents(maps, arrays, len(loops))
    outputs = [arrays[place - len(op.results)].copy() for place in range(len(op.results))]
    tensors = arrays[: len(arrays) - len(outputs)] + outputs
    parallel = [loop for loop, yes in enumerate(loops) if yes]
    grid = np.ix_(*(np.arange(extents[loop]) for loop in parallel)) if parallel else ()
    coordinates: dict[int, Array] = dict(zip(parallel, grid, strict=True))
    serial = [loop for loop, yes in enumerate(loops) if not yes]
    shape = tuple(extents[loop] for loop in parallel)
    for point in grid_points([extents[loop] for loop in serial]):
        coordinates.update({loop: np.asarray(at) for loop, at in zip(serial, point, strict=True)})
        places = [tuple(_affine(expr, coordinates) for expr in affine.results) for affine in maps]
        scope: Values = dict(values)
        for argument, tensor, place in zip(op.regions[0].blocks[0].arguments, tensors, places, strict=True):
            scope[argument] = tensor[place]
        yielded = _body(op.regions[0].blocks[0], scope, coordinates)
        for output, place, value in zip(outputs, places[len(places) - len(outputs) :], yielded, strict=True):
            output[place] = np.broadcast_to(value, shape)
    return list(outputs)


def _loop_extents(maps: list[ir.AffineMap], arrays: list[Array], loops: int) -> list[int]:
    extents: dict[int, int] = {}
    for affine, array in zip(maps, arrays, strict=True):
        for expr, size in zip(affine.results, array.shape, strict=True):
            if isinstance(expr, ir.AffineDimExpr):
                extents.setdefault(expr.position, size)
    return [extents[loop] for loop in range(loops)]


def _affine(expr: ir.AffineExpr, coordinates: Mapping[int, Array]) -> Array:
    if isinstance(expr, ir.AffineDimExpr):
        return coordinates[expr.position]
    if isinstance(expr, ir.AffineConstantExpr):
        return np.asarray(expr.value)
    binary: dict[type, Callable[[Array, Array], Array]] = {
        ir.AffineAddExpr: np.add,
        ir.AffineMulExpr: np.multiply,
        ir.AffineModExpr: np.mod,
        ir.AffineFloorDivExpr: np.floor_divide,
        ir.AffineCeilDivExpr: lambda a, b: -(-a // b),
    }
    return binary[type(expr)](_affine(expr.lhs, coordinates), _affine(expr.rhs, coordinates))


def _body(block: ir.Block, scope: Values, coordinates: Mapping[int, Array]) -> list[Array]:
    for inner in block.operations:
        op = inner.operation
        if op.name in ("linalg.yield", "scf.yield"):
            return [np.asarray(scope[operand]) for operand in op.operands]
        if op.name == "linalg.index":
            results: list[object] = [coordinates[ir.IntegerAttr(op.attributes["dim"]).value]]
        elif op.name == "scf.if":
            results = _both_branches(op, scope, coordinates)
        else:
            results = evaluate(op, [scope[operand] for operand in op.operands], scope)
        scope.update(zip(op.results, results, strict=True))
    return []


def _both_branches(op: ir.Operation, scope: Values, coordinates: Mapping[int, Array]) -> list[object]:
    condition = np.asarray(scope[op.operands[0]])
    taken, other = (_body(region.blocks[0], dict(scope), coordinates) for region in op.regions)
    return [np.where(condition, yes, no) for yes, no in zip(taken, other, strict=True)]


_SPECIAL: dict[str, Callable[[ir.Operation, list[Array], Values], list[object]]] = {
    "arith.constant": _constant,
    "arith.cmpf": _cmpf,
    "arith.cmpi": _cmpi,
    "arith.trunci": _trunci,
    "tensor.empty": _empty,
    "tensor.expand_shape": _reshape,
    "tensor.collapse_shape": _reshape,
    "tensor.cast": _same,
    "tensor.extract": _extract,
    "tensor.from_elements": _from_elements,
    "tensor.extract_slice": _extract_slice,
    "tensor.insert_slice": _insert_slice,
    "tensor.pad": _pad,
    "tensor.concat": _concat,
    "linalg.generic": _generic,
    "cf.assert": _assert,
}
