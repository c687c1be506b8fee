"""Quantizers of weights, one file per scheme: float matrices in, codes and scales out."""

from .bitmod import quantize
from .fake import fake_quantize

__all__ = ["fake_quantize", "quantize"]
