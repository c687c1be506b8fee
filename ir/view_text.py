"""Reads a cascade written as text.

::

    M1=4 M0=2 P=3          # shapes: the rank of shape M1 is m1
    init:                  # the initialization
      RM[0,p] = -inf
    einsums:               # the extended Einsums (the default section)
      RM[m1+1,p] = max(RM[m1,p], LM[m1,p])
    stop: m1 >= M1
    outputs: RM            # what leaves, where it is not just what nobody reads
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .einsum import Einsum
from .errors import InputError, NotationError
from .notation import parse_einsum
from .view import Cascade, check

_SHAPES = re.compile(r"(?:[A-Za-z_]\w*\s*=\s*\d+[\s,]*)+")
_SHAPE = re.compile(r"([A-Za-z_]\w*)\s*=\s*(\d+)")


def parse_cascade(text: str, *, where: str = "cascade", shape: Mapping[str, int] | None = None) -> Cascade:
    """Read a cascade.

    Args:
        text: the cascade.
        where: what to call it in messages.
        shape: rank → extent, instead of those of the text; partitions (``m1*M0+m0``) follow them.

    Raises:
        NotationError: a line that is no Einsum, with `where` and its line number; a tensor read too
            early; a shape stated twice, differently; an iterative cascade without a stopping condition; an
            output that no Einsum writes; a rank of `shape` that is not there.
    """
    given = {rank.upper(): extent for rank, extent in (shape or {}).items()}
    symbols = dict(given)
    known: dict[str, int] = {}
    sections: dict[str, list[Einsum]] = {"init": [], "einsums": []}
    section, stop = "einsums", ""
    outputs: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        if line.startswith("stop:"):
            stop = line.removeprefix("stop:").strip()
        elif line.startswith("outputs:"):
            outputs = tuple(name.strip() for name in line.removeprefix("outputs:").split(","))
        elif line.endswith(":") and line[:-1] in sections:
            section = line[:-1]
        elif _SHAPES.fullmatch(line):
            stated = _stated(line, known, f"{where}:{number}")
            symbols |= {name: given.get(name.upper(), value) for name, value in stated.items()}
        else:
            try:
                sections[section].append(parse_einsum(line, symbols))
            except NotationError as error:
                raise NotationError(str(error), where=f"{where}:{number}") from error
    if not sections["einsums"]:
        raise NotationError("no Einsum in the text", where=where, accepted="Z = sum[k] mul(A[k], B[k])")
    extents = {name.lower(): value for name, value in symbols.items()}
    cascade = Cascade(tuple(sections["einsums"]), tuple(sections["init"]), extents, stop, outputs)
    unknown = [name for name in outputs if name not in cascade.written]
    if unknown:
        raise NotationError(
            f"no Einsum writes {unknown[0]}", where=where, accepted=", ".join(sorted(cascade.written))
        )
    check(cascade)
    ranks = sorted({rank for family in cascade.families() for rank in family})
    for rank in shape or ():
        if rank.lower() not in ranks:
            raise NotationError(f"no rank '{rank}' in the cascade", where=where, accepted=", ".join(ranks))
    return cascade


def _stated(line: str, known: dict[str, int], where: str) -> dict[str, int]:
    """The shapes of a line, entered among those known."""
    stated = [(name, int(value)) for name, value in _SHAPE.findall(line)]
    for name, value in stated:
        if known.setdefault(name, value) != value:
            raise NotationError(f"{name} is {known[name]} and {value}", where=where)
    return dict(stated)


def read_cascade(path: str | Path, *, shape: Mapping[str, int] | None = None) -> Cascade:
    """Read a cascade from a text file, with extents instead of its own where `shape` has them.

    Raises:
        InputError: the file cannot be read as text, or see `parse_cascade`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), accepted="a text file") from error
    return parse_cascade(text, where=str(path), shape=shape)
