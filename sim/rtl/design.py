"""An emitted design as the simulators read it: ``design.json`` and the files it names."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import BundleError
from .compare import SimResult
from .run import Run

SCHEMA = 1
DESCRIPTION = "design.json"


@dataclass(frozen=True)
class Stream:
    """A valid/ready stream into the top and what it carries.

    Attributes:
        port: its ports are ``{port}_valid_i``, ``{port}_ready_o`` and ``{port}_data_i``.
        image: the memory image, one word a line.
        passes: how often the image streams in.
        before_start: it is through before the design starts.
    """

    port: str
    image: Path
    passes: int = 1
    before_start: bool = False


@dataclass(frozen=True)
class Design(ABC):
    """An emitted design and its operands.

    Attributes:
        folder: where it is.
        description: the content of ``design.json``.
    """

    folder: Path
    description: dict[str, Any]

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a design of this kind.

        Raises:
            BundleError: missing, damaged, or of another schema version.
        """
        return cls(Path(folder).resolve(), describe(folder))

    def file(self, name: str) -> Path:
        """A file the description names.

        Raises:
            BundleError: it is not there.
        """
        path = self.folder / name
        if not path.is_file():
            raise BundleError("file is missing", where=str(path))
        return path

    @property
    def layer(self) -> str:
        """The part of the model it computes."""
        return self.description["layer"]

    @property
    def top(self) -> str:
        """The top module."""
        return self.description["top"]

    def sources(self, *, traced: bool) -> list[Path]:
        """Sources, packages first, then the assertions bound to them; before all, what a trace leaves out."""
        names = (*self.description["sources"], *self.description["properties"])
        return [self.file(name) for name in ((self.description["trace"], *names) if traced else names)]

    @cached_property
    def operands(self) -> dict[str, NDArray]:
        """The operands as arrays, by name.

        Raises:
            BundleError: the file is missing or damaged.
        """
        path = self.file(self.description["operands"])
        try:
            with np.load(path) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError) as error:
            raise BundleError("not an array archive", where=str(path)) from error

    @property
    @abstractmethod
    def streams(self) -> Mapping[str, Stream]:
        """What streams in, by the driver's name for it."""

    @property
    @abstractmethod
    def figures(self) -> tuple[str, ...]:
        """Counters and flags read at the end, ``cycles`` first; the port of each is ``{name}_o``."""

    @property
    @abstractmethod
    def result_words(self) -> int:
        """Words of results."""

    @property
    @abstractmethod
    def word_bytes(self) -> int:
        """Bytes of a word of results."""

    @abstractmethod
    def arrange(self, words: bytes) -> NDArray:
        """Result words in the order they left the array, as the result's array."""

    @abstractmethod
    def compare(self, driver: str, run: Run, trace: str | None) -> SimResult:
        """Hold a run against the oracle, the float reference and the cycle model."""


def describe(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a folder's ``design.json``.

    Raises:
        BundleError: missing, damaged, or of another schema version.
    """
    path = Path(folder) / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            "no Verilog design here", where=str(folder), accepted="a folder with design.json"
        ) from error
    except ValueError as error:
        raise BundleError("not a JSON file", where=str(path)) from error
    version = description.get("schema") if isinstance(description, dict) else None
    if version != SCHEMA:
        raise BundleError(f"schema version {version}", where=str(path), accepted=str(SCHEMA))
    return description
