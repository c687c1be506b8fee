"""The source files that a piece of SystemVerilog needs."""

from __future__ import annotations

import re


def needed(texts: dict[str, str], start: str) -> list[str]:
    """Files whose module or package ``start`` names, or one of those names, in the order of ``texts``."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        words = set(re.findall(r"\w+", re.sub(r"//[^\n]*", "", waiting.pop())))
        new = {name for name in texts if name.removesuffix(".sv") in words} - found
        found |= new
        waiting += [texts[name] for name in new]
    return [name for name in texts if name in found]
