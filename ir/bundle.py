"""The bundle: a directory that holds a compiled model, whole and checkable.

``manifest.json`` names the schema, the tools, the target, the entry points and the SHA-256 of every other
file: ``module.mlir`` (bound IR), ``weights.safetensors``, ``plan.json`` (offsets and lifetimes),
``cost.json``, and one folder per backend with all sources needed to build it elsewhere. A bundle is
written beside its place and renamed into it, so what has the name is always whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .errors import BundleError
from .files import check_parent, refusal
from .signature import Entry
from .weights import Weights, map_weights, read_weights, write_weights

SCHEMA = 2
"""Raised whenever a bundle may hold what a reader of the one before would pass by (docs/bundle.md)."""
MANIFEST = "manifest.json"
MODULE = "module.mlir"
WEIGHTS = "weights.safetensors"
PLAN = "plan.json"
COST = "cost.json"

# key → type: what a manifest must have; anything else in it is unknown and refused.
_KEYS: dict[str, type] = {
    "schema": int,
    "tools": dict,  # tool → version
    "target": str,
    "model": dict,  # how the model was named, and its options
    "entries": dict,  # name → inputs, outputs
    "backends": dict,  # name → what that backend needs to run
    "files": dict,  # path → sha256
    "seal": str,  # SHA-256 of the manifest itself without this key
}
_AGAIN = "a bundle that `penstock compile` wrote; compile again"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(manifest: Mapping[str, Any]) -> str:
    unsealed = {key: value for key, value in manifest.items() if key != "seal"}
    return hashlib.sha256(json.dumps(unsealed, sort_keys=True).encode()).hexdigest()


def write_error(error: OSError, path: Path) -> BundleError:
    """The message for a bundle that could not be written: what the system said and what to do."""
    said = refusal(error, path)
    return BundleError(f"the bundle {said.message}", where=said.where, accepted=said.accepted)


def check_place(out: str | Path) -> None:
    """Refuse a place where no bundle could be written, before the work that would fill it.

    Raises:
        BundleError: something that is no bundle is in the way, or no directory can be made there.
    """
    place = Path(os.path.abspath(out))
    try:
        if place.is_dir() and (not any(place.iterdir()) or (place / MANIFEST).is_file()):
            return
        if place.exists() or place.is_symlink():
            raise BundleError(
                "is in the way and is no bundle",
                where=str(place),
                accepted="a new name, an empty directory, or a bundle to replace",
            )
        check_parent(place)
    except OSError as error:
        raise write_error(error, place) from error


class BundleWriter:
    """Writes a bundle under a temporary name and renames it into place at `commit`.

    A context manager: leaving it without `commit`, or by an error, removes everything written and leaves
    an older bundle of the same name untouched. System errors inside become `BundleError`.

    Args:
        out: where the bundle goes; a bundle already there is replaced at `commit`.

    Raises:
        BundleError: something that is no bundle is in the way, or the place cannot be written to.
    """

    def __init__(self, out: str | Path) -> None:
        self.out = Path(os.path.abspath(out))
        self._temporary = self.out.parent / f".{self.out.name}.{os.getpid()}.partial"
        self._hashes: dict[str, str] = {}
        check_place(self.out)
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self._temporary.mkdir()
        except OSError as error:
            raise write_error(error, self.out) from error

    def _sweep(self) -> None:
        """Remove what killed compilations of this bundle left behind."""
        pattern = re.compile(re.escape(f".{self.out.name}.") + r"(\d+)\.(partial|old)")
        for entry in self.out.parent.iterdir():
            match = pattern.fullmatch(entry.name)
            if match and (int(match[1]) == os.getpid() or not Path("/proc", match[1]).exists()):
                shutil.rmtree(entry)

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise write_error(error, self.out) from error

    def path(self, relative: str) -> Path:
        """Where a tool may write one of the bundle's files; its folder exists."""
        place = self._temporary / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def write_text(self, relative: str, text: str) -> None:
        """Write one file of text."""
        self.path(relative).write_text(text, encoding="utf-8")

    def write_json(self, relative: str, data: Mapping[str, Any]) -> None:
        """Write one file of JSON."""
        self.write_text(relative, json.dumps(data, indent=1) + "\n")

    def write_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write ``weights.safetensors``: arrays by name, in this order (`weights.offsets_of` says where)."""
        self._hashes[WEIGHTS] = write_weights(self.path(WEIGHTS), arrays)

    def commit(
        self,
        *,
        tools: Mapping[str, str],
        target: str,
        model: Mapping[str, Any],
        entries: Mapping[str, Any],
        backends: Mapping[str, Any],
    ) -> Path:
        """Write the manifest, put the bundle in its place, and give that place.

        Raises:
            BundleError: the bundle cannot be written; an older one is still there.
        """
        manifest: dict[str, Any] = {
            "schema": SCHEMA,
            "tools": dict(tools),
            "target": target,
            "model": dict(model),
            "entries": dict(entries),
            "backends": dict(backends),
            "files": self._files(),
        }
        # What is sealed is what a reader of the JSON will see, tuples become lists and so on.
        manifest = json.loads(json.dumps(manifest))
        self.write_json(MANIFEST, {**manifest, "seal": _seal(manifest)})
        try:
            self._rename()
        except OSError as error:
            raise write_error(error, self.out) from error
        return self.out

    def _files(self) -> dict[str, str]:
        found = sorted(path for path in self._temporary.rglob("*") if path.is_file())
        names = {path.relative_to(self._temporary).as_posix(): path for path in found}
        return {name: self._hashes.get(name) or _sha256(path) for name, path in names.items()}

    def _rename(self) -> None:
        if not self.out.exists():
            self._temporary.rename(self.out)
            return
        old = self.out.parent / f".{self.out.name}.{os.getpid()}.old"
        self.out.rename(old)
        try:
            self._temporary.rename(self.out)
        except OSError:
            old.rename(self.out)
            raise
        shutil.rmtree(old)


@dataclass(frozen=True)
class BundleFiles:
    """A bundle on disk whose schema and hashes were checked.

    Attributes:
        path: the directory.
        manifest: the manifest's JSON.
    """

    path: Path
    manifest: Mapping[str, Any]

    @property
    def entries(self) -> dict[str, Entry]:
        """Entry points by name."""
        return {name: Entry.from_json(name, data) for name, data in self.manifest["entries"].items()}

    def file(self, relative: str) -> Path:
        """The path of one of the bundle's files.

        Raises:
            BundleError: the bundle does not hold it.
        """
        if relative not in self.manifest["files"]:
            raise BundleError(
                f"holds no {relative}", where=str(self.path), accepted=", ".join(self.manifest["files"])
            )
        return self.path / relative

    def json(self, relative: str) -> dict[str, Any]:
        """One of the bundle's JSON files."""
        return json.loads(self.file(relative).read_text(encoding="utf-8"))

    def text(self, relative: str) -> str:
        """One of the bundle's text files."""
        return self.file(relative).read_text(encoding="utf-8")

    def weights(self) -> Weights:
        """The weights, mapped."""
        return map_weights(self.file(WEIGHTS))

    def weights_in_memory(self) -> Weights:
        """The weights, read into memory of their own."""
        return read_weights(self.file(WEIGHTS))


def open_bundle(path: str | Path) -> BundleFiles:
    """Open a bundle after checking its schema version and the hash of every file.

    Raises:
        BundleError: it is missing, of another schema version, incomplete or corrupt; with the file.
    """
    place = Path(path)
    bundle = BundleFiles(place, _read_manifest(place))
    for name, wanted in bundle.manifest["files"].items():
        file = place / name
        try:
            found = _sha256(file)
        except OSError as error:
            raise BundleError(
                f"a file of the bundle cannot be read: {error.strerror}", where=str(file), accepted=_AGAIN
            ) from error
        if found != wanted:
            raise BundleError(
                f"is corrupt: its SHA-256 is {found[:12]}…, the manifest says {str(wanted)[:12]}…",
                where=str(file),
                accepted=_AGAIN,
            )
    return bundle


def _other_schema(manifest: Mapping[str, Any], file: Path) -> BundleError:
    """The error for a bundle of another schema: older, newer, or none that any penstock wrote."""
    found, tools = manifest["schema"], manifest.get("tools")
    if type(found) is not int or found < 1:
        return BundleError(f"its bundle schema is {found!r}", where=str(file), accepted=_AGAIN)
    maker = tools.get("penstock") if isinstance(tools, Mapping) else None
    age, remedy = ("newer", "a newer penstock, or ") if found > SCHEMA else ("older", "")
    return BundleError(
        f"is of bundle schema {found}, written by penstock {maker or 'unknown'}: {age} than schema {SCHEMA}, "
        "the only one read here",
        where=str(file),
        accepted=f"{remedy}the model compiled again with this penstock",
    )


def _read_manifest(place: Path) -> dict[str, Any]:
    file = place / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = "there is no such directory" if not place.is_dir() else f"it has no readable {MANIFEST}"
        raise BundleError(f"not a bundle: {reason}", where=str(place), accepted=_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"is corrupt: {error}", where=str(file), accepted=_AGAIN) from error
    if not isinstance(manifest, dict) or "schema" not in manifest:
        raise BundleError("is no bundle's manifest", where=str(file), accepted=_AGAIN)
    if type(manifest["schema"]) is not int or manifest["schema"] != SCHEMA:
        raise _other_schema(manifest, file)
    for key, kind in _KEYS.items():
        if not isinstance(manifest.get(key), kind):
            raise BundleError(f"key '{key}' is missing or of a wrong type", where=str(file), accepted=_AGAIN)
    unknown = sorted(set(manifest) - set(_KEYS))
    if unknown:
        raise BundleError(f"unknown keys {', '.join(unknown)}", where=str(file), accepted=", ".join(_KEYS))
    if _seal(manifest) != manifest["seal"]:
        raise BundleError("is corrupt: it does not fit its own seal", where=str(file), accepted=_AGAIN)
    return manifest
