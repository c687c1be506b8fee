"""Kernels: one ``cascade.fused`` op in, vector code for one instruction set out."""

from .emit import emit_kernel
from .kernel import Image, Kernel, Pack, pack
from .lowering import lower

__all__ = ["Image", "Kernel", "Pack", "emit_kernel", "lower", "pack"]
