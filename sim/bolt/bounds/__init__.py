"""How full bins, HBM and the eviction queue get: simulated without data, and in the mean-field limit."""

from .mean_field import tail
from .simulate import PATTERNS, Loads, simulate

__all__ = ["PATTERNS", "Loads", "simulate", "tail"]
