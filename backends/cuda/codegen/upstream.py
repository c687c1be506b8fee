"""What has no Einsum form: a function whose body is one parallel ``linalg.generic``, as a thread a point."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ....ir.cascade import shape_of
from ....ir.errors import PassError
from ....ir.mlir import func, ir
from ..kernel import Buffer, Kernel, Launch, Place
from .group import dtype_name
from .points import THREADS, signature
from .text import VALUES, number_text

GENERIC = "linalg.generic"

_COMPARE = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")  # eq ne slt sle sgt sge ult ule ugt uge
_FLOAT_COMPARE = {1: "==", 2: ">", 3: ">=", 4: "<", 5: "<=", 13: "!="}
_UNSIGNED = 6
_INFIX = {
    "arith.addf": "+",
    "arith.addi": "+",
    "arith.subf": "-",
    "arith.subi": "-",
    "arith.mulf": "*",
    "arith.muli": "*",
    "arith.divf": "/",
    "arith.andi": "&",
    "arith.ori": "|",
    "arith.xori": "^",
}
_CALLS = {
    "arith.maximumf": "ein::max",
    "arith.minimumf": "ein::min",
    "arith.maxsi": "ein::max",
    "arith.minsi": "ein::min",
    "arith.negf": "ein::neg",
    "math.exp": "ein::exp",
    "math.log": "ein::log",
    "math.tanh": "ein::tanh",
    "math.sqrt": "ein::sqrt",
    "math.rsqrt": "ein::rsqrt",
    "math.erf": "ein::erf",
    "math.floor": "ein::floor",
    "math.absf": "ein::abs",
}
_CASTS = frozenset(
    [
        *("arith.index_cast", "arith.sitofp", "arith.uitofp", "arith.fptosi", "arith.extf", "arith.truncf"),
        *("arith.extsi", "arith.extui", "arith.trunci"),
    ]
)


def unsupported_in(function: func.FuncOp) -> list[str]:
    """The operations of an upstream function that no kernel can be written for; none if it can."""
    generics, problems = 0, []
    known = {*_INFIX, *_CALLS, *_CASTS, "arith.constant", "arith.cmpi", "arith.cmpf", "arith.select"}
    known |= {"linalg.index", "linalg.yield", "tensor.extract"}
    for op in (each.operation for each in function.entry_block.operations):
        if op.name == GENERIC:
            generics += 1
            if not _parallel(op):
                problems.append(f"{GENERIC} with a reduction")
            inside = [each.operation.name for each in op.regions[0].blocks[0].operations]
            problems += [name for name in inside if name not in known]
        elif op.name not in ("tensor.empty", "arith.constant", "func.return"):
            problems.append(op.name)
    if generics != 1 and not problems:
        problems.append(f"{generics} {GENERIC} in a function")
    return problems


def upstream_kernel(function: func.FuncOp, name: str) -> Launch:
    """The kernel of an upstream function that `unsupported_in` has nothing against."""
    return _Upstream(function, name).launch()


def _parallel(op: ir.Operation) -> bool:
    return all("parallel" in str(kind) for kind in ir.ArrayAttr(op.attributes["iterator_types"]))


@dataclass
class _Upstream:
    """Writes one kernel."""

    function: func.FuncOp
    name: str
    texts: dict[ir.Value, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def launch(self) -> Launch:
        ops = [each.operation for each in self.function.entry_block.operations]
        generic = next(op for op in ops if op.name == GENERIC)
        shape = shape_of(generic.results[0])
        values = list(self.function.arguments)
        buffers = tuple(
            Buffer(f"argument{number}", dtype_name(value), shape_of(value))
            for number, value in enumerate(values)
        )
        self.tensors = dict(zip(values, buffers, strict=True))
        result = Buffer("result", dtype_name(generic.results[0]), shape, role="out")
        for op in ops:
            if op.name == "arith.constant":
                self._constant(op)
        self._body(generic, shape, result)
        what = "a thread a point of the result"
        total = prod(shape)
        source = "\n".join(
            [
                f"// {self.name}: {what} of {self.function.name.value}",
                '#include "operators.cuh"',
                "",
                signature(self.name, (*buffers, result), THREADS),
                f"    const int point = static_cast<int>(blockIdx.x) * {THREADS} + threadIdx.x;",
                f"    if (point >= {total}) return;",
                *(f"    {line}" for line in self.lines),
                "}",
                "",
            ]
        )
        kernel = Kernel(
            self.name,
            source,
            "sm_80",
            (max(1, -(-total // THREADS)), 1, 1),
            (THREADS, 1, 1),
            0,
            (*buffers, result),
            (f"{self.function.name.value}: upstream",),
            what,
        )
        places = {buffer.name: Place("operand", number) for number, buffer in enumerate(buffers)}
        return Launch(kernel, places | {"result": Place("result", 0)})

    def _body(self, generic: ir.Operation, shape: tuple[int, ...], result: Buffer) -> None:
        maps = [ir.AffineMapAttr(each).value for each in ir.ArrayAttr(generic.attributes["indexing_maps"])]
        self.coordinates, declared = self._decode(maps[-1], shape)
        block = generic.regions[0].blocks[0]
        inputs = list(generic.operands)[: len(maps) - 1]
        for argument, value, place in zip(block.arguments, inputs, maps, strict=False):
            self.texts[argument] = self._read(value, [self._affine(each) for each in place.results])
        for op in (each.operation for each in block.operations):
            if op.name == "linalg.yield":
                self.lines.append(f"result[point] = {self.texts[op.operands[0]]};")
                break
            self._op(op)
        self.lines = _used([*declared.values(), *self.lines])

    def _decode(self, place: ir.AffineMap, shape: tuple[int, ...]) -> tuple[list[str], dict[str, str]]:
        """The point's coordinates by dimension of the loop nest, and their declarations by name."""
        names, declared, step = [""] * len(shape), dict[str, str](), 1
        for axis in reversed(range(len(shape))):
            dimension = ir.AffineDimExpr(place.results[axis]).position
            text = "point" if step == 1 else f"point / {step}"
            text = "0" if shape[axis] == 1 else text if axis == 0 else f"{text} % {shape[axis]}"
            names[dimension] = f"i{dimension}"
            declared[f"i{dimension}"] = f"const int i{dimension} = {text};"
            step *= shape[axis]
        return names, declared

    def _affine(self, index: ir.AffineExpr) -> str:
        """An index of the loop nest: a dimension, a constant, or a sum or product of them."""
        dimension, constant = _cast(ir.AffineDimExpr, index), _cast(ir.AffineConstantExpr, index)
        if dimension is not None:
            return self.coordinates[dimension.position]
        if constant is not None:
            return str(constant.value)
        for kind, sign in ((ir.AffineAddExpr, "+"), (ir.AffineMulExpr, "*")):
            both = _cast(kind, index)
            if both is not None:
                return f"({self._affine(both.lhs)} {sign} {self._affine(both.rhs)})"
        raise PassError(f"an index {index}", where=self.function.name.value)

    def _read(self, value: ir.Value, index: list[str]) -> str:
        buffer = self.tensors[value]
        terms = [
            text if stride == 1 else f"{text} * {stride}LL"
            for text, stride, extent in zip(index, buffer.strides, buffer.shape, strict=True)
            if extent > 1
        ]
        return f"widen({buffer.name}[{' + '.join(terms) or '0'}])"

    def _constant(self, op: ir.Operation) -> None:
        value = op.attributes["value"]
        kind = _c_type(op.results[0].type)
        number = ir.FloatAttr(value).value if isinstance(value, ir.FloatAttr) else ir.IntegerAttr(value).value
        if kind == "bool":
            self.texts[op.results[0]] = "true" if number else "false"
        else:
            self.texts[op.results[0]] = number_text(number, kind)

    def _op(self, op: ir.Operation) -> None:
        if op.name == "arith.constant":
            self._constant(op)
            return
        text = self._text(op)
        name = f"v{len(self.texts)}"
        self.lines.append(f"const {_c_type(op.results[0].type)} {name} = {text};")
        self.texts[op.results[0]] = name

    def _text(self, op: ir.Operation) -> str:
        given = [self.texts[value] for value in op.operands if value in self.texts]
        kind = _c_type(op.results[0].type)
        if op.name in _INFIX:
            return f"{given[0]} {_INFIX[op.name]} {given[1]}"
        if op.name in _CALLS:
            return f"{_CALLS[op.name]}({', '.join(given)})"
        if op.name in _CASTS:
            return f"static_cast<{kind}>({given[0]})"
        special: Mapping[str, Callable[[], str]] = {
            "arith.cmpi": lambda: _compared(op, given),
            "arith.cmpf": lambda: _float_compared(op, given),
            "arith.select": lambda: f"{given[0]} ? {given[1]} : {given[2]}",
            "linalg.index": lambda: self.coordinates[ir.IntegerAttr(op.attributes["dim"]).value],
            "tensor.extract": lambda: self._read(op.operands[0], given),
        }
        return special[op.name]()


def _cast(kind: Callable[[ir.AffineExpr], Any], index: ir.AffineExpr) -> Any:
    """The expression as one of a kind, None where it is of another."""
    try:
        return kind(index)
    except ValueError:
        return None


def _used(lines: list[str]) -> list[str]:
    """The lines without declarations that nothing behind them reads."""
    kept: list[str] = []
    for line in reversed(lines):
        declared = re.match(r"const [\w ]+ (\w+) = ", line)
        if declared is None or any(re.search(rf"\b{declared[1]}\b", other) for other in kept):
            kept.append(line)
    return kept[::-1]


def _compared(op: ir.Operation, given: list[str]) -> str:
    predicate = ir.IntegerAttr(op.attributes["predicate"]).value
    if predicate >= _UNSIGNED:
        given = [f"static_cast<unsigned long long>({text})" for text in given]
    return f"{given[0]} {_COMPARE[predicate]} {given[1]}"


def _float_compared(op: ir.Operation, given: list[str]) -> str:
    predicate = ir.IntegerAttr(op.attributes["predicate"]).value
    if predicate not in _FLOAT_COMPARE:
        raise PassError(f"a comparison of kind {predicate}", where=op.name)
    return f"{given[0]} {_FLOAT_COMPARE[predicate]} {given[1]}"


def _c_type(kind: ir.Type) -> str:
    text = str(kind)
    if text == "index":
        return "long long"
    if text not in VALUES:
        raise PassError(f"element type {text} has no place in a kernel", accepted=", ".join(VALUES))
    return VALUES[text]
