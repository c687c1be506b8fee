"""Target descriptions: what a machine has, as data (one TOML file each), and a strict reader of it."""

from .description import Component, Link, PrivateBuffer, RegisterFile, Target, Tier, Transfer, Unit
from .keys import DTYPES, OPERATOR_CLASSES, UNPUBLISHED, NumberType
from .load import load, names, parse

__all__ = [
    "DTYPES",
    "OPERATOR_CLASSES",
    "UNPUBLISHED",
    "Component",
    "Link",
    "NumberType",
    "PrivateBuffer",
    "RegisterFile",
    "Target",
    "Tier",
    "Transfer",
    "Unit",
    "load",
    "names",
    "parse",
]
