# The torch-mlir wheel ships no types for its `ir` extension module; a checker takes its names as untyped.

from typing import Any

def __getattr__(name: str) -> Any: ...
