"""Target descriptions: what a machine has, as data (one TOML file each), and a strict reader of it."""

from .description import Link, PrivateBuffer, Target, Tier, Transfer, Unit
from .keys import DTYPES, OPERATOR_CLASSES, UNPUBLISHED, NumberType
from .load import load, names, parse

__all__ = [
    "DTYPES",
    "OPERATOR_CLASSES",
    "UNPUBLISHED",
    "Link",
    "NumberType",
    "PrivateBuffer",
    "Target",
    "Tier",
    "Transfer",
    "Unit",
    "load",
    "names",
    "parse",
]
