"""The SystemVerilog sources, one module per file, as package data."""

from __future__ import annotations

from importlib import resources


def sources(*folders: str) -> dict[str, str]:
    """Design sources of some folders: file name → text, packages first, then by name.

    Files ending in ``_props.sv`` hold assertions to bind, not design; see `properties`.
    """
    return _texts(folders, properties=False)


def properties(*folders: str) -> dict[str, str]:
    """Assertions (with their ``bind``) of some folders: file name → text."""
    return _texts(folders, properties=True)


def _texts(folders: tuple[str, ...], *, properties: bool) -> dict[str, str]:
    root = resources.files(__name__)
    found = {
        entry.name: entry.read_text(encoding="utf-8")
        for folder in folders
        for entry in (root / folder).iterdir()
        if entry.name.endswith(".sv") and entry.name.endswith("_props.sv") == properties
    }
    return dict(sorted(found.items(), key=lambda item: (not item[0].endswith("_pkg.sv"), item[0])))
