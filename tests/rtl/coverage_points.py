"""Verilator's coverage points: read from its files, merged over runs and parameters, waived with a reason.

The file has one line a point: ``C '`` then fields, each ``\\x01 name \\x02 value``, then ``'`` and a count.
A point here is known by its source file, line, kind and text, so that all instances and parameters of a
module count as one: covered where any of them is.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from penstock.ir.errors import InputError

KINDS = ("line", "toggle")
_LINE = re.compile(r"^C '(.*)' (\d+)$")
_TOGGLE = re.compile(r"(?P<signal>.*?)(?P<bits>(\[\d+\])*):(?P<edge>0->1|1->0)$")


@dataclass(frozen=True, order=True)
class Point:
    """Something that can be covered.

    Attributes:
        file: the source file's name.
        line: where it is.
        kind: ``line`` (a block or branch) or ``toggle`` (one bit, one direction).
        what: Verilator's text: ``if``, ``else``, ``block``; ``data_q[3]:0->1``.
        column: distinguishes branches of one line.
    """

    file: str
    line: int
    kind: str
    what: str
    column: int = 0


Counts = dict[Point, int]


def parse(text: str, files: Iterable[str]) -> Counts:
    """The points of some source files.

    Raises:
        InputError: the text is no coverage file.
    """
    lines = text.splitlines()
    if not lines or not lines[0].startswith("# SystemC::Coverage"):
        raise InputError("this is no coverage file", accepted="what a Verilator model with coverage writes")
    wanted = set(files)
    counts: Counts = defaultdict(int)
    for line in lines[1:]:
        found = _LINE.match(line)
        if not found:
            continue
        fields = dict(part.split("\x02", 1) for part in found[1].split("\x01")[1:])
        name = Path(fields["f"]).name
        if name in wanted:
            toggles = fields["t"] == "toggle"
            column = 0 if toggles else int(fields["n"])
            point = Point(name, int(fields["l"]), "toggle" if toggles else "line", fields["o"], column)
            counts[point] += int(found[2])
    return dict(counts)


def merge(parts: Iterable[Counts]) -> Counts:
    """Counts of several runs added."""
    total: Counts = defaultdict(int)
    for part in parts:
        for point, count in part.items():
            total[point] += count
    return dict(total)


@dataclass(frozen=True)
class Waiver:
    """Points that cannot be covered.

    Attributes:
        file: the source file's name.
        kind: of the points.
        what: of lines, the text of the source line; of toggles, a regular expression for the signal.
        bits: of toggles, first and last bit of the last index; all where it is None.
        edge: of toggles, one direction; both where it is empty.
        why: the reason.
    """

    file: str
    kind: str
    what: str
    why: str
    bits: tuple[int, int] | None = None
    edge: str = ""

    def holds(self, point: Point, source: str) -> bool:
        """Whether it is about this point; ``source`` is the point's line."""
        if (point.file, point.kind) != (self.file, self.kind):
            return False
        if point.kind == "line":
            return self.what == source.strip() and (not self.edge or self.edge == point.what)
        found = _TOGGLE.match(point.what)
        if not found or not re.fullmatch(self.what, found["signal"] + found["bits"].rpartition("[")[0]):
            return False
        if self.edge and self.edge != found["edge"]:
            return False
        last = found["bits"].rpartition("[")[2].rstrip("]")
        return self.bits is None or (last != "" and self.bits[0] <= int(last) <= self.bits[1])


def read_waivers(path: Path) -> list[Waiver]:
    """The waivers of a TOML file, ``[[waiver]]`` each.

    Raises:
        InputError: a key is unknown or missing, a reason is empty.
    """
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("waiver", []):
        try:
            bits = entry.pop("bits", None)
            waiver = Waiver(**entry, bits=tuple(bits) if bits else None)
        except TypeError as error:
            raise InputError(f"a waiver cannot be read: {error}", where=str(path)) from error
        if waiver.kind not in KINDS or len(waiver.why) < 10:
            raise InputError(f"a waiver needs a kind of {KINDS} and a reason: {entry}", where=str(path))
        found.append(waiver)
    return found


def waived(counts: Counts, waivers: Iterable[Waiver], texts: dict[str, str]) -> dict[Point, Waiver]:
    """The uncovered points that are waived.

    Raises:
        InputError: a waiver is about a point that is covered, or about none.
    """
    lines = {name: text.splitlines() for name, text in texts.items()}
    by_file: dict[str, list[Point]] = defaultdict(list)
    for point in counts:
        by_file[point.file].append(point)
    out: dict[Point, Waiver] = {}
    wrong = []
    for waiver in waivers:
        mine = [p for p in by_file.get(waiver.file, ()) if waiver.holds(p, lines[p.file][p.line - 1])]
        if not mine:
            wrong.append(f"{waiver.file}: {waiver.what}: matches nothing")
        elif covered := [point for point in mine if counts[point]]:
            wrong.append(f"{waiver.file}: {waiver.what}: {covered[0].what} is covered")
        out.update(dict.fromkeys(mine, waiver))
    if wrong:
        raise InputError("waivers that are not true:\n" + "\n".join(wrong))
    return out
