"""CUDA kernels run on the host: their own source as C++, every thread a fiber, every access checked."""

from .run import EmulationError, emulate

__all__ = ["EmulationError", "emulate"]
