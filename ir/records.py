"""Frozen dataclasses from JSON, strictly: a missing, unknown or ill-typed key is an error that names it."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .errors import PlanError

T = TypeVar("T")
_WORDS = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}


def record(cls: type[T], data: Any, where: str) -> T:
    """An instance of a dataclass whose fields are numbers, text, tuples of one type, records, or null.

    Raises:
        PlanError: what does not fit, with its path.
    """
    if not isinstance(data, Mapping):
        raise PlanError("not an object", where=where, accepted=", ".join(f.name for f in fields(cls)))  # pyright: ignore[reportArgumentType]
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls)}  # pyright: ignore[reportArgumentType]
    for name in data:
        if name not in known:
            raise PlanError("unknown key", where=f"{where}: {name}", accepted=", ".join(known))
    for name, field in known.items():
        if name not in data and field.default is MISSING:
            raise PlanError("missing key", where=f"{where}: {name}", accepted=_said(hints[name]))
    return cls(**{name: _value(hints[name], data[name], f"{where}: {name}") for name in data})


def _value(kind: Any, data: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        if data is None:
            return None
        (kind,) = [each for each in get_args(kind) if each is not type(None)]
    if get_origin(kind) is tuple:
        if not isinstance(data, list | tuple):
            raise PlanError("not a list", where=where, accepted="a list")
        return tuple(_value(get_args(kind)[0], each, f"{where}[{at}]") for at, each in enumerate(data))
    if is_dataclass(kind):
        return record(kind, data, where)  # pyright: ignore[reportArgumentType]
    fits = type(data) is kind or (kind is float and type(data) is int)
    if not fits or (kind is float and not abs(data) <= sys.float_info.max):
        raise PlanError(f"the value is {data!r}", where=where, accepted=_said(kind))
    return kind(data)


def _said(kind: Any) -> str:
    return _WORDS.get(kind, "a value")
