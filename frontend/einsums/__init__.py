"""ATen operators as Einsums: a table, one module per kind of operator."""

from .table import Form, covered, form, lookup

__all__ = ["Form", "covered", "form", "lookup"]
