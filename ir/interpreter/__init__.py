"""The float64 reference: runs a module at any stage, straight from the definitions, in plain NumPy.

Every rewriting and every backend is checked against it, and it against eager PyTorch.
"""

from .engine import interpret

__all__ = ["interpret"]
