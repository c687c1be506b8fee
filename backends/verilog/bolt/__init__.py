"""Look-ups by private indices as hardware: BOLT's accelerator, its images, and the program that asks it."""

from .emit import KIND, Operands, emit

__all__ = ["KIND", "Operands", "emit"]
