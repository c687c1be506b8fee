"""An emitted design as the simulators read it: ``design.json`` and the files it names."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import BundleError, InputError
from .compare import SimResult
from .run import Progress, Run
from .shared import Shared
from .window import Window

SCHEMA = 1
DESCRIPTION = "design.json"


@dataclass(frozen=True)
class Design(ABC):
    """An emitted design and its operands.

    Attributes:
        folder: where it is.
        description: the content of ``design.json``.
        cocotb_driver: the module that drives it from Python.
    """

    optimisation: ClassVar[str] = "-O1"
    """The C++ compiler's level for what runs every cycle: more gains little and compiles twice as long."""

    folder: Path
    description: dict[str, Any]

    cocotb_driver: ClassVar[str] = ""
    trace_flags: ClassVar[tuple[str, ...]] = ()
    """Verilator's, where waveforms are asked for."""

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
    def shared(self) -> tuple[Shared, ...]:
        """Modules whose code a simulation makes once for all their instances."""
        return ()

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

    @abstractmethod
    def arguments(self) -> list[str]:
        """What the C++ driver is told."""

    def trace_arguments(self, path: Path, window: Window | None) -> list[str]:
        """What the C++ driver is told of waveforms.

        Raises:
            InputError: it traces whole runs only.
        """
        if window is not None:
            raise InputError(
                f"no window of cycles, {window}", where="--trace-window", accepted="a block on a fabric"
            )
        return ["--trace", str(path)]

    def trace_note(self, figures: Mapping[str, int]) -> str:
        """What there is to say of waveforms that were written; empty: they are of the whole run."""
        return ""

    @abstractmethod
    def job(self) -> dict[str, Any]:
        """What the cocotb driver is told, as JSON."""

    @property
    @abstractmethod
    def figures(self) -> tuple[str, ...]:
        """What a driver reports at the end, whole numbers by name; ``cycles`` first."""

    @property
    @abstractmethod
    def result_bytes(self) -> int:
        """Size of what a driver leaves of the results."""

    @abstractmethod
    def arrange(self, results: bytes) -> NDArray:
        """What a driver left, as the result's array."""

    def failure(self, said: Mapping[str, int]) -> str:
        """A failure that the design itself told, in words."""
        return f"the design failed: {dict(said)}"

    def with_latency(self, cycles: int) -> Self:
        """The same design with a memory that answers after so many cycles.

        Raises:
            InputError: it has no memory, or none can be so fast.
        """
        raise InputError(f"no memory of {cycles} cycles", accepted="a design with one: BitMoD's")

    @abstractmethod
    def compare(
        self, driver: str, run: Run, trace: str | None, progress: Progress | None = None
    ) -> SimResult:
        """Hold a run against the oracle, the float reference and the cycle model."""


class _Object(dict[str, Any]):
    """A JSON object of ``design.json`` that says what it lacks."""

    def __missing__(self, key: str) -> Any:
        raise BundleError(f"{DESCRIPTION} has no '{key}'", accepted="a design that penstock wrote")


def describe(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a folder's ``design.json``.

    Raises:
        BundleError: missing, damaged, or of another schema version.
    """
    path = Path(folder) / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"), object_hook=_Object)
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
