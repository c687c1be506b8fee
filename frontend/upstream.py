"""What is not an Einsum: private functions of upstream MLIR, called by name.

Look-ups and ragged concatenation are a ``linalg.generic`` that extracts; any other op goes through
torch-mlir. One function serves every use of the same op on the same types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..ir.mlir import ir
from ..ir.steps import PUT, ROWS, UPDATES
from .tensor import Tensor, camel, element

if TYPE_CHECKING:
    from .body import Body


@dataclass(frozen=True)
class At:
    """A coordinate read from an index tensor, whose dimensions are output dimensions (None: coordinate 0)."""

    index: Tensor
    read: tuple[int | None, ...]


Place = At | int


@dataclass
class Library:
    """The upstream functions of one module.

    Attributes:
        module: where they live.
        symbols: text of a function → its symbol.
        lowered: op and types of its arguments → what torch-mlir made of it.
    """

    module: ir.Module
    symbols: dict[str, str] = field(default_factory=dict)
    lowered: dict[tuple[str, str], str] = field(default_factory=dict)

    def symbol(self, hint: str, text: str) -> str:
        """Symbol of the function with this text, added to the module when it is new.

        Args:
            hint: what to call it.
            text: one function, under any name.
        """
        known = self.symbols.get(text)
        if known is not None:
            return known
        name, count = hint, 1
        while name in self.symbols.values():
            count += 1
            name = f"{hint}_{count}"
        self.symbols[text] = name
        with self.module.context:
            parsed = ir.Module.parse(text)
            function = parsed.body.operations[0].operation
            function.attributes["sym_name"] = ir.StringAttr.get(name)
            function.attributes["penstock.upstream"] = ir.UnitAttr.get()
            function.attributes["sym_visibility"] = ir.StringAttr.get("private")
            function.clone(ip=ir.InsertionPoint(self.module.body))
        return name


def tensor_text(shape: Sequence[int], kind: str) -> str:
    """``tensor<2x3xf32>``."""
    return f"tensor<{'x'.join(map(str, (*shape, kind)))}>"


def _type(tensor: Tensor) -> str:
    return tensor_text(tensor.shape, element(tensor.dtype))


def call(body: Body, symbol: str, operands: Sequence[Tensor], results: Sequence[Tensor]) -> list[Tensor]:
    """Call an upstream function; `results` say what comes back."""
    with body.library.module.context:
        types = [ir.Type.parse(_type(result)) for result in results]
        callee = {"callee": ir.FlatSymbolRefAttr.get(symbol)}
        made = ir.Operation.create(
            "func.call", types, [body.value(operand) for operand in operands], callee, loc=body.location
        )
    return [replace(result, value=value) for result, value in zip(results, made.results, strict=True)]


def put(body: Body, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """The state `x` with the source's slices at the listed coordinates of a dimension, the last one staying.

    Coordinates out of range put nothing. The result is `x` itself, updated in place.
    """
    operands = [x, body.materialised(index), body.materialised(source)]
    count, kind, state = len(x.shape), element(x.dtype), _type(x)
    slices = _map(count + 1, [count if place == dim else place for place in range(count)])
    maps = f"{_map(count + 1, [count])}, {slices}, {_map(count + 1, range(count))}"
    loops = ", ".join([*['"parallel"'] * count, '"reduction"'])
    index_kind = element(index.dtype)
    text = f"""
func.func private @FUNCTION(%state: {state}, %index: {_type(index)}, %slices: {_type(source)}) -> {state}
    attributes {{{PUT} = {dim} : i64}} {{
  %result = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{loops}]}}
      ins(%index, %slices : {_type(index)}, {_type(source)}) outs(%state : {state}) {{
  ^bb0(%at: {index_kind}, %new: {kind}, %old: {kind}):
    %place = arith.index_cast %at : {index_kind} to index
    %here = linalg.index {dim} : index
    %hit = arith.cmpi eq, %place, %here : index
    %value = arith.select %hit, %new, %old : {kind}
    linalg.yield %value : {kind}
  }} -> {state}
  return %result : {state}
}}"""
    made = call(body, body.library.symbol("put", text), operands, [x])[0]
    assert made.value is not None
    made.value.owner.attributes[UPDATES] = ir.DenseI64ArrayAttr.get([0])
    body.states.add(made.value)
    return made


def _map(count: int, read: Sequence[int | None]) -> str:
    dims = ", ".join(f"d{place}" for place in range(count))
    return f"affine_map<({dims}) -> ({', '.join('0' if place is None else f'd{place}' for place in read)})>"


def gather(body: Body, source: Tensor, places: Sequence[Place], shape: tuple[int, ...]) -> Tensor:
    """``out[d0,d1,…] = source[places]``, each place an output dimension or a number read from a tensor.

    A negative number counts from the end. One out of range reads NaN (0 for whole numbers). Where the places
    are a row and all that is in it, the function is marked as a look-up of rows.
    """
    indices = [place for place in places if isinstance(place, At)]
    source = body.materialised(source)
    operands = [source, *(body.materialised(place.index) for place in indices)]
    count, kind = len(shape), element(source.dtype)
    out = tensor_text(shape, kind)
    arguments = ", ".join(f"%arg{place}: {_type(operand)}" for place, operand in enumerate(operands))
    read = [f"%arg{place}" for place in range(1, len(operands))]
    maps = ", ".join([_map(count, place.read) for place in indices] + [_map(count, range(count))])
    block = ", ".join(
        [f"%in{place}: {element(at.index.dtype)}" for place, at in enumerate(indices)] + [f"%out: {kind}"]
    )
    loops = ", ".join(['"parallel"'] * count)
    lines, coordinates, valid = _coordinates(places, source.shape)
    missing = _missing(kind)
    mark = f" attributes {{{ROWS}}}" if _whole_rows(places, source.shape, shape) else ""
    text = f"""
func.func private @FUNCTION({arguments}) -> {out}{mark} {{
  %empty = tensor.empty() : {out}
  %result = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{loops}]}}
      ins({", ".join(read)} : {", ".join(_type(operand) for operand in operands[1:])}) outs(%empty : {out}) {{
  ^bb0({block}):
    {lines}
    %element = tensor.extract %arg0[{", ".join(coordinates)}] : {_type(source)}
    %missing = arith.constant {missing}
    %value = arith.select {valid}, %element, %missing : {kind}
    linalg.yield %value : {kind}
  }} -> {out}
  return %result : {out}
}}"""
    result = Tensor(shape, source.dtype, name=camel(body.node))
    return call(body, body.library.symbol("gather", text), operands, [result])[0]


def _whole_rows(places: Sequence[Place], source: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether the first place is read from an index of the leading dimensions, the others their own."""
    first = places[0]
    if not isinstance(first, At):
        return False
    count = len(first.index.shape)
    own = list(range(count, count + len(source) - 1))
    return (
        list(first.read) == list(range(count)) and list(places[1:]) == own and len(shape) == len(own) + count
    )


def _missing(kind: str) -> str:
    """What a look-up out of range gives."""
    quiet = {"f16": "0x7E00", "f32": "0x7FC00000", "f64": "0x7FF8000000000000"}
    return "false" if kind == "i1" else f"{quiet.get(kind, '0')} : {kind}"


def _coordinates(places: Sequence[Place], extents: Sequence[int]) -> tuple[str, list[str], str]:
    """Lines that work out every coordinate of the source, their names, and the truth value of all valid."""
    lines = ["%zero = arith.constant 0 : index"]
    names: list[str] = []
    valid = ""
    read = 0
    for dim, (place, extent) in enumerate(zip(places, extents, strict=True)):
        if isinstance(place, int):
            lines.append(f"%c{dim} = linalg.index {place} : index")
            names.append(f"%c{dim}")
            continue
        lines += [
            f"%i{dim} = arith.index_cast %in{read} : {element(place.index.dtype)} to index",
            f"%n{dim} = arith.constant {extent} : index",
            f"%low{dim} = arith.cmpi slt, %i{dim}, %zero : index",
            f"%up{dim} = arith.addi %i{dim}, %n{dim} : index",
            f"%w{dim} = arith.select %low{dim}, %up{dim}, %i{dim} : index",
            f"%valid{dim} = arith.cmpi ult, %w{dim}, %n{dim} : index",
            f"%c{dim} = arith.select %valid{dim}, %w{dim}, %zero : index",
        ]
        names.append(f"%c{dim}")
        read += 1
        if valid:
            lines.append(f"%all{dim} = arith.andi {valid}, %valid{dim} : i1")
        valid = f"%all{dim}" if valid else f"%valid{dim}"
    return "\n    ".join(lines), names, valid


def concat(body: Body, pieces: Sequence[Tensor], dim: int) -> Tensor:
    """Pieces of any lengths one after the other along a dimension."""
    count, kind = len(pieces[0].shape), element(pieces[0].dtype)
    total = sum(piece.shape[dim] for piece in pieces)
    shape = (*pieces[0].shape[:dim], total, *pieces[0].shape[dim + 1 :])
    out = tensor_text(shape, kind)
    arguments = ", ".join(f"%arg{place}: {_type(piece)}" for place, piece in enumerate(pieces))
    loops = ", ".join(['"parallel"'] * count)
    text = f"""
func.func private @FUNCTION({arguments}) -> {out} {{
  %empty = tensor.empty() : {out}
  %result = linalg.generic {{indexing_maps = [{_map(count, range(count))}], iterator_types = [{loops}]}}
      outs(%empty : {out}) {{
  ^bb0(%out: {kind}):
    %zero = arith.constant 0 : index
    {_pieces(pieces, dim)}
    linalg.yield %value{len(pieces) - 1} : {kind}
  }} -> {out}
  return %result : {out}
}}"""
    result = Tensor(shape, pieces[0].dtype, name=camel(body.node), ranks=pieces[0].ranks)
    return call(body, body.library.symbol("concat", text), pieces, [result])[0]


def _pieces(pieces: Sequence[Tensor], dim: int) -> str:
    """Each piece read at a coordinate held inside it; the last piece that has begun is the one."""
    kind = element(pieces[0].dtype)
    lines = [f"%d{place} = linalg.index {place} : index" for place in range(len(pieces[0].shape))]
    start = 0
    for place, piece in enumerate(pieces):
        here = [f"%h{place}" if at == dim else f"%d{at}" for at in range(len(piece.shape))]
        lines += [
            f"%s{place} = arith.constant {start} : index",
            f"%m{place} = arith.constant {piece.shape[dim] - 1} : index",
            f"%r{place} = arith.subi %d{dim}, %s{place} : index",
            f"%p{place} = arith.maxsi %r{place}, %zero : index",
            f"%h{place} = arith.minsi %p{place}, %m{place} : index",
            f"%x{place} = tensor.extract %arg{place}[{', '.join(here)}] : {_type(piece)}",
        ]
        if place:
            lines.append(f"%b{place} = arith.cmpi sge, %d{dim}, %s{place} : index")
            before = f"%value{place - 1}" if place > 1 else "%x0"
            lines.append(f"%value{place} = arith.select %b{place}, %x{place}, {before} : {kind}")
        start += piece.shape[dim]
    return "\n    ".join(lines)
