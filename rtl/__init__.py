"""The SystemVerilog sources, one module per file, as package data."""

from __future__ import annotations

import re
from importlib import resources

_PACKAGE = "_pkg.sv"
_PROPERTIES = "_props.sv"


def sources(*folders: str) -> dict[str, str]:
    """Design sources of some folders: file name → text, packages first, each behind those it names."""
    found = {name: text for name, text in sorted(_texts(folders).items()) if not name.endswith(_PROPERTIES)}
    packages = {name: text for name, text in found.items() if name.endswith(_PACKAGE)}
    ordered: dict[str, str] = {}
    for name in packages:
        _put(name, packages, ordered)
    return {**ordered, **found}


def _put(name: str, packages: dict[str, str], ordered: dict[str, str]) -> None:
    """A package behind the ones it names."""
    if name in ordered:
        return
    for named in sorted(set(re.findall(r"\b(\w+_pkg)::", packages[name]))):
        if f"{named}.sv" in packages and f"{named}.sv" != name:
            _put(f"{named}.sv", packages, ordered)
    ordered[name] = packages[name]


def properties(*folders: str) -> dict[str, str]:
    """Assertions (with their ``bind``) of some folders: file name → text, by name."""
    return {name: text for name, text in sorted(_texts(folders).items()) if name.endswith(_PROPERTIES)}


def _texts(folders: tuple[str, ...]) -> dict[str, str]:
    root = resources.files(__name__)
    entries = [entry for folder in folders for entry in (root / folder).iterdir()]
    return {entry.name: entry.read_text(encoding="utf-8") for entry in entries if entry.name.endswith(".sv")}
