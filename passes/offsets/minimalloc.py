"""MiniMalloc's CSV format of arena problems (Moffitt, ASPLOS 2023), read and written.

Columns, in any order: ``id``, ``lower``, ``upper``, ``size`` and, where wanted, ``alignment``, ``gaps``
(spans ``from-to`` separated by blanks), ``offset`` (a given place; empty for any), ``hint`` (where to start
from; below 0 for nowhere) and, ours, ``pools`` (names separated by blanks). Lifetimes are half-open. The
older names ``buffer``, ``buffer_id``, ``start``, ``begin`` are read too, and ``end``, the last step itself,
as that of gaps then is.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ...ir.errors import InputError, PlanError
from ...ir.files import write_text
from .problem import Buffer, Span

REQUIRED = ("id", "lower", "upper", "size")
OPTIONAL = ("alignment", "gaps", "offset", "hint", "pools")
_GAP = re.compile(r"([+-]?[0-9]+)-([+-]?[0-9]+)")
_OLDER = {"buffer": "id", "buffer_id": "id", "start": "lower", "begin": "lower", "end": "upper"}


def read_csv(
    path: str | Path, *, given_offsets: bool = True, pools: Collection[str] | None = None
) -> tuple[Buffer, ...]:
    """The buffers of a file; alignment is 1 where not given.

    Args:
        path: the file.
        given_offsets: whether an ``offset`` says where a buffer must lie; otherwise it is a former result.
        pools: the names there are; None for any.

    Raises:
        InputError: an unreadable file, an unknown or missing column, an id that comes twice, or a row that
            is no buffer; with the line.
    """
    rows = _rows(path)
    header = [_OLDER.get(column.strip(), column.strip()) for column in rows[0]] if rows else []
    inclusive = bool(rows) and "end" in {column.strip() for column in rows[0]}
    _check_header(header, str(path))
    buffers: list[Buffer] = []
    lines: dict[str, int] = {}
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        where = f"{path}:{line}"
        if len(row) != len(header):
            raise InputError(
                f"{len(row)} values", where=where, accepted=f"{len(header)}: {', '.join(header)}"
            )
        values = {column: value.strip() for column, value in zip(header, row, strict=True)}
        if not given_offsets:
            values.pop("offset", None)
        buffer = _buffer(values, inclusive, where)
        if buffer.name in lines:
            raise InputError(
                f"the id {buffer.name} is also that of line {lines[buffer.name]}",
                where=where,
                accepted="unique ids",
            )
        for pool in buffer.pools:
            if pools is not None and pool not in pools:
                accepted = (
                    ", ".join(pools) if pools else "no pools: one arena was asked for (--pool NAME=BYTES)"
                )
                raise InputError(f"{buffer.name}: unknown pool {pool}", where=where, accepted=accepted)
        lines[buffer.name] = line
        buffers.append(buffer)
    return tuple(buffers)


def _rows(path: str | Path) -> list[list[str]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return list(csv.reader(file))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("cannot be read: it is not text", where=str(path)) from error
    except csv.Error as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error


def _check_header(header: Sequence[str], where: str) -> None:
    missing = [column for column in REQUIRED if column not in header]
    unknown = [column for column in header if column not in (*REQUIRED, *OPTIONAL)]
    twice = sorted({column for column in header if header.count(column) > 1})
    for columns, fault in ((missing, "missing"), (unknown, "unknown"), (twice, "repeated")):
        if columns:
            raise InputError(
                f"{fault} columns: {', '.join(columns)}",
                where=f"{where}:1",
                accepted=f"{', '.join(REQUIRED)} and, where wanted, {', '.join(OPTIONAL)}",
            )


def _buffer(values: Mapping[str, str], inclusive: bool, where: str) -> Buffer:
    if not values["id"]:
        raise InputError("the id is empty", where=where, accepted="a name")
    lower, upper, size = (_integer(values[column], column, where) for column in REQUIRED[1:])
    try:
        return Buffer(
            values["id"],
            lower,
            upper + inclusive,
            size,
            _integer(values.get("alignment") or "1", "alignment", where),
            _gaps(values.get("gaps", ""), inclusive, where),
            _integer(values["offset"], "offset", where) if values.get("offset") else None,
            tuple(values.get("pools", "").split()),
            _hint(values.get("hint", ""), where),
        )
    except PlanError as error:
        raise InputError(f"{error.where}: {error.message}", where=where, accepted=error.accepted) from error


def _hint(text: str, where: str) -> int | None:
    hint = _integer(text, "hint", where) if text else -1
    return hint if hint >= 0 else None


def _integer(text: str, column: str, where: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"{column} is {text!r}", where=where, accepted="a whole number") from error


def _gaps(text: str, inclusive: bool, where: str) -> tuple[Span, ...]:
    gaps = []
    for each in text.split():
        if "@" in each:
            raise InputError(
                f"the gap {each} keeps a part of the buffer",
                where=where,
                accepted="gaps of the whole: from-to",
            )
        parts = _GAP.fullmatch(each)
        if parts is None:
            raise InputError(f"the gap {each}", where=where, accepted="from-to, as 3-7")
        gaps.append((int(parts[1]), int(parts[2]) + inclusive))
    return tuple(gaps)


def write_csv(
    path: str | Path,
    buffers: Sequence[Buffer],
    offsets: Mapping[str, int],
    pool_of: Mapping[str, str] | None = None,
) -> None:
    """The buffers with an ``offset`` column (and ``pools``, the one chosen), half-open; written whole."""
    columns = list(REQUIRED)
    columns += ["alignment"] if any(b.align != 1 for b in buffers) else []
    columns += ["gaps"] if any(b.gaps for b in buffers) else []
    columns += ["offset"]
    columns += ["pools"] if pool_of else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for b in buffers:
        values = {
            "id": b.name,
            "lower": b.start,
            "upper": b.end,
            "size": b.size_bytes,
            "alignment": b.align,
            "gaps": " ".join(f"{low}-{high}" for low, high in b.gaps),
            "offset": offsets[b.name],
            "pools": (pool_of or {}).get(b.name, ""),
        }
        writer.writerow([values[column] for column in columns])
    write_text(path, text.getvalue())
