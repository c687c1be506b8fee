"""Verilog: linear layers with BitMoD weights or an attention head, as SystemVerilog, images, a driver."""

from .emit import emit
from .fusemax import emit_attention
from .memory import Linear

__all__ = ["Linear", "emit", "emit_attention"]
