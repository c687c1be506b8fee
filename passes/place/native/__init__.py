"""The game and the searches over plans in C: their sources, and the library they become at first use."""

from .library import NATIVE, addresses, declared, library

__all__ = ["NATIVE", "addresses", "declared", "library"]
