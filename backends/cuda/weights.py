"""The weights file: parameters as the kernels read them, tied ones once.

A kernel may read a parameter in another form than the model's, a packed one in several arrays; which, its
launch's places say by the part's name. `bitmod.layout.PARTS` knows how each is made from the codes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...ir.dtypes import BY_MLIR, lookup
from ...ir.entries import NAME, arguments, is_param, text_attribute
from ...ir.errors import InputError
from ...ir.mlir import func, ir
from ...ir.quantized import PARTS as STORED
from ...ir.quantized import Dequantized, Quantization, mark_of
from ...ir.steps import (
    CALL,
    callee,
    callees_first,
    functions,
    is_entry,
    is_upstream,
    returned,
    root,
    steps,
)
from ...ir.weights import offsets_of
from .bitmod.layout import PARTS
from .emit import Emitted
from .far import FAR

Demand = tuple[int, str]
"""An argument of a function and a part of it; ``""`` is the parameter as the model has it."""


@dataclass(frozen=True)
class Stored:
    """The weights to be written.

    Attributes:
        arrays: by name, in order.
        places: parameter and part → byte offset in the file's data; from `far.FAR` on behind what is near.
        bytes: of all of it.
        near: of it, those that lie on the device: the first.
    """

    arrays: Mapping[str, NDArray]
    places: Mapping[tuple[str, str], int]
    bytes: int
    near: int

    def sizes(self) -> dict[int, int]:
        """Bytes of every array, by where it begins."""
        offsets = offsets_of(self.arrays)
        return {offsets[name]: array.nbytes for name, array in self.arrays.items() if array.nbytes}

    def divided(self, near: Collection[int]) -> Stored:
        """The same with some arrays first, by where they begin, and the others in the host's memory."""
        offsets = offsets_of(self.arrays)
        first = [name for name, array in self.arrays.items() if offsets[name] in near or not array.nbytes]
        rest = [name for name in self.arrays if name not in set(first)]
        arrays = {name: self.arrays[name] for name in (*first, *rest)}
        moved = offsets_of(arrays)
        end = min((moved[name] for name in rest), default=self.bytes)
        places = {offsets[name]: moved[name] - end + FAR for name in rest}
        places |= {offsets[name]: moved[name] for name in first if self.arrays[name].nbytes}
        found = {key: places.get(start, 0) for key, start in self.places.items()}
        return Stored(arrays, found, max(self.bytes, end), end)


def demands(module: ir.Module, emitted: Emitted) -> dict[str, dict[Demand, None]]:
    """Per function with steps, the parts of its arguments that are read in it or below."""
    table = functions(module)
    wanted: dict[str, dict[Demand, None]] = {}
    for function in callees_first(module):
        name = function.name.value
        numbers = {value: number for number, value in enumerate(function.arguments)}
        found: dict[Demand, None] = {}
        for place, op in enumerate(steps(function)):
            if op.name == CALL and not is_upstream(table[callee(op)]):
                read = [(op.operands[number], part) for number, part in wanted[callee(op)]]
            else:
                launches = emitted.launches[name, place]
                places = [each for launch in launches for each in launch.places.values()]
                read = [(op.operands[p.number], p.part) for p in places if p.kind == "operand"]
            found |= {(numbers[root(v)], part): None for v, part in read if root(v) in numbers}
        found |= {(numbers[root(value)], ""): None for value in returned(function) if root(value) in numbers}
        wanted[name] = found
    return wanted


def store(module: ir.Module, emitted: Emitted, params: Mapping[str, NDArray]) -> Stored:
    """Bring parameters into the forms that kernels read.

    Args:
        module: placed.
        emitted: its kernels.
        params: values by name; of quantized parameters their stored arrays (``NAME.codes`` …).

    Raises:
        InputError: a parameter is missing, or of another shape or type than in the module.
    """
    store = _Store(params, Dequantized(module, params))
    wanted = demands(module, emitted)
    for function in functions(module).values():
        if is_entry(function):
            for number, part in wanted.get(function.name.value, ()):
                if is_param(arguments(function)[number]):
                    store.add(function, number, part)
    offsets = offsets_of(store.arrays)
    places = {key: offsets[name] for key, name in store.names.items()}
    end = max((offsets[name] + array.nbytes for name, array in store.arrays.items()), default=0)
    return Stored(store.arrays, places, end, end)


@dataclass
class _Store:
    """Arrays to be stored, each once."""

    params: Mapping[str, NDArray]
    floats: Dequantized
    arrays: dict[str, NDArray] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    kept: dict[object, str] = field(default_factory=dict)

    def add(self, function: func.FuncOp, number: int, part: str) -> None:
        name = text_attribute(arguments(function)[number], NAME, f"arg{number}")
        if (name, part) in self.names:
            return
        kind, mark = function.type.inputs[number], mark_of(function, number)
        source = self.params.get(f"{name}.codes") if mark is not None else self.params.get(name)
        key = (part, None if source is None else _identity(source))
        if source is not None and key in self.kept:
            self.names[name, part] = self.kept[key]
            return
        stored_as = f"{name} {part}" if part else name
        array = self._packed(name, part, mark, kind) if part else _checked(name, self.floats, kind)
        self.arrays[stored_as] = array
        self.names[name, part] = self.kept[key] = stored_as

    def _packed(self, name: str, part: str, mark: Quantization | None, kind: ir.Type) -> NDArray:
        if mark is None or part not in PARTS:
            raise InputError(f"no form '{part}' of a parameter", where=name, accepted=", ".join(PARTS))
        shape = tuple(ir.RankedTensorType(kind).shape)
        return np.ascontiguousarray(PARTS[part](mark.stored(name, self.params, shape)))


def _identity(array: NDArray) -> tuple[object, ...]:
    return array.__array_interface__["data"][0], array.shape, array.dtype.str, array.strides


def codes_of(module: ir.Module, params: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The stored arrays of quantized parameters, which a bundle keeps for those who verify it."""
    names = {f"{name}.{part}" for name in Dequantized(module, params) for part in STORED}
    return {name: array for name, array in params.items() if name in names}


def _checked(name: str, params: Mapping[str, NDArray], kind: ir.Type) -> NDArray:
    tensor = ir.RankedTensorType(kind)
    wanted = (tuple(tensor.shape), lookup(BY_MLIR, str(tensor.element_type)).numpy)
    accepted = f"{wanted[1]}{list(wanted[0])}"
    if name not in params:
        raise InputError("the parameter has no value", where=name, accepted=accepted)
    array = params[name]
    if (array.shape, array.dtype.name) != wanted:
        given = f"{array.dtype.name}{list(array.shape)}"
        raise InputError(f"the parameter is {given}", where=name, accepted=accepted)
    return np.ascontiguousarray(array)
