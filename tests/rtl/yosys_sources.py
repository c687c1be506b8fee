"""Sources as Yosys takes them: the files that are needed, and a top module with other parameters."""

from __future__ import annotations

import re

from penstock.ir.errors import InputError


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


def with_parameters(text: str, parameters: dict[str, int]) -> str:
    """A module with other defaults: Yosys 0.70 stumbles over parameters given to some tops.

    Raises:
        InputError: it has no such parameter.
    """
    for name, value in parameters.items():
        text, count = re.subn(
            rf"(parameter\s+[\w ]+\b{name}\s*=\s*)[^,\n)]+", rf"\g<1>{value}", text, count=1
        )
        if count != 1:
            raise InputError(f"there is no parameter {name}")
    return text
