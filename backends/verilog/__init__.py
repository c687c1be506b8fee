"""Verilog: a linear layer with BitMoD weights or an attention head, as SystemVerilog, images, a driver."""

from .emit import emit
from .fusemax import emit_attention

__all__ = ["emit", "emit_attention"]
