"""Runs functions of a module: Einsums, iterations, groups, calls, memory ops and upstream ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ..bfloat16 import decode, rounded
from ..build import EinsumView, integer, string
from ..entries import ROUNDED
from ..errors import InputError
from ..mlir import PassManager, ir
from ..module import context
from ..quantized import QUANTIZED, Quantization
from ..steps import UPSTREAM
from . import upstream
from .einsum import evaluate

Array = np.ndarray
Values = dict[ir.Value, object]
After = Callable[[list[object]], list[object]]
Machine = TypeVar("Machine", bound="Interpreter")


def interpret(
    module: ir.Module, entry: str, inputs: Mapping[str, Array], after: After | None = None
) -> dict[str, Array]:
    """Run an entry function in float64; only what is of bf16 is rounded.

    Args:
        module: at any stage: raised, fused or placed.
        entry: name of the function.
        inputs: arrays by ``penstock.name`` of the function's arguments, parameters included; floats are
            taken as float64, and rounded where the argument is of bf16. A quantized parameter comes as its
            stored arrays (``NAME.codes`` …).
        after: called with the results of every kernel and of every call of an upstream function, in the order
            in which they run; what it gives back stands for them.

    Returns:
        Results by ``penstock.name`` of the function's results (``output0`` … where they have none).

    Raises:
        InputError: unknown entry, missing input, wrong shape, or an op the interpreter does not know.
    """
    return run_on(Interpreter, module, entry, inputs, after)[0]


def run_on(
    kind: type[Machine],
    module: ir.Module,
    entry: str,
    inputs: Mapping[str, Array],
    after: After | None = None,
) -> tuple[dict[str, Array], Machine]:
    """The results of `interpret` on a kind of machine, and the machine."""
    with context(), ir.Location.unknown():
        plain = ir.Module.parse(str(module))
        # Named linalg ops are shorthand; only linalg.generic is left to interpret.
        PassManager.parse("builtin.module(func.func(linalg-generalize-named-ops))").run(plain.operation)
        machine = kind(plain, after)
        function = machine.function(entry)
        arguments = [
            _bind(attributes, value, inputs, place)
            for place, (attributes, value) in enumerate(
                zip(
                    _dictionaries(function, "arg_attrs"), function.regions[0].blocks[0].arguments, strict=True
                )
            )
        ]
        results = machine.call(function, arguments)
        names = _result_names(function, len(results))
        return dict(zip(names, [np.asarray(result) for result in results], strict=True)), machine


def _dictionaries(function: ir.Operation, name: str) -> list[dict[str, ir.Attribute]]:
    count = len(function.regions[0].blocks[0].arguments)
    if name not in function.attributes:
        return [{} for _ in range(count)]
    listed = ir.ArrayAttr(function.attributes[name])
    return [{entry.name: entry.attr for entry in ir.DictAttr(item)} for item in listed]


def _result_names(function: ir.Operation, count: int) -> list[str]:
    if "res_attrs" not in function.attributes:
        return [f"output{place}" for place in range(count)]
    names = []
    for place, item in enumerate(ir.ArrayAttr(function.attributes["res_attrs"])):
        entries = {entry.name: entry.attr for entry in ir.DictAttr(item)}
        given = entries.get("penstock.name")
        names.append(ir.StringAttr(given).value if given is not None else f"output{place}")
    return names


def _bind(
    attributes: Mapping[str, ir.Attribute], value: ir.Value, inputs: Mapping[str, Array], place: int
) -> Array:
    given = attributes.get("penstock.name")
    name = ir.StringAttr(given).value if given is not None else f"arg{place}"
    kind = ir.RankedTensorType(value.type)
    if QUANTIZED in attributes:
        mark = Quantization.of(attributes[QUANTIZED], name)
        return mark.decode(name, inputs, kind).astype(upstream.dtype_of(kind.element_type))
    if name not in inputs and ROUNDED in attributes:
        name = ir.StringAttr(attributes[ROUNDED]).value
    if name not in inputs:
        raise InputError(f"input '{name}' is missing", accepted=", ".join(sorted(inputs)))
    array = np.asarray(inputs[name])
    if tuple(array.shape) != tuple(kind.shape):
        raise InputError(f"shape {list(array.shape)}", where=name, accepted=str(value.type))
    if str(kind.element_type) == "bf16":
        return decode(array).astype(np.float64) if array.dtype == np.uint16 else rounded(array)
    return array.astype(upstream.dtype_of(kind.element_type), order="C")


class Interpreter:
    """Evaluates blocks; one dictionary of values per block activation."""

    def __init__(self, module: ir.Module, after: After | None = None) -> None:
        self.after: After = after or (lambda results: results)
        self.functions: dict[str, ir.Operation] = {}
        for op in module.body.operations:
            if op.operation.name == "func.func":
                self.functions[string(op, "sym_name")] = op.operation

    def function(self, name: str) -> ir.Operation:
        """A function by name."""
        if name not in self.functions:
            raise InputError(f"no function '{name}'", accepted=", ".join(self.functions))
        return self.functions[name]

    def call(self, function: ir.Operation, arguments: Sequence[object]) -> list[object]:
        """Run a function; its results."""
        block = function.regions[0].blocks[0]
        return self.block(block, dict(zip(block.arguments, arguments, strict=True)), {}, {})

    def block(
        self, block: ir.Block, values: Values, fixed: Mapping[str, int], clip: Mapping[str, int]
    ) -> list[object]:
        """Run a block; `fixed` holds generational coordinates, `clip` extents of ragged tiles."""
        for op in block.operations:
            operation = op.operation
            operands = [values[operand] for operand in operation.operands]
            if operation.name in ("func.return", "cascade.yield"):
                return operands
            results = self.step(operation, operands, values, fixed, clip)
            values.update(zip(operation.results, map(_packed, results), strict=True))
        return []

    def step(
        self,
        op: ir.Operation,
        operands: list[object],
        values: Values,
        fixed: Mapping[str, int],
        clip: Mapping[str, int],
    ) -> list[object]:
        """Run one operation; its results."""
        if op.name == "cascade.einsum":
            return [self.einsum(op, operands, fixed, clip)]
        if op.name == "cascade.iterate":
            return self.iterate(op, operands, values, fixed, clip)
        if op.name == "cascade.fused":
            body = op.regions[0].blocks[0]
            return self.after(self.block(body, dict(zip(body.arguments, operands, strict=True)), fixed, clip))
        if op.name == "func.call":
            called = self.function(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
            results = self.call(called, operands)
            return self.after(results) if UPSTREAM in called.attributes else results
        memory = _MEMORY.get(op.name)
        if memory is not None:
            return memory(operands)
        return upstream.evaluate(op, operands, values)

    def einsum(
        self, op: ir.Operation, operands: list[object], fixed: Mapping[str, int], clip: Mapping[str, int]
    ) -> Array:
        """Run one Einsum, over the extents that tiles clip and the coordinates that are fixed."""
        view = EinsumView.of(op)
        extents = {rank: clip.get(rank, extent) for rank, extent in view.extents().items()}
        element = ir.RankedTensorType(view.result.type).element_type
        tensors = [np.asarray(operand) for operand in operands]
        value = evaluate(view.einsum, tensors, extents, upstream.dtype_of(element), fixed)
        return rounded(value) if str(element) == "bf16" else value

    def iterate(
        self,
        op: ir.Operation,
        operands: list[object],
        values: Values,
        fixed: Mapping[str, int],
        clip: Mapping[str, int],
    ) -> list[object]:
        """Run the generations of an iteration."""
        body = op.regions[0].blocks[0]
        rank, tile = string(op, "rank"), integer(op, "tile")
        carried = operands
        for generation in range(integer(op, "generations")):
            inner = dict(clip)
            if string(op, "split"):
                inner[string(op, "tile_rank")] = min(tile, integer(op, "extent") - generation * tile)
            scope = {**values, **dict(zip(body.arguments, carried, strict=True))}
            carried = self.block(body, scope, {**fixed, rank: generation}, inner)
        return carried


def _packed(value: object) -> object:
    """An array with its elements in order: how one lies would decide the order in which sums are rounded."""
    return np.asarray(value, order="C") if isinstance(value, np.ndarray) else value


_MEMORY: dict[str, Callable[[list[object]], list[object]]] = {
    "tier.alloc": lambda operands: operands,
    "tier.copy": lambda operands: [operands[0], None],
    "tier.wait": lambda operands: [],
    "tier.drop": lambda operands: [],
}
