"""The pass ``precision``: makes the rounding of contractions explicit, ``precision{contract=bf16}``.

Every sum of products of two f32 tensors, matrix products and convolutions, QKᵀ and PV, gets its operands
rounded to bf16 (to nearest, ties to even) by conversion Einsums, ``X_bf16[b,s,d] = to_float(X[b,s,d])``, and
sums in f32 as before. Everything between stays f32. A parameter that only such sums read becomes one of bf16,
so that it is rounded once, at compile time; where something else reads it too, a parameter ``NAME.bf16`` is
added. Contractions with quantized weights keep those; a linear layer with packed ones can have its tokens
rounded, ``precision{tokens=bf16}``, for kernels that multiply codes by bf16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from numpy.typing import NDArray

from ..ir.bfloat16 import encode
from ..ir.build import EinsumView, build_einsum, is_einsum, tensor_type
from ..ir.cascade import FUSED, shape_of, walk
from ..ir.einsum import Access, Einsum, Index
from ..ir.entries import KIND, NAME, ROUNDED, arguments, is_param, text_attribute
from ..ir.errors import InputError, PassError
from ..ir.linear import packed_layer
from ..ir.mlir import func, ir
from ..ir.quantized import Quantization, mark_of
from ..ir.steps import CALL, VIEWS, body, callee, functions, is_entry, is_upstream, root
from .base import Pass

F32, BF16 = "f32", "bf16"
CONTRACTIONS = (BF16,)
"""What the operands of contractions may be rounded to."""
TOKENS = (F32, BF16)
"""What linear layers with packed weights may take their tokens in."""


@dataclass
class Precision(Pass):
    """The operands of contractions rounded to bf16; sums and everything else in f32.

    Attributes:
        contract: what operands of contractions are rounded to.
        tokens: what those of linear layers with packed weights (`ir.linear.packable`) are; f32: not at all.
    """

    name: ClassVar[str] = "precision"
    description: ClassVar[str] = "operands of contractions rounded to bf16, sums in f32"
    contract: str = BF16
    tokens: str = F32

    def run(self, module: ir.Module) -> ir.Module:
        """Round in every function of the model.

        Raises:
            PassError: another type, or a module that is fused already.
        """
        if self.contract not in CONTRACTIONS:
            accepted = ", ".join(CONTRACTIONS)
            raise PassError(
                f"contractions in '{self.contract}'", where="precision{contract}", accepted=accepted
            )
        if self.tokens not in TOKENS:
            accepted = ", ".join(TOKENS)
            raise PassError(f"tokens in '{self.tokens}'", where="precision{tokens}", accepted=accepted)
        if any(op.name == FUSED for op in walk(module.operation)):
            accepted = "relabel,simplify,precision,fuse,place"
            raise PassError("the module is fused already", where=self.name, accepted=accepted)
        table = {name: each for name, each in functions(module).items() if not is_upstream(each)}
        order = _callers_first(table)
        params = _parameters(table, order)
        handed: dict[str, _Handed] = {}
        with ir.Location.unknown(module.context):
            for name in reversed(order):
                handed[name] = _Rounding(table[name], params[name], handed, self.tokens == BF16).run()
        return module


def is_matrix_product(einsum: Einsum) -> bool:
    """Whether an Einsum sums products of two tensors over different ranks: a matrix product or a convolution.

    A sum of squares, or of products where both tensors have the same ranks, is none.
    """
    if (einsum.map, einsum.reduce) != ("mul", "sum") or len(einsum.accesses) != 2:
        return False
    one, other = (set(access.ranks) for access in einsum.accesses)
    return one != other


def round_params(module: ir.Module, params: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Parameters as a module takes them: those of bf16 as their bits, tied ones once.

    Args:
        module: its entries say which are of bf16.
        params: arrays by name.

    Raises:
        InputError: a parameter without values.
    """
    arrays, done = dict(params), dict[object, NDArray]()
    for function in functions(module).values():
        if not is_entry(function):
            continue
        for kind, table in zip(function.type.inputs, arguments(function), strict=True):
            name = text_attribute(table, NAME, "")
            if not is_param(table) or str(ir.RankedTensorType(kind).element_type) != BF16:
                continue
            source = text_attribute(table, ROUNDED, name)
            if source not in params:
                raise InputError("the parameter has no value", where=source, accepted="an array of float32")
            array = params[source]
            key = (array.__array_interface__["data"][0], array.shape, array.strides)
            if key not in done:
                done[key] = encode(array)
            arrays[name] = done[key]
    return arrays


def _callers_first(table: Mapping[str, func.FuncOp]) -> list[str]:
    """Functions by name, every one before those it calls."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in order or name not in table:
            return
        for op in body(table[name]):
            if op.name == CALL:
                visit(callee(op))
        order[name] = None

    for name in table:
        visit(name)
    return list(reversed(order))


def _parameters(table: Mapping[str, func.FuncOp], order: list[str]) -> dict[str, list[bool]]:
    """Per function, which of its arguments are parameters at every call."""
    params: dict[str, list[bool]] = {}
    for name in order:
        function = table[name]
        if is_entry(function):
            params[name] = [is_param(each) for each in arguments(function)]
        own = params.setdefault(name, [False] * len(function.arguments))
        known = {value: own[number] for number, value in enumerate(function.arguments)}
        for op in body(function):
            if op.name == CALL and callee(op) in table:
                passed = [known.get(root(value), False) for value in op.operands]
                before = params.setdefault(callee(op), passed)
                params[callee(op)] = [one and other for one, other in zip(before, passed, strict=True)]
    return params


@dataclass(frozen=True)
class _Handed:
    """What a function is handed rounded: arguments that became bf16, and those for which one was added."""

    retyped: tuple[int, ...] = ()
    added: tuple[int, ...] = ()


@dataclass
class _Rounding:
    """Rounds in one function.

    Attributes:
        function: changed in place.
        params: per argument, whether it is a parameter at every call.
        called: what the functions that it may call are handed, by name.
        tokens: whether linear layers with packed weights read their tokens rounded.
        halves: value → the value rounded.
        made: number of a parameter → the argument made for its rounded values.
    """

    function: func.FuncOp
    params: list[bool]
    called: Mapping[str, _Handed]
    tokens: bool
    halves: dict[ir.Value, ir.Value] = field(default_factory=dict)
    made: dict[int, ir.Value] = field(default_factory=dict)

    def run(self) -> _Handed:
        """Round; what the function is then to be handed."""
        self.numbers = {value: number for number, value in enumerate(self.function.arguments)}
        for op in list(body(self.function)):
            if is_einsum(op):
                self.contraction(EinsumView.of(op))
            elif op.name == CALL and callee(op) in self.called:
                self.call(op, self.called[callee(op)])
        return self.signature()

    def contraction(self, view: EinsumView) -> None:
        """Let a matrix product of f32 tensors read them rounded."""
        values = (*view.operands, view.result)
        if not is_matrix_product(view.einsum) or {_element(value) for value in values} != {F32}:
            return
        marked = [place for place, value in enumerate(view.operands) if self.mark(root(value)) is not None]
        if marked and not (self.tokens and self.packed(view, marked)):
            return
        names = [access.tensor for access in view.einsum.accesses]
        for place, (access, value) in enumerate(zip(view.einsum.accesses, view.operands, strict=True)):
            if place not in marked:
                view.op.operands[place] = self.half(value, access)
                names[place] = _named(access.tensor)
        einsum = view.einsum.with_tensors(view.einsum.output.tensor, names)
        view.op.attributes["expr"] = ir.StringAttr.get(str(einsum))

    def mark(self, owner: ir.Value) -> Quantization | None:
        """How an argument is quantized."""
        return mark_of(self.function, self.numbers[owner]) if owner in self.numbers else None

    def packed(self, view: EinsumView, marked: Sequence[int]) -> bool:
        """Whether a product is a linear layer of a parameter that is stored packed."""
        (place, *others) = marked
        mark = self.mark(view.operands[place])  # a view of a parameter has none
        return not others and packed_layer(view, place, mark) is not None

    def half(self, value: ir.Value, access: Access) -> ir.Value:
        """A value rounded: a bf16 parameter, else a conversion where the value is made."""
        if value not in self.halves:
            number = self.numbers.get(root(value))
            if number is not None and self.params[number]:
                return self.param(value)
            with _behind(value, self.function):
                self.halves[value] = build_einsum(_conversion(value, access), [value], element=BF16)
        return self.halves[value]

    def param(self, value: ir.Value) -> ir.Value:
        """A parameter, or a view of one, as an argument of bf16, or the same view of one."""
        if value not in self.halves:
            kind = tensor_type(shape_of(value), BF16)
            if value in self.numbers:
                block = self.function.entry_block
                self.halves[value] = block.add_argument(kind, ir.Location.unknown())
                self.made[self.numbers[value]] = self.halves[value]
            else:
                op = value.owner.operation
                source = self.param(op.operands[0])
                given = dict(op.attributes.items())
                with _behind(value, self.function):
                    self.halves[value] = ir.Operation.create(op.name, [kind], [source], given).results[0]
        return self.halves[value]

    def call(self, op: ir.Operation, handed: _Handed) -> None:
        """Hand a layer its rounded parameters."""
        operands = list(op.operands)
        more = [self.param(operands[number]) for number in handed.added]
        for number in handed.retyped:
            op.operands[number] = self.param(operands[number])
        if not more:
            return
        results = [value.type for value in op.results]
        given = dict(op.attributes.items())
        with ir.InsertionPoint(op):
            made = ir.Operation.create(CALL, results, [*op.operands, *more], given, loc=op.location)
        for old, new in zip(op.results, made.results, strict=True):
            old.replace_all_uses_with(new)
        op.erase()

    def signature(self) -> _Handed:
        """Parameters that nobody reads unrounded any more get the new type, the others one beside them."""
        for op in reversed(list(body(self.function))):
            if (
                op.name in VIEWS
                and op.results[0] in self.halves
                and not any(True for _ in op.results[0].uses)
            ):
                op.erase()
        block = self.function.entry_block
        tables = list(arguments(self.function))
        retyped, added = [], []
        for number, half in self.made.items():
            argument = block.arguments[number]
            if any(True for _ in argument.uses):
                added.append(number)
                tables.append(self.attributes(number, tables[number]))
                continue
            retyped.append(number)
            half.replace_all_uses_with(argument)
            argument.set_type(half.type)
            block.erase_argument(ir.BlockArgument(half).arg_number)
        inputs = [value.type for value in block.arguments]
        kind = ir.FunctionType.get(inputs, self.function.type.results)
        self.function.attributes["function_type"] = ir.TypeAttr.get(kind)
        if self.made:
            self.function.attributes["arg_attrs"] = ir.ArrayAttr.get(tables)
        return _Handed(tuple(retyped), tuple(added))

    def attributes(self, number: int, table: ir.DictAttr) -> ir.DictAttr:
        """Of an added argument: whose values it has."""
        name = text_attribute(table, NAME, f"arg{number}")
        texts = {KIND: "param", NAME: f"{name}.{BF16}", ROUNDED: name}
        return ir.DictAttr.get({key: ir.StringAttr.get(text) for key, text in texts.items()})


def _element(value: ir.Value) -> str:
    return str(ir.RankedTensorType(value.type).element_type)


def _named(tensor: str) -> str:
    return f"{tensor}_{BF16}"


def _conversion(value: ir.Value, access: Access) -> Einsum:
    """``X_bf16[b,s,d] = to_float(X[b,s,d])``, in the ranks in which the value is made or read."""
    owner = value.owner
    ranks: tuple[str | None, ...] = access.plain
    if not isinstance(owner, ir.Block) and is_einsum(owner):
        ranks = EinsumView.of(owner).einsum.output.plain
    if None in ranks or len(set(ranks)) != len(ranks):
        ranks = tuple(f"i{axis}" for axis in range(len(shape_of(value))))
    index = tuple(Index.of(rank) for rank in ranks if rank is not None)
    return Einsum(Access(_named(access.tensor), index), "to_float", (Access(access.tensor, index),))


def _behind(value: ir.Value, function: func.FuncOp) -> ir.InsertionPoint:
    """Where a value has just been made."""
    if isinstance(value.owner, ir.Block):
        return ir.InsertionPoint.at_block_begin(function.entry_block)
    return ir.InsertionPoint.after(value.owner)
