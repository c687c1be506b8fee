# What penstock uses of the llvm dialect's bindings.

from typing import Any

def __getattr__(name: str) -> Any: ...
