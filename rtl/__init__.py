"""The SystemVerilog sources, one module per file, as package data."""

from __future__ import annotations

from importlib import resources

_PROPERTIES = "_props.sv"


def sources(*folders: str) -> dict[str, str]:
    """Design sources of some folders: file name → text, packages first, then by name."""
    found = {name: text for name, text in _texts(folders).items() if not name.endswith(_PROPERTIES)}
    return dict(sorted(found.items(), key=lambda item: (not item[0].endswith("_pkg.sv"), item[0])))


def properties(*folders: str) -> dict[str, str]:
    """Assertions (with their ``bind``) of some folders: file name → text, by name."""
    return {name: text for name, text in sorted(_texts(folders).items()) if name.endswith(_PROPERTIES)}


def _texts(folders: tuple[str, ...]) -> dict[str, str]:
    root = resources.files(__name__)
    entries = [entry for folder in folders for entry in (root / folder).iterdir()]
    return {entry.name: entry.read_text(encoding="utf-8") for entry in entries if entry.name.endswith(".sv")}
