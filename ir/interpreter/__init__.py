"""The float64 reference: runs a module at any stage, straight from the definitions, in plain NumPy.

Every rewriting and every backend is checked against it, and it against eager PyTorch.
"""

from .cascade import input_shapes, run_cascade
from .engine import interpret

__all__ = ["input_shapes", "interpret", "run_cascade"]
