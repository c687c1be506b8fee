"""Reading target files: strict, so that a typing slip in a figure never becomes a quiet wrong answer.

An unknown key, a missing key, a value of the wrong type or sign, or a name that refers to nothing
is a TargetError that says which file, which key, and what is accepted there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import Field, fields
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ..errors import TargetError
from .description import Target
from .keys import KeyProblem

SCHEMA = 1


def names() -> tuple[str, ...]:
    """Names of the shipped targets, sorted."""
    return tuple(sorted(_stem(file) for file in _shipped().iterdir() if file.name.endswith(".toml")))


def load(name_or_path: str | Path) -> Target:
    """The shipped target of that name, or the user's target file at that path.

    Raises:
        TargetError: no such target, an unreadable file, or a file that breaks the rules.
    """
    text = str(name_or_path)
    if text in names():
        return parse(_read(_shipped() / f"{text}.toml", text), where=f"{text}.toml")
    path = Path(text)
    if path.suffix == ".toml" or path.is_file():
        return parse(_read(path, text), where=text)
    raise TargetError(
        f"there is no target {text!r}", accepted=", ".join(names()) + ", or the path of a .toml file"
    )


def parse(text: str, *, where: str) -> Target:
    """The target described by the TOML text; ``where`` is the file named in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"not TOML: {error}", where=where, accepted="a target file") from error
    if data.get("schema") != SCHEMA:
        raise TargetError(
            f"schema is {data.get('schema')!r}", where=f"{where}: schema", accepted=f"schema = {SCHEMA}"
        )
    target = _record(Target, data, where, "")
    _check_names(target, where)
    return target


def _shipped() -> Traversable:
    return resources.files(__package__ or "penstock.ir.targets")


def _stem(file: Traversable) -> str:
    return file.name.removesuffix(".toml")


def _read(file: Traversable | Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"cannot be read: {error}", where=name, accepted="a readable .toml file") from error


def _record(cls: Any, data: dict[str, Any], where: str, prefix: str) -> Any:
    """An instance of ``cls`` from a TOML table whose keys are exactly its fields."""
    known = {field.name: field for field in fields(cls)}
    for name in data:
        if name not in known:
            raise TargetError(
                f"unknown key{_hint(name, known)}",
                where=f"{where}: {prefix}{name}",
                accepted=", ".join(known),
            )
    return cls(**{name: _value(field, data, where, f"{prefix}{name}") for name, field in known.items()})


def _value(field: Field[Any], data: dict[str, Any], where: str, path: str) -> Any:
    entry = field.metadata.get("entry")
    if entry is not None:
        return _entries(entry, data.get(field.name, []), where, path)
    kind = field.metadata["kind"]
    if field.name not in data:
        raise TargetError("missing key", where=f"{where}: {path}", accepted=kind.accepted)
    try:
        return kind.parse(data[field.name])
    except KeyProblem as problem:
        raise TargetError(f"the value {problem}", where=f"{where}: {path}", accepted=kind.accepted) from None


def _entries(entry: type, tables: Any, where: str, path: str) -> tuple[Any, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise TargetError("not an array of tables", where=f"{where}: {path}", accepted=f"[[{path}]] sections")
    return tuple(_record(entry, table, where, f"{path}[{index}].") for index, table in enumerate(tables))


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def _check_names(target: Target, where: str) -> None:
    """Names are unique and references point at parts that exist."""
    for label, entries in (
        ("tier", target.tier),
        ("unit", target.unit),
        ("link", target.link),
        ("buffer", target.buffer),
    ):
        seen = [entry.name for entry in entries]
        twice = [name for name in seen if seen.count(name) > 1]
        if twice:
            raise TargetError(
                f"two are called {twice[0]!r}", where=f"{where}: {label}", accepted="unique names"
            )
    tiers = [tier.name for tier in target.tier]
    if not tiers:
        raise TargetError(
            "there is no tier", where=f"{where}: tier", accepted="at least one [[tier]] section"
        )
    references = [("main_tier", target.main_tier)]
    references += [
        (f"link {link.name}", end) for link in target.link for end in (link.source, link.destination)
    ]
    for label, name in references:
        if name not in tiers:
            raise TargetError(
                f"there is no tier {name!r}", where=f"{where}: {label}", accepted=", ".join(tiers)
            )
    _check_transfers(target, where)
    _check_parts(target, where)


def _check_parts(target: Target, where: str) -> None:
    """Components, registers and datapaths name units and buffers that exist."""
    units, buffers = [unit.name for unit in target.unit], [buffer.name for buffer in target.buffer]
    named = [(f"component[{i}].unit", each.unit, units) for i, each in enumerate(target.component)]
    named += [(f"register[{i}].unit", each.unit, units) for i, each in enumerate(target.register)]
    named += [(f"register[{i}].buffer", each.buffer, buffers) for i, each in enumerate(target.register)]
    named += [(f"datapath[{i}].unit", each.unit, units) for i, each in enumerate(target.datapath)]
    for path, name, known in named:
        if name not in known:
            raise TargetError(
                f"there is no {path.rpartition('.')[2]} {name!r}",
                where=f"{where}: {path}",
                accepted=", ".join(known) or "none is described",
            )


def _check_transfers(target: Target, where: str) -> None:
    parts = [part.name for parts in (target.unit, target.tier, target.buffer) for part in parts]
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(target.transfer):
        for name in (each.source, each.destination):
            if name not in parts:
                raise TargetError(
                    f"there is no part {name!r}",
                    where=f"{where}: transfer[{index}]",
                    accepted=", ".join(parts),
                )
        if (each.source, each.destination) in seen:
            raise TargetError(
                f"two go from {each.source!r} to {each.destination!r}",
                where=f"{where}: transfer[{index}]",
                accepted="one transfer from a part to another",
            )
        seen.add((each.source, each.destination))
