"""The oblivious map in C: its sources, and the map that runs them."""

from .engine import NativeMap
from .library import available

__all__ = ["NativeMap", "available"]
