"""A transformer's block on an SN40L-style fabric: units, their configuration, memory images, a driver."""

from .emit import Compiled, compile_section, emit_section

__all__ = ["Compiled", "compile_section", "emit_section"]
