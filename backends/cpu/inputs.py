"""From what a caller brings to what an entry takes: which entry, filling up, cutting back."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ...ir.errors import InputError
from ...ir.signature import Entry, TensorSpec
from ...ir.weights import ALIGN

Placed = tuple[np.ndarray, int]
"""An array and where its data is."""

Chosen = tuple[Entry, dict[str, np.ndarray], dict[str, int]]


def choose_entry(entries: Mapping[str, Entry], inputs: Mapping[str, Any], name: str | None = None) -> Chosen:
    """The smallest entry that takes the inputs.

    Args:
        entries: by name.
        inputs: array-likes by name.
        name: the only entry to consider; all when None.

    Returns:
        The entry, its inputs as arrays of its element types, and the caller's extent of each ragged rank.

    Raises:
        InputError: no entry takes them; says why not, and what is accepted.
    """
    if not isinstance(inputs, Mapping):
        accepted = ", ".join(spec.name for entry in entries.values() for spec in entry.inputs)
        raise InputError(f"inputs as {type(inputs).__name__}", accepted=f"arrays by name: {accepted}")
    if name is not None and name not in entries:
        raise InputError(f"no entry '{name}'", accepted=", ".join(entries))
    candidates = list(entries.values()) if name is None else [entries[name]]
    if len(candidates) == 1 and _exact(candidates[0], inputs):
        return candidates[0], dict(inputs), {}
    if len(candidates) > 1:
        candidates.sort(key=lambda entry: math.prod(entry.extents.values()))
    arrays = {key: np.asarray(value) for key, value in inputs.items()}
    failure: InputError | None = None
    for entry in candidates:
        try:
            return entry, *_fit(entry, arrays)
        except InputError as error:
            failure = error
    accepted = "; or ".join(", ".join(map(str, entry.inputs)) for entry in candidates)
    raise InputError(failure.message if failure else "the bundle has no entries", accepted=accepted)


def _exact(entry: Entry, inputs: Mapping[str, Any]) -> bool:
    """Whether the inputs are arrays just as the entry has them, as in most runs of short programs."""
    if len(inputs) != len(entry.inputs):
        return False
    for spec in entry.inputs:
        array = inputs.get(spec.name)
        if type(array) is not np.ndarray or array.dtype is not _dtype(spec.dtype):
            return False
        if array.shape != spec.shape or spec.below is not None:
            return False
    return True


@cache
def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(name)


def _fit(entry: Entry, arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    names = [spec.name for spec in entry.inputs]
    missing = [name for name in names if name not in arrays]
    unknown = [name for name in arrays if name not in names]
    if missing or unknown:
        what = [f"no input {', '.join(missing)}"] if missing else []
        what += [f"unknown input {', '.join(unknown)}"] if unknown else []
        raise InputError("; ".join(what))
    extents: dict[str, int] = {}
    fitted = {}
    for spec in entry.inputs:
        fitted[spec.name] = _cast(spec, arrays[spec.name])
        _check_shape(spec, arrays[spec.name].shape, extents)
        _check_values(spec, arrays[spec.name])
    return fitted, extents


def _cast(spec: TensorSpec, array: np.ndarray) -> np.ndarray:
    if array.dtype == _dtype(spec.dtype):
        return array
    if not np.can_cast(array.dtype, spec.dtype, "safe"):
        raise InputError(f"input {spec.name} is {array.dtype.name}, not {spec.dtype}")
    return array.astype(spec.dtype)


def _check_values(spec: TensorSpec, array: np.ndarray) -> None:
    if spec.below is None:
        return
    outside = array[(array < 0) | (array >= spec.below)]
    if outside.size:
        raise InputError(f"input {spec.name} holds {outside[0]}, 0 to {spec.below - 1} are needed")


def _check_shape(spec: TensorSpec, shape: Sequence[int], extents: dict[str, int]) -> None:
    if shape == spec.shape and not any(spec.ranks):
        return
    given = f"input {spec.name} has shape [{', '.join(map(str, shape))}]"
    if len(shape) != len(spec.shape):
        raise InputError(f"{given}, {len(spec.shape)} axes are needed")
    for axis, (extent, most) in enumerate(zip(shape, spec.shape, strict=True)):
        rank = spec.ragged.get(axis)
        if rank is None and extent != most:
            raise InputError(f"{given}, axis {axis} must be {most}")
        if rank is not None:
            if not 1 <= extent <= most:
                raise InputError(f"{given}, axis {axis} ({rank}) may be 1 to {most}")
            if extents.setdefault(rank, extent) != extent:
                raise InputError(f"{given}, but rank {rank} is {extents[rank]} in an earlier input")


def address(array: np.ndarray) -> int:
    """Where an array's data is; `array.ctypes` and `__array_interface__` take several times as long."""
    flags = array.flags
    if flags.writeable and flags.c_contiguous and array.size:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    return array.__array_interface__["data"][0]


def fill(spec: TensorSpec, array: np.ndarray, allocate: Callable[[Sequence[int], str], np.ndarray]) -> Placed:
    """The array as the entry takes it: contiguous, on a cache line, padded to the entry's extents.

    The caller's own memory is used where it is already so.
    """
    if array.shape == spec.shape and array.flags.c_contiguous:
        place = address(array)
        if place % ALIGN == 0:
            return array, place
    whole = allocate(spec.shape, spec.dtype)
    if array.shape != spec.shape:
        whole[...] = spec.pad
    whole[tuple(slice(extent) for extent in array.shape)] = array
    return whole, address(whole)


def cut(spec: TensorSpec, array: np.ndarray, extents: Mapping[str, int]) -> np.ndarray:
    """An output without what stems from padding."""
    if not any(spec.ranks):
        return array
    keep = [
        slice(extents.get(rank, array.shape[axis])) if rank is not None else slice(None)
        for axis, rank in enumerate(spec.ranks or (None,) * array.ndim)
    ]
    return array[tuple(keep)]
