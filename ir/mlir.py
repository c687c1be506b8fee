"""The one place that imports MLIR: the bindings inside the pinned ``torch-mlir`` wheel.

Names in the bindings move between builds; everything else in penstock takes them from here.
"""

from __future__ import annotations

import sys
from types import ModuleType

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

# The bindings import a dialect's module when they wrap an op of it. Ours have none, and what is not found was
# looked for again at every op, a third of the time of a compilation: so there is an empty one for each.
for _dialect in ("cascade", "tier"):
    _name = f"{ext.__package__}.{_dialect}"
    sys.modules.setdefault(_name, ModuleType(_name))
