"""Parameters as the kernels want them: which layouts of each are used, and the weights file that holds them.

A parameter reaches a kernel through calls of layers, and every kernel may want it packed its own way. So
what a function is handed for a parameter is one pointer per layout; the layouts any function asks for are
known from the kernels, callees first, and each is stored once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...ir.cascade import shape_of
from ...ir.dtypes import BY_MLIR, lookup
from ...ir.entries import NAME, arguments, is_param, text_attribute
from ...ir.errors import InputError
from ...ir.mlir import func, ir
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
from .kernels import Image, Kernel, Pack, pack
from .packed.layout import image_of


@dataclass(frozen=True)
class Layout:
    """A packed layout of a parameter: how, and as which view of it."""

    shape: tuple[int, ...]
    pack: Pack | Image


Demand = tuple[int, Layout | None]
"""An argument and the layout wanted of it; None is row-major, as the model has it."""


def parameter_name(function: func.FuncOp, number: int) -> str:
    """What an argument of an entry is called."""
    return text_attribute(arguments(function)[number], NAME, f"arg{number}")


def param_arguments(module: ir.Module) -> dict[str, tuple[bool, ...]]:
    """Per function with steps, which of its arguments are parameters at every call."""
    table = functions(module)
    order = [function.name.value for function in callees_first(module)]
    params: dict[str, list[bool]] = {}
    for name in reversed(order):
        function = table[name]
        if is_entry(function):
            params[name] = [is_param(table) for table in arguments(function)]
        known = {value: params[name][n] for n, value in enumerate(function.arguments)}
        for op in steps(function):
            if op.name == CALL and not is_upstream(table[callee(op)]):
                passed = [known.get(root(value), False) for value in op.operands]
                before = params.setdefault(callee(op), passed)
                params[callee(op)] = [one and other for one, other in zip(before, passed, strict=True)]
    return {name: tuple(flags) for name, flags in params.items()}


def demands(
    module: ir.Module, kernels: Mapping[str, Kernel], used: Mapping[tuple[str, int], str]
) -> dict[str, tuple[Demand, ...]]:
    """Per function with steps, the pointers it is handed: arguments in order, then layout by layout.

    Arguments that are no parameters are always handed on as they are.
    """
    params = param_arguments(module)
    wanted: dict[str, tuple[Demand, ...]] = {}
    for function in callees_first(module):
        name = function.name.value
        numbers = {value: number for number, value in enumerate(function.arguments)}
        found: dict[Demand, None] = {(n, None): None for n, flag in enumerate(params[name]) if not flag}
        for place, op in enumerate(steps(function)):
            for value, layout in operand_layouts(op, kernels.get(used.get((name, place), "")), wanted):
                if root(value) in numbers:
                    found[numbers[root(value)], layout] = None
        found |= {(numbers[root(v)], None): None for v in returned(function) if root(v) in numbers}
        order = sorted(enumerate(found), key=lambda item: (item[1][0], item[1][1] is not None, item[0]))
        wanted[name] = tuple(demand for _, demand in order)
    return wanted


def operand_layouts(
    op: ir.Operation, kernel: Kernel | None, wanted: Mapping[str, tuple[Demand, ...]]
) -> list[tuple[ir.Value, Layout | None]]:
    """What a step is handed, in order: operands of the op, each in a layout."""
    operands = list(op.operands)
    if kernel is None:
        return [(operands[number], layout) for number, layout in wanted[callee(op)]]
    return [
        (value, Layout(shape_of(value), kernel.packs[number]) if number in kernel.packs else None)
        for number, value in enumerate(operands)
    ]


def weight_name(name: str, layout: Layout | None) -> str:
    """Name in the weights file of one layout of a parameter."""
    if layout is None:
        return name
    spec = layout.pack
    if isinstance(spec, Image):
        return f"{name} packed {spec.mark.format}"
    lanes = ",".join(f"{rank} by {tile}" for (rank, _), tile in zip(spec.lanes, spec.tiles, strict=True))
    depth = ",".join(rank for rank, _ in spec.depth)
    deep, block = (f"{depth}/2", f"{spec.block}*2") if spec.pairs else (depth, str(spec.block))
    return f"{name} packed {spec.access} [{lanes}/{spec.block}][{deep}][{block}]"


@dataclass(frozen=True)
class StoredWeights:
    """The weights file to be written.

    Attributes:
        arrays: what is stored, by name, in order.
        stored_as: for every parameter and layout in use, the name in `arrays`; tied parameters share one.
    """

    arrays: Mapping[str, np.ndarray]
    stored_as: Mapping[tuple[str, Layout | None], str]


def store_weights(
    module: ir.Module,
    wanted: Mapping[str, tuple[Demand, ...]],
    params: Mapping[str, np.ndarray],
    codes: Mapping[str, np.ndarray],
) -> StoredWeights:
    """Bring parameters into the layouts the entries are handed.

    Args:
        module: placed.
        wanted: the pointers each entry is handed.
        params: values by name, of quantized parameters what their codes stand for.
        codes: stored arrays of quantized parameters.

    Raises:
        InputError: a parameter is missing, or of another shape or element type than in the module.
    """
    store = _Store()
    stored_as: dict[tuple[str, Layout | None], str] = {}
    flags = param_arguments(module)
    for function in callees_first(module):
        if not is_entry(function):
            continue
        for number, layout in wanted[function.name.value]:
            name = parameter_name(function, number)
            if flags[function.name.value][number] and (name, layout) not in stored_as:
                if layout is not None and isinstance(layout.pack, Image):
                    stored_as[name, layout] = store.add_image(name, codes, layout, layout.pack)
                    continue
                array = _checked(name, params, function.arguments[number].type)
                stored_as[name, layout] = store.add(name, array, layout)
    return StoredWeights(store.arrays, stored_as)


class _Store:
    """Arrays to be stored, each once: tied parameters share theirs, and so do layouts of the same bytes."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._names: dict[object, list[str]] = {}  # source → what is stored of it
        self._done: dict[object, str] = {}  # source and layout → what it is stored as
        self._sources: list[np.ndarray] = []  # held, since their addresses identify them

    def add_image(self, name: str, codes: Mapping[str, np.ndarray], layout: Layout, wanted: Image) -> str:
        """The name under which the codes of a parameter are stored as an image."""
        matrix = wanted.mark.stored(name, codes, layout.shape)
        source = codes[f"{name}.codes"].__array_interface__["data"][0]
        if (source, layout) not in self._done:
            self._sources.append(codes[f"{name}.codes"])
            self._done[source, layout] = self._keep(source, name, layout, image_of(matrix, wanted))
        return self._done[source, layout]

    def add(self, name: str, array: np.ndarray, layout: Layout | None) -> str:
        """The name under which a layout of a parameter is stored."""
        source = (array.__array_interface__["data"][0], array.shape, array.dtype.str, array.strides)
        if (source, layout) not in self._done:
            self._sources.append(array)
            spec = None if layout is None else layout.pack
            assert not isinstance(spec, Image)
            laid = array if layout is None or spec is None else pack(array.reshape(layout.shape), spec)
            self._done[source, layout] = self._equal(source, laid) or self._keep(source, name, layout, laid)
        return self._done[source, layout]

    def _equal(self, source: object, laid: np.ndarray) -> str | None:
        for name in self._names.get(source, ()):
            stored = self.arrays[name]
            if stored.nbytes == laid.nbytes and np.array_equal(stored.reshape(-1), laid.reshape(-1)):
                return name
        return None

    def _keep(self, source: object, name: str, layout: Layout | None, laid: np.ndarray) -> str:
        free = _free_name(weight_name(name, layout), self.arrays)
        self.arrays[free] = laid
        self._names.setdefault(source, []).append(free)
        return free


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    """The name, numbered when another view of the parameter is packed in the same words."""
    numbered, number = name, 1
    while numbered in taken:
        number += 1
        numbered = f"{name} ({number})"
    return numbered


def _checked(name: str, params: Mapping[str, np.ndarray], kind: ir.Type) -> np.ndarray:
    tensor = ir.RankedTensorType(kind)
    wanted = (tuple(tensor.shape), lookup(BY_MLIR, str(tensor.element_type)).numpy)
    if name not in params:
        raise InputError(
            "the parameter has no value", where=name, accepted=f"an array of {wanted[1]}{wanted[0]}"
        )
    array = params[name]
    if (array.shape, array.dtype.name) != wanted:
        raise InputError(
            f"the parameter is {array.dtype.name}{array.shape}",
            where=name,
            accepted=f"{wanted[1]}{wanted[0]}",
        )
    return array
