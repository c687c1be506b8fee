"""An emitted design as the simulators read it: ``design.json`` and the files it names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ir.bitmod_format import BitmodWeights, lookup
from ...ir.errors import BundleError
from ..cost.bitmod import BitmodArray

SCHEMA = 1


@dataclass(frozen=True)
class Design:
    """One linear layer in Verilog, and its operands.

    Attributes:
        folder: where it is.
        description: the content of ``design.json``.
    """

    folder: Path
    description: dict[str, Any]

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Design:
        """Read a design.

        Raises:
            BundleError: missing, damaged, or of another schema version.
        """
        path = Path(folder) / "design.json"
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
        return cls(Path(folder).resolve(), description)

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
    def top(self) -> str:
        """The top module."""
        return self.description["top"]

    def sources(self, *, traced: bool) -> list[Path]:
        """Sources, packages first, then the assertions bound to them; before all, what a trace leaves out."""
        names = (*self.description["sources"], *self.description["properties"])
        return [self.file(name) for name in ((self.description["trace"], *names) if traced else names)]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tokens, channels, inputs."""
        shape = self.description["shape"]
        return shape["tokens"], shape["channels"], shape["inputs"]

    @property
    def array(self) -> BitmodArray:
        """Parameters of the array."""
        return BitmodArray(**self.description["array"])

    @property
    def result_words(self) -> int:
        """Words of results, each of one token and Cols channels."""
        tokens, channels, _ = self.shape
        return tokens * -(-channels // self.array.cols)

    @property
    def weight_passes(self) -> int:
        """How often the weights stream in: once per chunk of tokens."""
        return -(-self.shape[0] // self.array.max_tokens)

    @cached_property
    def operands(self) -> dict[str, NDArray]:
        """Codes, scales, bias, activations and float weights.

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
    def weights(self) -> BitmodWeights:
        """The quantized weights."""
        arrays = self.operands
        return BitmodWeights(
            format=lookup(self.description["format"]),
            inputs=self.shape[2],
            codes=arrays["codes"],
            special=arrays["special"],
            group_scale=arrays["group_scale"],
            channel_scale=arrays["channel_scale"],
        )

    def arrange(self, words: bytes) -> NDArray[np.float32]:
        """Result words in the order they left the array, as ``[tokens, channels]``.

        Chunks of tokens, in them tiles of channels, in them tokens.
        """
        tokens, channels, _ = self.shape
        array = self.array
        values = np.frombuffer(words, "<f4").reshape(-1, array.cols)
        tiles = -(-channels // array.cols)
        out = np.empty((tokens, tiles * array.cols), np.float32)
        start = 0
        for first in range(0, tokens, array.max_tokens):
            count = min(array.max_tokens, tokens - first)
            part = values[start : start + tiles * count].reshape(tiles, count, array.cols)
            out[first : first + count] = part.transpose(1, 0, 2).reshape(count, -1)
            start += tiles * count
        return out[:, :channels]
