"""Penstock: a compiler that carries a PyTorch model, as a cascade of Einsums, to CPU code, CUDA and Verilog.

The names below load on first use, so importing the package costs nothing: no torch, numpy or MLIR.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Bundle as Bundle
    from .api import compile as compile
    from .api import load as load
    from .ir.errors import PenstockError as PenstockError
    from .training import memo as memo

__version__ = "0.1.0"

_LAZY = {
    "Bundle": ".api",
    "compile": ".api",
    "load": ".api",
    "PenstockError": ".ir.errors",
    "memo": ".training",
}
"""Public name → the module that defines it."""

__all__ = ["Bundle", "PenstockError", "__version__", "compile", "load", "memo"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
