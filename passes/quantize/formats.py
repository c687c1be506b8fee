"""The number formats weights are quantized to, as `ir.formats` defines them."""

from ...ir.formats import FORMATS, Format, QuantizedMatrix, lookup

__all__ = ["FORMATS", "Format", "QuantizedMatrix", "lookup"]
