"""Weights on disk: safetensors files whose every tensor starts on a cache line, read by mapping them.

The format is the safetensors one (an 8-byte length, a JSON header, the data without gaps), so any reader
of it reads our files. Kernels load whole vectors from weights in place, so tensors start at multiples of
64 bytes: the header is padded with blanks, and behind a tensor that does not end on a line comes a filler.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .dtypes import BY_NUMPY, BY_SAFETENSORS, lookup
from .errors import BundleError
from .memory import block

ALIGN = 64
_FILLER = "penstock.filler."
_MAX_HEADER = 100_000_000  # what the safetensors library accepts too


def aligned(size: int) -> int:
    """The size rounded up to whole cache lines, bytes."""
    return -(-size // ALIGN) * ALIGN


def offsets_of(arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Byte offset of each array from the start of a file's data, in the order given."""
    offsets: dict[str, int] = {}
    position = 0
    for name, array in arrays.items():
        offsets[name] = position
        position += aligned(array.nbytes)
    return offsets


def _header(arrays: Mapping[str, np.ndarray]) -> bytes:
    entries: dict[str, object] = {}
    for name, start in offsets_of(arrays).items():
        array = arrays[name]
        end = start + array.nbytes
        code = lookup(BY_NUMPY, array.dtype.name).safetensors
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [start, end]}
        if end % ALIGN:
            entries[_FILLER + name] = {
                "dtype": "U8",
                "shape": [aligned(end) - end],
                "data_offsets": [end, aligned(end)],
            }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGN)
    return len(text).to_bytes(8, "little") + text


def write_weights(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write arrays as one safetensors file.

    Args:
        path: the file.
        arrays: row-major data by name, stored in this order; not copied when already contiguous.

    Returns:
        The file's SHA-256, hexadecimal, computed on the way.

    Raises:
        OSError: the file cannot be written.
    """
    digest = hashlib.sha256()
    with path.open("wb") as file:
        header = _header(arrays)
        digest.update(header)
        file.write(header)
        for array in arrays.values():
            raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            for part in (raw, bytes(-array.nbytes % ALIGN)):
                digest.update(part)
                file.write(part)
    return digest.hexdigest()


@dataclass(frozen=True)
class Weights:
    """A safetensors file, mapped or in memory.

    Attributes:
        arrays: views into it, by name; of a mapped file read-only.
        data: all the file's data, bytes; `arrays` point into it.
    """

    arrays: Mapping[str, np.ndarray]
    data: np.ndarray

    @cached_property
    def address(self) -> int:
        """Where the data starts in memory."""
        return self.data.ctypes.data


def map_weights(path: Path) -> Weights:
    """Map a file that `write_weights` wrote; nothing is read until it is touched.

    Raises:
        BundleError: the file is missing, or its header does not describe its data.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot be mapped: {error}", where=str(path)) from error
    return _weights(mapped, path)


def read_weights(path: Path) -> Weights:
    """Read a file that `write_weights` wrote into memory of its own, in huge pages where the system has them.

    Kernels that read weights at the memory's speed wait for page tables where the pages are a mapped file's.

    Raises:
        BundleError: as for `map_weights`.
    """
    try:
        with path.open("rb") as file:
            held = block(path.stat().st_size)
            with memoryview(held) as view:
                file.readinto(view)
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot be read: {error}", where=str(path)) from error
    return _weights(held, path)


def _weights(mapped: mmap.mmap, path: Path) -> Weights:
    length = int.from_bytes(mapped[:8], "little")
    if len(mapped) < 8 or length > min(_MAX_HEADER, len(mapped) - 8) or (8 + length) % ALIGN:
        raise BundleError("not a safetensors file of penstock's", where=str(path), accepted="compile again")
    data = np.frombuffer(mapped, np.uint8, offset=8 + length)
    try:
        entries = json.loads(mapped[8 : 8 + length])
        arrays = {name: _view(data, entry) for name, entry in entries.items() if not name.startswith(_FILLER)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            f"the header is broken: {error}", where=str(path), accepted="compile again"
        ) from error
    return Weights(arrays, data)


def _view(data: np.ndarray, entry: Mapping[str, list[int]]) -> np.ndarray:
    start, end = entry["data_offsets"]
    dtype = lookup(BY_SAFETENSORS, str(entry["dtype"])).numpy
    return data[start:end].view(dtype).reshape(entry["shape"])
