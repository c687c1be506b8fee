"""The exact search in C: its sources, and the library they are compiled into at first use."""

from .library import Order, Problem, Status, available, library

__all__ = ["Order", "Problem", "Status", "available", "library"]
