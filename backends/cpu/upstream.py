"""What has no Einsum form: functions in upstream dialects, compiled by MLIR's own passes to plain loops.

The result is a `Kernel` like any other, except that one thread runs it. Buffers that bufferization wants
become offsets in the workspace, so nothing is allocated at run time.
"""

from __future__ import annotations

import math
import re

from ...ir.dtypes import BY_MLIR, lookup
from ...ir.errors import PassError
from ...ir.mlir import PassManager, func, ir
from ...ir.module import context
from ...ir.weights import aligned
from .kernels import Kernel
from .kernels.kernel import C_TYPES

# buffer-results-to-out-params does nothing for functions others may call unless told to, and returns
# buffers allocated inside unless static ones are hoisted: both flags are needed, or results get lost.
_BUFFERIZE = (
    "convert-elementwise-to-linalg,canonicalize,cse",
    "one-shot-bufferize{bufferize-function-boundaries=1 "
    "function-boundary-type-conversion=identity-layout-map}",
    "buffer-results-to-out-params{modify-public-functions=1 hoist-static-allocs=1},canonicalize,cse",
)
_LOOPS = ("convert-linalg-to-loops,canonicalize,cse",)
_COPY = re.compile(r"memref\.copy (%\S+), (%\S+) : (.+) to (.+)$", re.MULTILINE)


def compile_upstream(function: func.FuncOp, symbol: str) -> Kernel:
    """The kernel of an upstream function, for thread 0 to run alone.

    Args:
        function: private, its body linalg, tensor, arith, math and scf on static tensors.
        symbol: C symbol of the kernel.

    Raises:
        PassError: MLIR cannot bring the body into loops over static buffers.
    """
    inputs = len(function.type.inputs)
    arguments = tuple(_c_type(kind) for kind in (*function.type.inputs, *function.type.results))
    try:
        module = _bufferized(function, symbol)
        _contain(module)
        shared = _allocate(module, function.name.value)
        with module.context:
            PassManager.parse(f"builtin.module({','.join(_LOOPS)})").run(module.operation)
    except ir.MLIRError as error:
        raise PassError(f"MLIR cannot lower it: {error}", where=function.name.value) from error
    operations = [op.operation.get_asm(use_local_scope=True) for op in module.body.operations]
    # Constants take the kernel's name: many kernels share one object file.
    text = "\n".join(operations).replace("@__constant_", f"@{symbol}_constant_")
    return Kernel(symbol, text, arguments, inputs, 0, shared, {})


def _c_type(kind: ir.Type) -> str:
    element = str(ir.RankedTensorType(kind).element_type)
    if element not in C_TYPES:
        raise PassError(f"element type {element} cannot leave a kernel", accepted=", ".join(C_TYPES))
    return C_TYPES[element]


def _bufferized(function: func.FuncOp, symbol: str) -> ir.Module:
    """A module of its own with the function on buffers, copies as linalg ops."""
    module = ir.Module.parse(function.operation.get_asm(use_local_scope=True), context())
    with module.context:
        alone = module.body.operations[0]
        alone.attributes["sym_name"] = ir.StringAttr.get(symbol)
        alone.attributes["sym_visibility"] = ir.StringAttr.get("public")
        # Inputs belong to other steps: never to be overwritten in place.
        frozen = ir.DictAttr.get({"bufferization.writable": ir.BoolAttr.get(False)})
        alone.attributes["arg_attrs"] = ir.ArrayAttr.get([frozen] * len(alone.arguments))
        for passes in _BUFFERIZE:
            PassManager.parse(f"builtin.module({passes})").run(module.operation)
        # A copy of a strided view would call a C++ runtime that is not there.
        text = module.operation.get_asm(use_local_scope=True)
        return ir.Module.parse(_COPY.sub(r"linalg.copy ins(\1 : \3) outs(\2 : \4)", text), context())


def _contain(module: ir.Module) -> None:
    """Keep reads at computed coordinates inside their buffers.

    A coordinate that comes from data is held to the buffer's extent, where torch-mlir would end the process.
    """
    for op in _nested(module.operation):
        if op.name == "cf.assert":
            op.erase()
        elif op.name == "memref.load":
            extents = ir.MemRefType(op.operands[0].type).shape
            for place, value in enumerate(list(op.operands)[1:], start=1):
                if not isinstance(value.owner, ir.Block) and value.owner.name == "arith.index_cast":
                    op.operands[place] = _held(value, extents[place - 1], op)


def _held(value: ir.Value, extent: int, user: ir.Operation) -> ir.Value:
    place, kind = ir.InsertionPoint(user), value.type
    with value.context, user.location:
        for name, bound in (("arith.maxsi", 0), ("arith.minsi", extent - 1)):
            limit = {"value": ir.IntegerAttr.get(kind, bound)}
            constant = ir.Operation.create("arith.constant", [kind], [], limit, ip=place).results[0]
            value = ir.Operation.create(name, [kind], [value, constant], ip=place).results[0]
    return value


def _allocate(module: ir.Module, where: str) -> int:
    """Turn allocations into views of a workspace argument; bytes of the workspace.

    The function gets the arguments every kernel has after its tensors: the shared workspace when there is
    one, the thread's own, thread number and count.
    """
    function = next(op for op in module.body.operations if isinstance(op, func.FuncOp))
    allocations: list[tuple[ir.Operation, int]] = []
    total = 0
    for op in _nested(function.operation):
        if op.name == "memref.alloc":
            kind = ir.MemRefType(op.results[0].type)
            if not kind.has_static_shape:
                raise PassError(
                    f"needs a buffer of unknown size {kind}", where=where, accepted="static shapes"
                )
            allocations.append((op, total))
            total += aligned(math.prod(kind.shape) * lookup(BY_MLIR, str(kind.element_type)).size)
    with module.context, ir.Location.unknown():
        block = function.entry_block
        i8, i64, index = ir.IntegerType.get_signless(8), ir.IntegerType.get_signless(64), ir.IndexType.get()
        workspaces = [size for size in (total, 1) if size]
        added = [
            block.add_argument(ir.MemRefType.get([size], i8), ir.Location.unknown()) for size in workspaces
        ]
        for _ in ("tid", "nthreads"):
            block.add_argument(i64, ir.Location.unknown())
        signature = ir.FunctionType.get([argument.type for argument in block.arguments], [])
        function.attributes["function_type"] = ir.TypeAttr.get(signature)
        if "arg_attrs" in function.attributes:
            del function.attributes["arg_attrs"]
        for op, offset in allocations:
            place = ir.InsertionPoint(op)
            start = {"value": ir.IntegerAttr.get(index, offset)}
            constant = ir.Operation.create("arith.constant", [index], [], start, ip=place)
            operands = [added[0], constant.results[0]]
            view = ir.Operation.create("memref.view", [op.results[0].type], operands, ip=place)
            op.results[0].replace_all_uses_with(view.results[0])
            op.erase()
    return total


def _nested(op: ir.Operation) -> list[ir.Operation]:
    found = []
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                found += [inner.operation, *_nested(inner.operation)]
    return found
