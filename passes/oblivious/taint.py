"""Where private values go, and every use of them that who sees addresses or control flow could see.

Arithmetic on whole tensors is fine: an Einsum reads and writes the same addresses whatever the values are.
What would show a value is an address, a branch, a count of steps or a shape that depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ...ir.build import string
from ...ir.cascade import walk
from ...ir.entries import NAME, arguments, is_state, text_attribute
from ...ir.errors import PrivateUse
from ...ir.mlir import func, ir
from ...ir.oblivious import LOOKUP
from ...ir.steps import (
    CALL,
    NODE,
    PUT,
    RETURN,
    ROWS,
    UPDATES,
    callee,
    functions,
    is_entry,
    is_upstream,
    returned,
    root,
    updated,
    viewed,
)

LOOK_UP = "a look-up of whole rows of one parameter, as torch.nn.Embedding does"
_PLAIN = "plain arithmetic on all elements, torch.where instead of a branch"
_STATIC = "the padded length of the entry point"
_PUBLIC = "a coordinate that is public, such as a position"

# Op → its first operand that is an address, a size or a condition, why, and what would be accepted.
_VISIBLE = {
    "tensor.extract": (1, "reads at an address made from it", LOOK_UP),
    "tensor.insert": (2, "writes to an address made from it", _PUBLIC),
    "tensor.extract_slice": (1, "reads at an address, or a shape, made from it", _STATIC),
    "tensor.insert_slice": (2, "writes to an address, or a shape, made from it", _STATIC),
    "tensor.empty": (0, "a shape that depends on it", _STATIC),
    "tensor.generate": (0, "a shape that depends on it", _STATIC),
    "tensor.pad": (1, "a shape that depends on it", _STATIC),
    "tensor.gather": (1, "reads at an address made from it", LOOK_UP),
    "tensor.scatter": (2, "writes to an address made from it", _PUBLIC),
    "scf.if": (0, "a branch on it", _PLAIN),
    "scf.while": (0, "a loop that ends by it", _STATIC),
    "scf.index_switch": (0, "a branch on it", _PLAIN),
    "cf.assert": (0, "stops the program by it", _PLAIN),
    "cf.cond_br": (0, "a branch on it", _PLAIN),
}

# Ops whose time and addresses do not depend on values (docs/oblivious.md says how far that goes on a CPU).
_DATA = frozenset(
    {
        *(
            "tensor.expand_shape",
            "tensor.collapse_shape",
            "tensor.cast",
            "tensor.concat",
            "tensor.from_elements",
        ),
        *("tensor.splat", "linalg.fill", "linalg.yield", "scf.yield", "scf.condition", "tensor.yield"),
        *("linalg.transpose", "linalg.broadcast", "linalg.copy", "tensor.dim", "bufferization.to_tensor"),
    }
)
_DATA_DIALECTS = ("arith", "math", "cascade", "tier")
_REGIONS = frozenset({"linalg.generic", "linalg.map", "linalg.reduce", "scf.for", "scf.if", "scf.while"})


@dataclass
class Taint:
    """The private values of a module.

    Attributes:
        module: read only.
        values: those found so far.
        uses: what would show one, in the order found.
    """

    module: ir.Module
    values: set[ir.Value] = field(default_factory=set)
    uses: dict[PrivateUse, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = functions(self.module)
        self._states_private: set[str] = set()

    def follow(self, sources: Iterable[ir.Value]) -> None:
        """Find everything that is made from these values, and every use that would show one."""
        self.values.update(sources)
        before = -1
        while before != len(self.values):  # layers, and states kept between runs, hand values back
            before = len(self.values)
            self.uses.clear()
            for function in self.table.values():
                if not is_upstream(function):
                    self._function(function)

    def _function(self, function: func.FuncOp) -> None:
        for op in function.entry_block.operations:
            self._op(op.operation, op.operation)
        if is_entry(function):
            self._states(function)

    def _states(self, function: func.FuncOp) -> None:
        """A state updated with a private value is private when the next run begins, of whichever entry."""
        held = {value: name for name, value in _states_of(function)}
        for value in returned(function):
            if value in self.values and updated(viewed(value)) is not None:
                self.values.add(root(value))
                self._states_private.add(held.get(root(value), ""))
        self.values.update(value for value, name in held.items() if name in self._states_private)

    def _op(self, op: ir.Operation, shown: ir.Operation) -> None:
        """Follow one op; `shown` is the op of the model that it belongs to."""
        private = [number for number, value in enumerate(op.operands) if value in self.values]
        if op.name in (CALL, "call"):
            self._call(op, private)
            return
        inside = self._captures(op)
        if not private and not inside:
            if op.name in _REGIONS:  # constants and index arithmetic inside it
                self._regions(op, shown)
            return
        self._check(op, private, shown)
        if op.name in _REGIONS:
            self._regions(op, shown)
        if op.name not in (RETURN, "cf.assert"):
            self.values.update(op.results)

    def _captures(self, op: ir.Operation) -> bool:
        """Whether an op's regions use a private value from around them."""
        return any(value in self.values for inner in walk(op) for value in inner.operands)

    def _check(self, op: ir.Operation, private: list[int], shown: ir.Operation) -> None:
        if op.name in _VISIBLE:
            first, reason, accepted = _VISIBLE[op.name]
            if any(number >= first for number in private):
                self._report(shown, reason, accepted)
        elif op.name == "scf.for":
            if any(number < 3 for number in private):
                self._report(shown, "a loop whose length depends on it", _STATIC)
        elif op.name == "cascade.iterate":
            if not _counts(op):
                self._report(shown, "a loop that ends by values", _STATIC)
        elif not (
            op.name in _DATA
            or op.name in _REGIONS
            or op.name == RETURN
            or op.name.partition(".")[0] in _DATA_DIALECTS
        ):
            self._report(shown, f"'{op.name}' is not known to treat all values alike", _PLAIN)

    def _regions(self, op: ir.Operation, shown: ir.Operation) -> None:
        """Into the regions: operands enter them as they are outside, results leave as they are yielded."""
        for region in op.regions:
            for block in region.blocks:
                for argument, value in zip(_entering(op, block), op.operands, strict=False):
                    if argument is not None and value in self.values:
                        self.values.add(argument)
                for inner in block.operations:
                    self._op(inner.operation, shown)
                    if inner.operation.name.endswith(".yield") and any(
                        value in self.values for value in inner.operation.operands
                    ):
                        self.values.update(op.results)

    def _call(self, op: ir.Operation, private: list[int]) -> None:
        function = self.table.get(callee(op))
        if function is None:
            if private:
                self._report(op, f"'{callee(op)}' has no body to look into", _PLAIN)
            return
        if LOOKUP in function.attributes or (ROWS in function.attributes and 1 in private):
            if private:  # whether the table is one of the map's, `lookups.find_sites` says
                self.values.update(op.results)
            return
        if is_upstream(function):
            self._upstream(op, function, private)
            return
        arguments = list(function.entry_block.arguments)
        self.values.update(arguments[number] for number in private)
        ends = list(list(function.entry_block.operations)[-1].operation.operands)
        self.values.update(
            result for result, value in zip(op.results, ends, strict=True) if value in self.values
        )

    def _upstream(self, op: ir.Operation, function: func.FuncOp, private: list[int]) -> None:
        """A function shared by calls: followed anew for each, with the operands that are private there."""
        if not private:
            return
        if PUT in function.attributes and 1 in private:
            self._report(op, "writes to an address made from it", _PUBLIC)
        alone = Taint(self.module, uses=self.uses)
        alone.values.update(function.entry_block.arguments[number] for number in private)
        for inner in function.entry_block.operations:
            alone._op(inner.operation, op)
        ends = list(list(function.entry_block.operations)[-1].operation.operands)
        for result, value in zip(op.results, ends, strict=True):
            if value in alone.values or (UPDATES in op.attributes and private):
                self.values.add(result)

    def _report(self, op: ir.Operation, reason: str, accepted: str) -> None:
        self.uses[PrivateUse(_name(op), source_of(op.location), reason, accepted)] = None


def _states_of(function: func.FuncOp) -> Iterator[tuple[str, ir.Value]]:
    """The states of an entry by name; all entries share them."""
    for value, table in zip(function.entry_block.arguments, arguments(function), strict=True):
        if is_state(table):
            yield text_attribute(table, NAME, ""), value


def _counts(op: ir.Operation) -> bool:
    """Whether an iteration ends after a number of generations that is known."""
    return bool(re.fullmatch(r"\w+ *(==|>=) *\w+", string(op, "until")))


def _entering(op: ir.Operation, block: ir.Block) -> list[ir.Value | None]:
    """The block argument that each operand enters by."""
    arguments: list[ir.Value | None] = list(block.arguments)
    if op.name == "scf.for":  # bounds and step, then what is carried; the first argument counts
        return [None, None, None, *arguments[1:]]
    return arguments if op.name != "scf.if" else []


def _name(op: ir.Operation) -> str:
    """An op as its model knows it: the callee or the op's name, and the node."""
    what = callee(op) if op.name == CALL else op.name
    return f"{what} ({string(op, NODE)})" if NODE in op.attributes else what


_FILE_LINE: Callable[[str], re.Match[str] | None] = re.compile(r'"([^"]+)":(\d+)').search


def source_of(location: ir.Location) -> str:
    """``file:line`` of an op, or what is known of it."""
    text = str(location).removeprefix("loc(").removesuffix(")")
    found = _FILE_LINE(text)
    if not found:
        return text.strip('"')
    return f"line {found[2]}" if found[1] == "-" else f"{found[1]}:{found[2]}"  # "-": the module's own text
