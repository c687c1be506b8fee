"""What a pass is: a dataclass with a name, a one-line description, typed options and ``run``.

Passes are registered by name in `REGISTRY` and imported only when used, so that ``penstock --help``
stays instant.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from dataclasses import dataclass
from typing import ClassVar

from ..ir.errors import PassError
from ..ir.mlir import ir


@dataclass
class Pass:
    """Base of every pass: MLIR in, MLIR out. Options are the dataclass fields of the subclass."""

    name: ClassVar[str]
    description: ClassVar[str]

    def run(self, module: ir.Module) -> ir.Module:
        """Transform the module (in place where that is natural) and give it back.

        Raises:
            PassError: the module is not one this pass takes.
        """
        raise PassError("a pass must define run()", where=type(self).__name__)


# name → (module inside penstock.passes, class)
REGISTRY: dict[str, tuple[str, str]] = {
    "oblivious": ("oblivious", "Oblivious"),
    "relabel": ("relabel", "Relabel"),
    "simplify": ("simplify", "Simplify"),
    "quantize": ("quantize.mark", "Quantize"),
    "precision": ("precision", "Precision"),
    "fuse": ("fuse", "Fuse"),
    "place": ("place", "Place"),
    "tiers": ("tiers", "PlaceInTiers"),
    "bind": ("bind.attach", "Bind"),
}


def create(name: str, options: dict[str, str]) -> Pass:
    """A pass by name with options given as text.

    Raises:
        PassError: unknown pass or option, or a value of the wrong type.
    """
    if name not in REGISTRY:
        near = difflib.get_close_matches(name, REGISTRY, 1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        raise PassError(f"unknown pass '{name}'{hint}", accepted=", ".join(REGISTRY))
    module, cls = REGISTRY[name]
    kind: type[Pass] = getattr(importlib.import_module(f"..{module}", __name__), cls)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values: dict[str, object] = {}
    for key, text in options.items():
        if key not in fields:
            raise PassError(f"unknown option '{key}'", where=name, accepted=", ".join(fields) or "no options")
        values[key] = _convert(text, str(fields[key].type), f"{name}{{{key}}}")
    return kind(**values)


def _convert(text: str, kind: str, where: str) -> object:
    try:
        if kind == "bool":
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        return {"int": int, "float": float, "str": str}[kind](text)
    except (KeyError, ValueError) as error:
        raise PassError(f"'{text}' is not a value for it", where=where, accepted=kind) from error
