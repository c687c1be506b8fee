"""What a compiled kernel takes of a multiprocessor: read from the assembler's report, and from the cubin.

The report (``ptxas -v``) has spills, which a cubin does not tell apart from other local memory; the cubin has
registers and the stack frame in ``.nv.info``, so that the two check each other.
"""

from __future__ import annotations

import re
import struct
from dataclasses import asdict, dataclass

from ...ir.errors import BundleError

_ENTRY = re.compile(r"Compiling entry function '([^']+)' for '(\w+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_BARRIERS = re.compile(r"used (\d+) barriers")

# Attributes of .nv.info: format, attribute, size, then words. Those of symbols carry a symbol and a value.
_SIZED, _REGISTERS, _STACK = 0x04, 0x2F, 0x11


@dataclass(frozen=True)
class Resources:
    """One kernel's use of a multiprocessor, per thread but for shared memory and barriers.

    Attributes:
        registers: 32-bit registers.
        spill_bytes: stores and loads of registers that did not fit.
        stack_bytes: local memory, spills among it.
        static_shared_bytes: shared memory declared in the source; what a launch asks for is beside it.
        barriers: hardware barriers.
    """

    registers: int
    spill_bytes: int
    stack_bytes: int
    static_shared_bytes: int
    barriers: int

    def to_json(self) -> dict[str, int]:
        """The figures by name."""
        return asdict(self)


def read_report(log: str) -> dict[str, Resources]:
    """The kernels of an assembler's verbose report, by name."""
    found: dict[str, Resources] = {}
    parts = _ENTRY.split(log)
    for name, text in zip(parts[1::3], parts[3::3], strict=True):
        frame = _FRAME.search(text)
        stack, stores, loads = map(int, frame.groups()) if frame else (0, 0, 0)
        figures = [_first(pattern, text) for pattern in (_USED, _SHARED, _BARRIERS)]
        found[name] = Resources(figures[0], stores + loads, stack, *figures[1:])
    return found


def _first(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(found[1]) if found else 0


@dataclass(frozen=True)
class CubinFigures:
    """What a cubin says of a kernel."""

    registers: int
    stack_bytes: int


def read_cubin(data: bytes) -> dict[str, CubinFigures]:
    """Registers and stack of every kernel of a cubin, an ELF file of 64 bits, by name.

    Raises:
        BundleError: no such file.
    """
    if data[:5] != b"\x7fELF\x02":
        raise BundleError("no 64-bit ELF file", accepted="a cubin")
    sections = _sections(data)
    symbols = _symbols(data, sections)
    attributes = _attributes(_contents(data, sections[".nv.info"])) if ".nv.info" in sections else {}
    found = {}
    for name in (section.removeprefix(".text.") for section in sections if section.startswith(".text.")):
        number = symbols.get(name, -1)
        found[name] = CubinFigures(
            attributes.get((_REGISTERS, number), 0), attributes.get((_STACK, number), 0)
        )
    return found


_Section = tuple[int, int, int, int]  # name, offset, size, link


def _sections(data: bytes) -> dict[str, _Section]:
    (start,) = struct.unpack_from("<Q", data, 0x28)
    size, count, strings = struct.unpack_from("<HHH", data, 0x3A)
    rows: list[_Section] = []
    for number in range(count):
        name, _, _, _, offset, length, link = struct.unpack_from("<IIQQQQI", data, start + number * size)
        rows.append((name, offset, length, link))
    return {_text(data, rows[strings][1] + row[0]): row for row in rows}


def _contents(data: bytes, section: _Section) -> bytes:
    return data[section[1] : section[1] + section[2]]


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def _symbols(data: bytes, sections: dict[str, _Section]) -> dict[str, int]:
    table = _contents(data, sections[".symtab"])
    names = sections[".strtab"][1]
    entries = [struct.unpack_from("<I", table, at)[0] for at in range(0, len(table), 24)]
    return {_text(data, names + entry): number for number, entry in enumerate(entries)}


def _attributes(info: bytes) -> dict[tuple[int, int], int]:
    """Attribute and symbol → value."""
    found: dict[tuple[int, int], int] = {}
    at = 0
    while at + 4 <= len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form != _SIZED:
            continue
        if size == 8:
            symbol, value = struct.unpack_from("<II", info, at)
            found[attribute, symbol] = value
        at += size
    return found
