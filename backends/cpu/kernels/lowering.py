"""From kernel text to an object file: MLIR's lowering passes, then the wheel's LLVM.

ExecutionEngine compiles for the functions' own ``target-cpu`` and ``target-features``, so code for
another instruction set than the host's comes out right; nothing is executed here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ....ir.errors import PassError
from ....ir.mlir import ExecutionEngine, PassManager, ir, llvm
from ....ir.module import context
from ..isa import Isa

PIPELINE = ",".join(
    (
        "canonicalize,cse",  # before the vectors go: shared index arithmetic is found here
        "lower-affine",
        # LLVM's intrinsics first, the C library for the rest: it takes vectors apart, so before they go
        "convert-math-to-llvm{approximate-log1p=false},convert-math-to-libm",
        "convert-scf-to-cf",
        "convert-vector-to-llvm",
        "expand-strided-metadata,lower-affine",  # views become base and offset
        "finalize-memref-to-llvm",
        "convert-arith-to-llvm,convert-ub-to-llvm",
        "convert-index-to-llvm",
        "convert-func-to-llvm{use-bare-ptr-memref-call-conv=1}",  # C pointers, not descriptors
        "convert-cf-to-llvm",
        "reconcile-unrealized-casts",
    )
)


def function_attributes(isa: Isa) -> str:
    """Attributes every generated ``func.func`` carries: what it is compiled for."""
    pairs = {"target-cpu": isa.cpu, "target-features": isa.features, "prefer-vector-width": isa.bits}
    listed = ", ".join(f'["{name}", "{value}"]' for name, value in pairs.items())
    return f'llvm.passthrough = ["noinline", {listed}]'


def lower(texts: Sequence[str], isa: Isa) -> bytes:
    """Compile kernels to one position-independent object file.

    Args:
        texts: top-level operations as text (``func.func`` on static memrefs, `Kernel.mlir`).
        isa: instruction set, for functions that do not say their own.

    Raises:
        PassError: the text does not lower; the message holds MLIR's diagnostics.
    """
    try:
        module = ir.Module.parse("\n".join(texts), context())
        names = [_symbol(op) for op in module.body.operations if op.operation.name == "func.func"]
        _mark(module, isa)
        with module.context:
            PassManager.parse(f"builtin.module({PIPELINE})").run(module.operation)
            engine = ExecutionEngine(module, 3, enable_object_dump=True, enable_pic=True)
    except (ir.MLIRError, RuntimeError) as error:
        raise PassError(f"kernel code does not lower: {error}") from error
    if names:
        engine.raw_lookup(names[0])  # compiles the module
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.o"
        engine.dump_to_object_file(str(path))
        return path.read_bytes()


def llvm_ir(text: str) -> str:
    """LLVM IR text of kernels, as LLVM is given it (before its own optimisation).

    Raises:
        PassError: the text does not lower.
    """
    try:
        module = ir.Module.parse(text, context())
        with module.context:
            PassManager.parse(f"builtin.module({PIPELINE})").run(module.operation)
        return llvm.translate_module_to_llvmir(module.operation)
    except ir.MLIRError as error:
        raise PassError(f"kernel code does not lower: {error}") from error


def _symbol(op: ir.OpView) -> str:
    return ir.StringAttr(op.operation.attributes["sym_name"]).value


def _mark(module: ir.Module, isa: Isa) -> None:
    wanted = ir.Attribute.parse("{" + function_attributes(isa) + "}", module.context)
    for op in module.body.operations:
        if op.operation.name == "func.func" and "llvm.passthrough" not in op.operation.attributes:
            op.operation.attributes["llvm.passthrough"] = ir.DictAttr(wanted)["llvm.passthrough"]
