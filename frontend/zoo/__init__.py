"""The zoo: models one can name on the command line, written plainly from their public configurations.

Listing and parsing need no torch; only `build` imports it. Nothing here ever downloads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .spec import PREFIX, is_composition, parse_composition, parse_spec
from .table import COMPOSITION, Option, OptionValue, ZooEntry, entries

if TYPE_CHECKING:
    import torch

    from .model import InputSpec, ZooModel

__all__ = [
    "COMPOSITION",
    "PREFIX",
    "InputSpec",
    "Option",
    "OptionValue",
    "ZooEntry",
    "ZooModel",
    "build",
    "entries",
    "is_composition",
    "parse_composition",
    "parse_spec",
]


def build(spec: str, *, device: torch.device | str | None = None, positions: int | None = None) -> ZooModel:
    """The model ``zoo:NAME[,key=value…]`` names, with its weights; see `model.build`."""
    from .model import build as build_model

    return build_model(spec, device=device, positions=positions)


def __getattr__(name: str) -> object:
    if name in ("InputSpec", "ZooModel"):
        from . import model

        return getattr(model, name)
    raise AttributeError(name)
