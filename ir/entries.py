"""The entry points a module declares: its public functions, their inputs and outputs as people know them.

Attributes of an entry's arguments: ``penstock.name``, ``penstock.kind`` (``input``, ``state`` or ``param``),
for a parameter that stands for another one rounded to bf16 ``penstock.rounded`` (the other's name), and for
inputs ``penstock.ranks`` (per axis the ragged rank, ``""`` for a fixed extent), ``penstock.pad`` and
``penstock.below`` (a bound of its numbers). Of its results: ``penstock.name`` and ``penstock.ranks``. States
come behind the inputs and are kept between runs; a result that is one, updated in place, is no output.
"""

from __future__ import annotations

from .dtypes import BY_MLIR, lookup
from .mlir import func, ir
from .signature import Entry, Scalar, TensorSpec
from .steps import functions, is_entry, updates

KIND = "penstock.kind"
NAME = "penstock.name"
RANKS = "penstock.ranks"
PAD = "penstock.pad"
ROUNDED = "penstock.rounded"
BELOW = "penstock.below"
STATE = "state"


def text_attribute(table: ir.DictAttr, name: str, default: str) -> str:
    """One string attribute of an argument or result."""
    return ir.StringAttr(table[name]).value if name in table else default


def tables(function: func.FuncOp, which: str, count: int) -> list[ir.DictAttr]:
    """The attributes of all arguments (``arg_attrs``) or results (``res_attrs``) of a function."""
    if which not in function.attributes:
        return [ir.DictAttr.get({}, function.context)] * count
    return [ir.DictAttr(table) for table in ir.ArrayAttr(function.attributes[which])]


def arguments(function: func.FuncOp) -> list[ir.DictAttr]:
    """The attributes of each argument of a function."""
    return tables(function, "arg_attrs", len(function.type.inputs))


def is_param(table: ir.DictAttr) -> bool:
    """Whether an argument with these attributes is a parameter."""
    return text_attribute(table, KIND, "input") == "param"


def is_state(table: ir.DictAttr) -> bool:
    """Whether an argument with these attributes is a state."""
    return text_attribute(table, KIND, "input") == STATE


def _pad(table: ir.DictAttr) -> Scalar:
    if PAD not in table:
        return 0
    attribute = table[PAD]
    if isinstance(attribute, ir.BoolAttr | ir.IntegerAttr | ir.FloatAttr):
        return attribute.value
    return 0


def _spec(kind: ir.Type, table: ir.DictAttr, default: str) -> TensorSpec:
    tensor = ir.RankedTensorType(kind)
    ranks: tuple[str | None, ...] = (None,) * tensor.rank
    if RANKS in table:
        ranks = tuple(ir.StringAttr(rank).value or None for rank in ir.ArrayAttr(table[RANKS]))
    dtype = lookup(BY_MLIR, str(tensor.element_type)).numpy
    below = ir.IntegerAttr(table[BELOW]).value if BELOW in table else None
    name = text_attribute(table, NAME, default)
    return TensorSpec(name, dtype, tuple(tensor.shape), ranks, _pad(table), below)


def read_entries(module: ir.Module) -> list[Entry]:
    """The entry points of a module, in order."""
    return [_entry(name, function) for name, function in functions(module).items() if is_entry(function)]


def _entry(name: str, function: func.FuncOp) -> Entry:
    results = function.type.results
    given = enumerate(zip(function.type.inputs, arguments(function), strict=True))
    brought = [(number, kind, table) for number, (kind, table) in given if not is_param(table)]
    specs = [(_spec(kind, table, f"input{number}"), is_state(table)) for number, kind, table in brought]
    in_place = updates(function.entry_block)
    outputs = [
        _spec(kind, table, f"output{number}")
        for number, (kind, table) in enumerate(
            zip(results, tables(function, "res_attrs", len(results)), strict=True)
        )
        if in_place[number] < 0
    ]
    inputs, states = (tuple(spec for spec, state in specs if state is wanted) for wanted in (False, True))
    return Entry(name, inputs, tuple(outputs), states)
