"""The one place that imports MLIR: the bindings inside the pinned ``torch-mlir`` wheel.

Names in the bindings move between builds; everything else in penstock takes them from here.
"""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import ext, func, llvm
from torch_mlir.execution_engine import ExecutionEngine
from torch_mlir.passmanager import PassManager

__all__ = [
    "ExecutionEngine",
    "PassManager",
    "ext",
    "func",
    "ir",
    "llvm",
]
