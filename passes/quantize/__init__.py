"""Quantizers of weights, one file per scheme: float matrices in, codes and scales out."""

from .bitmod import quantize

__all__ = ["quantize"]
