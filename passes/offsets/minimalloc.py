"""MiniMalloc's CSV format of arena problems (Moffitt, ASPLOS 2023): ``id,lower,upper,size[,alignment]``."""

from __future__ import annotations

import csv
from pathlib import Path

from ...ir.errors import InputError
from .problem import Buffer

_REQUIRED = ("id", "lower", "upper", "size")
_ACCEPTED = (*_REQUIRED, "alignment", "offset")


def read_csv(path: str | Path) -> tuple[Buffer, ...]:
    """The buffers of a file; lifetimes are half-open, alignment is 1 where not given, offsets are ignored.

    Raises:
        InputError: an unreadable file, an unknown or missing column, or a value that is not an integer.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("cannot be read: it is not text", where=str(path)) from error
    header = [column.strip() for column in rows[0]] if rows else []
    if not set(_REQUIRED) <= set(header) <= set(_ACCEPTED):
        raise InputError(f"columns {header}", where=str(path), accepted=", ".join(_ACCEPTED))
    return tuple(
        _buffer(dict(zip(header, row, strict=False)), f"{path}:{line}")
        for line, row in enumerate(rows[1:], start=2)
        if row
    )


def _buffer(row: dict[str, str], where: str) -> Buffer:
    try:
        return Buffer(
            row["id"], int(row["lower"]), int(row["upper"]), int(row["size"]), int(row.get("alignment") or 1)
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"not a buffer: {row}", where=where, accepted="an id and integers lower, upper, size"
        ) from error
