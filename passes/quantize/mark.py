"""The pass ``quantize``: marks the parameters that contractions read as quantized, format and groups said.

A contraction is ``sum[…] mul(X[…], W[…])`` with a parameter among its operands: linear layers,
convolutions, a language model's head. The axes of the parameter that are summed over are its inputs, along
which groups run; the others are its channels. Values are no part of a module: `params.quantize_params`
turns those of the marked parameters into codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...ir.build import EinsumView, is_einsum
from ...ir.cascade import FUSED, shape_of
from ...ir.einsum import Access, Einsum
from ...ir.entries import KIND, NAME, arguments, text_attribute
from ...ir.errors import InputError, PassError
from ...ir.formats import Format, lookup
from ...ir.linear import packable
from ...ir.mlir import func, ir
from ...ir.quantized import ACTIVATIONS, FLOAT, QUANTIZED, Quantization
from ...ir.steps import CALL, body, callee, functions, is_entry, is_upstream
from ..base import Pass

Axes = tuple[int, ...]

_FLOATS = ("f16", "f32", "f64")


@dataclass
class Quantize(Pass):
    """The weights of contractions marked as quantized."""

    name: ClassVar[str] = "quantize"
    description: ClassVar[str] = "weights of contractions in a number format, per group of inputs"
    format: str = "bitmod4"
    group: int = 0
    scale_bits: int = 8
    activations: str = FLOAT

    def run(self, module: ir.Module) -> ir.Module:
        """Mark every parameter that a contraction reads.

        Raises:
            PassError: a fused module, no such format, group, scales or rounding of activations, or nothing to
                quantize.
        """
        try:
            chosen = lookup(self.format)
        except InputError as error:
            raise PassError(error.message, where="quantize{format}", accepted=error.accepted) from error
        group = self.group or chosen.group
        if group < 1 or (chosen.native_scale and group != chosen.group):
            accepted = str(chosen.group) if chosen.native_scale else "1 or more, 0 for the format's own"
            raise PassError(f"groups of {self.group}", where="quantize{group}", accepted=accepted)
        if self.scale_bits not in (8, 32) or (chosen.native_scale and self.scale_bits != 8):
            accepted = "8" if chosen.native_scale else "8, 32"
            raise PassError(
                f"scales of {self.scale_bits} bits", where="quantize{scale_bits}", accepted=accepted
            )
        if self.activations not in ACTIVATIONS:
            raise PassError(
                f"activations '{self.activations}'",
                where="quantize{activations}",
                accepted=", ".join(ACTIVATIONS),
            )
        marks = {
            name: Quantization(chosen.name, group, self.scale_bits, axes, self.activations)
            for name, axes in contracted(module).items()
        }
        if self.activations != FLOAT and not all(packable(each) for each in marks.values()):
            raise PassError(
                f"activations '{self.activations}' with {chosen.name} in groups of {group}",
                where="quantize{activations}",
                accepted="float, or bitmod4 or bitmod3 in their own groups with eight-bit scales",
            )
        if not marks:
            raise PassError("no contraction reads a parameter", where="quantize")
        mark(module, marks)
        return module


def quantization(chosen: Format, axes: Axes) -> Quantization:
    """A format's own groups and eight-bit scales for a parameter with these channel axes."""
    return Quantization(chosen.name, chosen.group, 8, axes)


def contracted(module: ir.Module) -> dict[str, Axes]:
    """The parameters of entries that contractions read, by name, with their channel axes.

    Raises:
        PassError: a module whose contractions are fused already.
    """
    table = functions(module)
    found: dict[str, Axes] = {}
    for function in table.values():
        if not is_entry(function):
            continue
        for number, attributes in enumerate(arguments(function)):
            if text_attribute(attributes, KIND, "input") == "param":
                axes = next(_uses(function.arguments[number], table), None)
                if axes is not None:
                    found.setdefault(text_attribute(attributes, NAME, f"arg{number}"), axes)
    return found


def _uses(value: ir.Value, table: Mapping[str, func.FuncOp]) -> Iterator[Axes]:
    """Channel axes of a parameter in each contraction that reads it, calls followed."""
    for use in value.uses:
        op = use.owner.operation
        if op.name == FUSED:
            raise PassError(
                "the module is fused already",
                where="quantize",
                accepted="relabel,simplify,quantize,fuse,place",
            )
        if is_einsum(op):
            axes = _channels(EinsumView.of(op).einsum, use.operand_number, shape_of(value))
            if axes and str(ir.RankedTensorType(value.type).element_type) in _FLOATS:
                yield axes
        elif op.name == CALL and not is_upstream(table[callee(op)]):
            yield from _uses(table[callee(op)].arguments[use.operand_number], table)


def _channels(einsum: Einsum, number: int, shape: tuple[int, ...]) -> Axes:
    """The axes of an operand that a contraction keeps; none where it is no weight of one."""
    if einsum.reduce != "sum" or einsum.map != "mul" or len(einsum.accesses) != 2:
        return ()
    access: Access = einsum.accesses[number]
    reduced = set(einsum.reduced)
    summed, kept = [], []
    for axis, index in enumerate(access.index):
        ranks = set(index.ranks)
        if ranks and ranks <= reduced:
            summed.append(axis)
        elif ranks & reduced:
            return ()
        elif ranks or shape[axis] > 1:
            kept.append(axis)
    return tuple(kept) if summed else ()


def mark(module: ir.Module, marks: Mapping[str, Quantization]) -> None:
    """Mark parameters of entries by name, and arguments of layers that are handed nothing else.

    Marks from before are replaced, and taken off where no new one is given.

    Args:
        module: changed in place.
        marks: by ``penstock.name`` of the entries' arguments.

    Raises:
        PassError: a name that no entry has, or a format that is unknown.
    """
    table = functions(module)
    known: dict[ir.Value, Quantization | None] = {}
    missing = set(marks)
    for function in table.values():
        if is_entry(function):
            for number, attributes in enumerate(arguments(function)):
                name = text_attribute(attributes, NAME, f"arg{number}")
                known[function.arguments[number]] = marks.get(name)
                missing.discard(name)
    if missing:
        raise PassError(f"no parameter '{min(missing)}'", where="quantize")
    for function in table.values():
        _hand_on(function, table, known)
    for function in table.values():
        _write(function, [known.get(value) for value in function.arguments])


def _hand_on(
    function: func.FuncOp,
    table: Mapping[str, func.FuncOp],
    known: dict[ir.Value, Quantization | None],
) -> None:
    """What the callees of an entry are handed, and theirs; None where calls differ."""
    if not is_entry(function):
        return
    waiting = [function]
    while waiting:
        for op in body(waiting.pop()):
            if op.name != CALL or is_upstream(table[callee(op)]):
                continue
            called = table[callee(op)]
            for operand, argument in zip(op.operands, called.arguments, strict=True):
                given = known.get(operand)
                known[argument] = given if known.get(argument, given) == given else None
            waiting.append(called)


def _write(function: func.FuncOp, marks: list[Quantization | None]) -> None:
    if not any(marks) and not any(QUANTIZED in attributes for attributes in arguments(function)):
        return
    tables = []
    for attributes, each in zip(arguments(function), marks, strict=True):
        entries = {item.name: item.attr for item in attributes if item.name != QUANTIZED}
        if each is not None:
            with function.context:
                entries[QUANTIZED] = each.attribute()
        tables.append(ir.DictAttr.get(entries, function.context))
    function.attributes["arg_attrs"] = ir.ArrayAttr.get(tables, function.context)
