"""Verilog: one linear layer with BitMoD weights as SystemVerilog, memory images and a driver."""

from .emit import emit

__all__ = ["emit"]
