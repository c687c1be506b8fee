"""The oblivious map in C: its sources, and the map that runs them."""

from .engine import NativeMap

__all__ = ["NativeMap"]
