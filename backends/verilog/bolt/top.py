"""The top of one map: the accelerator with its sizes written in, its test ports tied off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ....ir.errors import PassError
from ..folder import fill

MODULE = "bolt_top"
TIED = {"tape_en_i": "1'b0", "tape_i": "'0", "tape_take_o": "unused_take"}
"""Ports by which a test chooses the random words: no card has them."""

_HEADER = re.compile(rf"^module {MODULE} #\((.*?)\n\) \((.*?)\n\);", re.DOTALL | re.MULTILINE)
_PARAMETER = re.compile(r"^\s*(parameter|localparam)\s+(?:int unsigned|bit)\s+(\w+)\s*=\s*([^,/\n]+)", re.M)
_PORT = re.compile(r"^\s*(input|output)\s+(.*?)\s*\b(\w+),?\s*(?://.*)?$")


@dataclass(frozen=True)
class Port:
    """A port: its direction, its type with whatever parameters it names, its name."""

    direction: str
    kind: str
    name: str


def read_header(source: str) -> tuple[list[str], dict[str, str], list[Port]]:
    """Parameters, what local ones are made from, and ports of `MODULE`.

    Raises:
        PassError: the source does not hold it as expected.
    """
    found = _HEADER.search(source)
    if found is None:
        raise PassError(f"no module {MODULE} with parameters", where="rtl/bolt")
    declared = _PARAMETER.findall(found[1])
    parameters = [name for kind, name, _ in declared if kind == "parameter"]
    local = {name: value.strip() for kind, name, value in declared if kind == "localparam"}
    ports = [Port(*match.groups()) for line in found[2].splitlines() if (match := _PORT.match(line))]
    return parameters, local, ports


def _named(name: str, texts: Iterable[str]) -> bool:
    return any(re.search(rf"\b{name}\b", text) for text in texts)


def top(source: str, name: str, layer: str, values: Mapping[str, int]) -> str:
    """The text of a module that is `MODULE` with these parameters.

    Args:
        source: of `MODULE`.
        name: of the module.
        layer: for its heading.
        values: of the parameters; others keep their defaults.
    """
    parameters, local, ports = read_header(source)
    given = {each: values[each] for each in parameters if each in values}
    shown = [port for port in ports if port.name not in TIED]
    kinds = [port.kind for port in shown]
    constants = {
        each: text for each, text in local.items() if any(re.search(rf"\b{each}\b", k) for k in kinds)
    }
    needed = {
        each: given[each] for each in given if any(re.search(rf"\b{each}\b", t) for t in constants.values())
    }
    lines = [f"  localparam int unsigned {key} = {value}" for key, value in {**needed, **constants}.items()]
    wide = max(map(len, kinds))
    declared = [f"  {port.direction:<6} {port.kind:<{wide}} {port.name}" for port in shown]
    tied = {port.name: f".{port.name}({TIED[port.name]})" for port in ports if port.name in TIED}
    connected = [f"    {tied.get(port.name, f'.{port.name}')}" for port in ports]
    return fill(
        "bolt/top.sv",
        {
            "layer": layer,
            "top": name,
            "module": MODULE,
            "constants": ",\n".join(lines),
            "ports": ",\n".join(declared),
            "parameters": ",\n".join(f"    .{key}({value})" for key, value in given.items()),
            "connected": ",\n".join(connected),
        },
    )
