"""Path ORAM as a map of our own, the peer that BOLT is measured against."""

from .path_oram import PathOram

__all__ = ["PathOram"]
