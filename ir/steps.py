"""A fused function as a sequence of steps: what runs in order, and which tensors share storage.

After fusion a function holds kernels (``cascade.fused``), calls, and views, which are other names for the
same bytes: tensors are row-major without gaps, so reshaping moves nothing. A call may update an operand in
place: that result is the operand's bytes too, as they are afterwards. `root` finds the bytes' owner.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from .cascade import FUSED, shape_of
from .dtypes import BY_MLIR, DType, lookup
from .errors import PassError
from .mlir import func, ir
from .weights import aligned

ALLOC = "tier.alloc"
CALL = "func.call"
RETURN = "func.return"
VIEWS = frozenset({ALLOC, "tensor.expand_shape", "tensor.collapse_shape"})

# Attributes on functions, calls and kernels.
UPSTREAM = "penstock.upstream"  # on a function: its body is linalg, tensor, arith, math and scf only
PUT = "penstock.put"  # on an upstream function: it puts slices into its first argument along this dimension
ROWS = "penstock.rows"  # on an upstream function: it looks up rows of its first argument by its second
INSTANCE = "penstock.instance"  # on a call: the path of the module this layer is
NODES = "penstock.nodes"  # on a kernel: per output the graph node it computes, or ""
NODE = "penstock.node"  # on any op: the graph node it computes
FRAME_BYTES = "tier.frame_bytes"  # on a function: size of its frame
FRAME_OFFSET = "tier.frame_offset"  # on a call: the callee's frame within the caller's
UPDATES = "penstock.updates"  # on a call: per result the operand it is, updated in place, or -1


def functions(module: ir.Module) -> dict[str, func.FuncOp]:
    """Functions with a body, by name, in module order."""
    found = (op for op in module.body.operations if isinstance(op, func.FuncOp))
    return {op.name.value: op for op in found if not op.is_external}


def is_upstream(function: func.FuncOp) -> bool:
    """Whether the function's body is in upstream dialects, compiled as one step."""
    return UPSTREAM in function.attributes


def is_entry(function: func.FuncOp) -> bool:
    """Whether the function is an entry point: a public one."""
    attributes = function.attributes
    if "sym_visibility" not in attributes:
        return True
    return ir.StringAttr(attributes["sym_visibility"]).value == "public"


def body(function: func.FuncOp) -> Iterator[ir.Operation]:
    """The operations of a function's only block, in order."""
    for op in function.entry_block.operations:
        yield op.operation


def steps(function: func.FuncOp) -> list[ir.Operation]:
    """What runs, in order: kernels and calls.

    Raises:
        PassError: the function holds an operation that fusion should have put into a kernel.
    """
    found = []
    for op in body(function):
        if op.name in (FUSED, CALL):
            found.append(op)
        elif op.name not in VIEWS and op.name != RETURN:
            raise PassError(
                f"'{op.name}' is no step of a program",
                where=f"function {function.name.value}",
                accepted=f"a fused module: {FUSED}, {CALL}, {', '.join(sorted(VIEWS))}",
            )
    return found


def returned(function: func.FuncOp) -> list[ir.Value]:
    """The values a function returns."""
    last = list(body(function))[-1]
    return list(last.operands)


def callee(op: ir.Operation) -> str:
    """Name of the function a call calls."""
    return ir.FlatSymbolRefAttr(op.attributes["callee"]).value


def instance(op: ir.Operation) -> str:
    """The module path a call stands for, or the callee's name."""
    if INSTANCE in op.attributes:
        return ir.StringAttr(op.attributes[INSTANCE]).value
    return callee(op)


def viewed(value: ir.Value) -> ir.Value:
    """The argument or step's result that a value is a view of."""
    while not isinstance(value.owner, ir.Block) and value.owner.operation.name in VIEWS:
        value = value.owner.operation.operands[0]
    return value


def updated(value: ir.Value) -> ir.Value | None:
    """The operand that a call's result is, updated in place; None for any other value."""
    if isinstance(value.owner, ir.Block) or UPDATES not in value.owner.attributes:
        return None
    op = value.owner.operation
    operand = list(ir.DenseI64ArrayAttr(op.attributes[UPDATES]))[ir.OpResult(value).result_number]
    return None if operand < 0 else op.operands[operand]


def root(value: ir.Value) -> ir.Value:
    """The value whose bytes a value is: an argument, or the result of a step."""
    value = viewed(value)
    while (before := updated(value)) is not None:
        value = viewed(before)
    return value


def made(op: ir.Operation) -> list[ir.Value]:
    """A step's results that have bytes of their own: those that update no operand."""
    return [value for value in op.results if updated(value) is None]


def updates(block: ir.Block) -> tuple[int, ...]:
    """Per result of a function with this body the argument it is, updated in place, or -1."""
    numbers = {value: number for number, value in enumerate(block.arguments)}
    ends = list(block.operations)[-1].operation.operands
    return tuple(numbers.get(root(v), -1) if updated(viewed(v)) is not None else -1 for v in ends)


def dtype_of(value: ir.Value) -> DType:
    """Element type of a tensor value."""
    return lookup(BY_MLIR, str(ir.RankedTensorType(value.type).element_type))


def size_bytes(value: ir.Value) -> int:
    """Bytes a tensor value takes in an arena: whole cache lines."""
    return aligned(math.prod(shape_of(value)) * dtype_of(value).size)


def placement(value: ir.Value) -> ir.Operation | None:
    """The ``tier.alloc`` that pins a step's result, or None when it is one of the function's results."""
    for use in value.uses:
        if use.owner.operation.name == ALLOC:
            return use.owner.operation
    return None


def written_results(function: func.FuncOp) -> dict[ir.Value, int]:
    """Values that steps write straight into the caller's buffers → index of the function's result.

    A result that is an argument, or one already written under another index, has to be copied instead.
    """
    written: dict[ir.Value, int] = {}
    for index, value in enumerate(returned(function)):
        owner = root(value)
        if not isinstance(owner.owner, ir.Block):
            written.setdefault(owner, index)
    return written


def callees_first(module: ir.Module) -> list[func.FuncOp]:
    """The functions that have steps, every one after those it calls.

    Raises:
        PassError: a call of a function that does not exist, or of a caller.
    """
    table = functions(module)
    order: dict[str, func.FuncOp] = {}

    def visit(name: str, callers: tuple[str, ...]) -> None:
        if name in callers:
            raise PassError("a function calls itself", where=" → ".join((*callers, name)))
        if name not in table:
            raise PassError(f"no function '{name}'", where=" → ".join(callers), accepted=", ".join(table))
        if name in order or is_upstream(table[name]):
            return
        for op in steps(table[name]):
            if op.name == CALL:
                visit(callee(op), (*callers, name))
        order[name] = table[name]

    for name in table:
        visit(name, ())
    return list(order.values())
