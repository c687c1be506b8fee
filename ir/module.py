"""Modules as text: the context with both dialects, parsing with verification, printing."""

from __future__ import annotations

from .cascade import verify
from .errors import InputError
from .mlir import ir
from .tier import Tier

_shared: ir.Context | None = None


def context() -> ir.Context:
    """The process-wide context with the ``cascade`` and ``tier`` dialects loaded."""
    global _shared
    if _shared is None:
        fresh = ir.Context()
        fresh.allow_unregistered_dialects = True  # the cascade dialect: see ir/cascade.py
        with fresh:
            Tier.load()
        _shared = fresh
    return _shared


def parse_module(text: str, *, where: str = "module") -> ir.Module:
    """Parse and verify a module.

    Raises:
        InputError: the text is not valid IR; the message holds MLIR's diagnostics with line and column.
    """
    try:
        module = ir.Module.parse(text, context())
    except (ir.MLIRError, ValueError) as error:
        raise InputError(f"not a valid module: {error}", where=where, accepted="MLIR text") from error
    verify(module)
    return module


def print_module(module: ir.Module) -> str:
    """The module as text, large constants whole, locations left out: parse(print(m)) is m."""
    return str(module)
