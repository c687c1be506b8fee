"""Linear layers on BitMoD weights as they are stored, 4.08 or 3.08 bits each, never unpacked in memory."""

from .layout import pack, parts_of, unpack
from .linear import PackedLinear

__all__ = ["PackedLinear", "pack", "parts_of", "unpack"]
