"""FuseMax: one attention head as a program, its streams and the array that runs it (MICRO 2024)."""

from .emit import emit_attention

__all__ = ["emit_attention"]
