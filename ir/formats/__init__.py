"""Number formats of quantized weights: what codes are worth, what they cost in bits, and matrices of them.

How floats become codes is ``passes/quantize``; whoever reads codes (interpreter, backends) needs only this.
"""

from .format import Format
from .matrix import QuantizedMatrix
from .tables import FORMATS, lookup

__all__ = ["FORMATS", "Format", "QuantizedMatrix", "lookup"]
