"""The one place that imports MLIR: the bindings inside the pinned ``torch-mlir`` wheel.

Names in the bindings move between builds; everything else in penstock takes them from here.
"""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import ext, func, llvm
from torch_mlir.execution_engine import ExecutionEngine
from torch_mlir.passmanager import PassManager

from .errors import InputError

__all__ = [
    "ExecutionEngine",
    "PassManager",
    "context",
    "ext",
    "func",
    "ir",
    "llvm",
    "parse_module",
    "print_module",
]

_shared: ir.Context | None = None


def context() -> ir.Context:
    """The process-wide context with the ``cascade`` and ``tier`` dialects loaded."""
    global _shared
    if _shared is None:
        fresh = ir.Context()
        fresh.allow_unregistered_dialects = True  # the cascade dialect: see ir/cascade.py
        from .tier import Tier  # it imports this module

        with fresh:
            Tier.load()
        _shared = fresh
    return _shared


def parse_module(text: str, *, where: str = "module") -> ir.Module:
    """Parse and verify a module.

    Raises:
        InputError: the text is not valid IR; the message holds MLIR's diagnostics with line and column.
    """
    from .cascade import verify  # it imports this module

    try:
        module = ir.Module.parse(text, context())
    except (ir.MLIRError, ValueError) as error:
        raise InputError(f"not a valid module: {error}", where=where, accepted="MLIR text") from error
    verify(module)
    return module


def print_module(module: ir.Module) -> str:
    """The module as text, large constants whole, locations left out: parse(print(m)) is m."""
    return str(module)
