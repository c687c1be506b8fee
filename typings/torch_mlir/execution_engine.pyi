# The torch-mlir wheel's own types for this class lag behind it; a checker takes its members as untyped.

from typing import Any

class ExecutionEngine:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
