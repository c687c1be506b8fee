"""The body of one function while it is raised: emits Einsums, free views and calls at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..ir.build import build_einsum
from ..ir.einsum import Access, Coord, Einsum, Index, Literal, Operand
from ..ir.mlir import ir
from ..ir.operators import MAPS
from .reshape import grouping, rank_hints, split
from .tensor import At, Number, Tensor, camel, distinct, element, literal, size_of, to_index
from .upstream import Library


class NoForm(Exception):
    """This use of an op has no Einsum form; the argument says why."""


@dataclass
class Body:
    """Where Einsums go: the current insertion point.

    Attributes:
        library: the module's upstream functions.
        node: name of the FX node being raised.
        location: of the ops made for it.
        dtype: element type of its (first) result.
        shape: shape of its (first) result.
        states: tensors that are updated in place.
    """

    library: Library
    node: str = "value"
    location: ir.Location | None = None
    dtype: torch.dtype = torch.float32
    shape: tuple[int, ...] = ()
    states: set[ir.Value] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._views: dict[tuple[ir.Value, tuple[int, ...]], ir.Value] = {}

    # -- Einsums ---------------------------------------------------------------------------------------

    def einsum(
        self,
        out: Sequence[str],
        operator: str,
        *operands: At | Number | Coord,
        reduce: str | None = None,
        over: Sequence[str] = (),
        extents: Mapping[str, int] | None = None,
        dtype: torch.dtype | None = None,
        name: str | None = None,
    ) -> Tensor:
        """One Einsum: ``out = reduce[over] operator(operands)``.

        Args:
            out: ranks of the result.
            operator: a map operator of `ir.operators`.
            operands: tensors at indices, literals, coordinates.
            reduce: a reduce operator; by default a sum when `over` names ranks.
            over: ranks folded away.
            extents: of ranks that no operand has as a plain index.
            dtype: of the result; by default the last operand's that is not a truth value.
            name: of the result in the notation; by default the node's.
        """
        named: dict[str, ir.Value] = {}
        values: list[ir.Value] = []
        written: list[Operand] = []
        known = dict(extents or {})
        for operand in operands:
            if not isinstance(operand, At):
                written.append(operand if isinstance(operand, Coord) else Literal(operand))
                continue
            for index, extent in zip(operand.index, operand.tensor.shape, strict=True):
                if index.plain is not None:
                    known.setdefault(index.plain, extent)
            form = _without_memory(operand)
            if form is not None:
                written.append(form)
                continue
            tensor = self.materialised(operand.tensor)
            assert tensor.value is not None
            label = _label(tensor, named)
            named[label] = tensor.value
            values.append(tensor.value)
            written.append(Access(label, operand.index))
        fold = (reduce or "sum") if over else None
        target = Access(self._result_name(name, named), tuple(Index.of(rank) for rank in out))
        einsum = Einsum(target, operator, tuple(written), fold, tuple(over))
        shape = tuple(known[rank] for rank in out)
        kind = dtype or _result_type(operator, operands)
        value = build_einsum(einsum, values, shape=shape, element=element(kind), location=self.location)
        return Tensor(shape, kind, value, name=target.tensor, ranks=tuple(out))

    def _result_name(self, name: str | None, taken: Mapping[str, ir.Value]) -> str:
        wanted = name or camel(self.node)
        while wanted in taken:
            wanted += "n"
        return wanted

    def materialised(self, tensor: Tensor) -> Tensor:
        """The tensor with an IR value, made now if it had none."""
        if tensor.value is not None:
            return tensor
        ranks = distinct(tensor.rank_names)
        extents = dict(zip(ranks, tensor.shape, strict=True))
        assert tensor.form is not None
        form = tensor.form.value if isinstance(tensor.form, Literal) else _placed(tensor.form, ranks)
        return self.einsum(ranks, "id", form, extents=extents, dtype=tensor.dtype)

    def value(self, tensor: Tensor) -> ir.Value:
        """The tensor's IR value."""
        value = self.materialised(tensor).value
        assert value is not None
        return value

    # -- pointwise -------------------------------------------------------------------------------------

    def map(
        self,
        operator: str,
        *operands: Tensor | Number,
        dtype: torch.dtype | None = None,
        name: str | None = None,
    ) -> Tensor:
        """A map operator over broadcast operands (already of the right element types)."""
        tensors = [operand for operand in operands if isinstance(operand, Tensor)]
        shape = tuple(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
        kind = dtype or _result_type(operator, operands)
        folded = _folded(operator, operands, kind, shape)
        if folded is None and operator in _IDENTITY:
            folded = _neutral(operator, operands, shape)
        if folded is not None:
            return folded
        ranks = _broadcast_ranks(tensors, shape)
        placed = [
            operand.at(_aligned(operand.shape, shape, ranks)) if isinstance(operand, Tensor) else operand
            for operand in operands
        ]
        extents = dict(zip(ranks, shape, strict=True))
        return self.einsum(ranks, operator, *placed, extents=extents, dtype=kind, name=name)

    def cast(self, tensor: Tensor, dtype: torch.dtype, name: str | None = None) -> Tensor:
        """The tensor in another element type, as PyTorch converts."""
        if tensor.dtype == dtype:
            return tensor
        if isinstance(tensor.form, Literal):
            return literal(tensor.form.value, dtype, tensor.shape)
        if isinstance(tensor.form, Coord) and _fits(tensor.form, tensor.shape, dtype):
            return replace(tensor, dtype=dtype)
        operator = "to_float" if dtype.is_floating_point else "to_bool" if dtype == torch.bool else "to_int"
        return self.map(operator, tensor, dtype=dtype, name=name)

    # -- views -----------------------------------------------------------------------------------------

    def reshape(self, tensor: Tensor, shape: Sequence[int], ranks: Sequence[str] | None = None) -> Tensor:
        """The same elements, row-major, under another shape; free (merge and split of dimensions).

        Args:
            tensor: of any shape with as many elements.
            shape: the new extents.
            ranks: what to call the new dimensions; by default named after the old ones.
        """
        target = tuple(shape)
        hints = tuple(ranks) if ranks is not None else rank_hints(tensor.shape, target, tensor.rank_names)
        if target == tensor.shape:
            return replace(tensor, ranks=hints)
        if isinstance(tensor.form, Literal):
            return tensor.reshaped(target, hints, None)
        if isinstance(tensor.form, Coord):
            moved = _moved_units(tensor, target)
            if moved is not None:
                return replace(moved, ranks=hints)
        value = self._viewed(self.value(tensor), tensor.shape, target, element(tensor.dtype))
        return replace(tensor, shape=target, ranks=hints, value=value, form=None)

    def _viewed(
        self, value: ir.Value, source: tuple[int, ...], target: tuple[int, ...], kind: str
    ) -> ir.Value:
        known = self._views.get((value, target))
        if known is not None:
            return known
        middle = tuple(size_of(source[place] for place in merged) for merged, _ in grouping(source, target))
        result = value
        if middle != source:
            pairs = [merged for merged, _ in grouping(source, target)]
            result = split(result, "tensor.collapse_shape", middle, pairs, kind, self.location)
        if middle != target:
            pairs = [parts for _, parts in grouping(source, target)]
            result = split(result, "tensor.expand_shape", target, pairs, kind, self.location)
        self._views[value, target] = result
        return result


def _fits(coord: Coord, shape: Sequence[int], dtype: torch.dtype) -> bool:
    """Whether a coordinate is a whole number of that type at every point."""
    if dtype.is_floating_point or dtype == torch.bool:
        return False
    low, high = coord.index.bounds({str(place): extent for place, extent in enumerate(shape)})
    return torch.iinfo(dtype).min <= low and high <= torch.iinfo(dtype).max


def _label(tensor: Tensor, named: Mapping[str, ir.Value]) -> str:
    """The tensor's name in one Einsum: one name per value."""
    label, count = tensor.name, 1
    while label in named and named[label] != tensor.value:
        count += 1
        label = f"{tensor.name}_{count}"
    return label


def _without_memory(operand: At) -> Literal | Coord | None:
    form = operand.tensor.form
    return form if form is None or isinstance(form, Literal) else _placed(form, operand.index)


def _placed(coord: Coord, index: Sequence[Index | str]) -> Coord:
    """A coordinate over numbered dimensions, read at indices."""
    table = {str(place): to_index(item) for place, item in enumerate(index)}
    return Coord(coord.index.substitute(table))


def _result_type(operator: str, operands: Sequence[At | Tensor | Number | Coord]) -> torch.dtype:
    kind = MAPS[operator].kind
    if kind == "bool":
        return torch.bool
    if kind == "int":
        return torch.int64
    types = [
        operand.tensor.dtype if isinstance(operand, At) else operand.dtype
        for operand in operands
        if isinstance(operand, At | Tensor)
    ]
    numeric = [dtype for dtype in types if dtype != torch.bool]
    if numeric:
        return numeric[-1]
    return types[-1] if types else torch.float32


def _aligned(shape: Sequence[int], wide: Sequence[int], ranks: Sequence[str]) -> list[Index]:
    """Indices of an operand broadcast to a wider shape, aligned at the last dimension."""
    offset = len(wide) - len(shape)
    return [
        Index((), 0) if extent == 1 and wide[offset + place] != 1 else Index.of(ranks[offset + place])
        for place, extent in enumerate(shape)
    ]


def _broadcast_ranks(tensors: Sequence[Tensor], shape: tuple[int, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for place, extent in enumerate(shape):
        behind = len(shape) - place
        names.append(
            next(
                (
                    tensor.rank_names[-behind]
                    for tensor in sorted(tensors, key=lambda tensor: (not tensor.ranks, -len(tensor.shape)))
                    if len(tensor.shape) >= behind and tensor.shape[-behind] == extent
                ),
                f"i{place}",
            )
        )
    return distinct(names)


def _moved_units(tensor: Tensor, target: tuple[int, ...]) -> Tensor | None:
    """A coordinate tensor whose reshape only adds or drops dimensions of extent 1; None otherwise."""
    source = [(str(place), extent) for place, extent in enumerate(tensor.shape) if extent != 1]
    wanted = [(str(place), extent) for place, extent in enumerate(target) if extent != 1]
    if [extent for _, extent in source] != [extent for _, extent in wanted]:
        return None
    assert isinstance(tensor.form, Coord)
    table = {old: Index.of(new) for (old, _), (new, _) in zip(source, wanted, strict=True)}
    units = {str(place): Index() for place, extent in enumerate(tensor.shape) if extent == 1}
    return replace(tensor, shape=target, form=Coord(tensor.form.index.substitute({**units, **table})))


def _folded(
    operator: str, operands: Sequence[Tensor | Number], dtype: torch.dtype, shape: tuple[int, ...]
) -> Tensor | None:
    """The result where it needs no memory: constants of constants, sums of coordinates."""
    forms: list[Literal | Coord] = []
    for operand in operands:
        form = operand.form if isinstance(operand, Tensor) else Literal(operand)
        if form is None:
            return None
        offset = len(shape) - (len(operand.shape) if isinstance(operand, Tensor) else 0)
        if isinstance(form, Coord):
            assert isinstance(operand, Tensor)
            form = (
                _placed(form, _aligned(operand.shape, shape, [str(place) for place in range(len(shape))]))
                if offset or operand.shape != shape
                else form
            )
        forms.append(form)
    if all(isinstance(form, Literal) for form in forms) and (operator, dtype.is_floating_point) != (
        "pow",
        False,
    ):
        with np.errstate(all="ignore"):
            values = [np.asarray(form.value) for form in forms if isinstance(form, Literal)]
            return literal(MAPS[operator].evaluate(*values).item(), dtype, shape)
    if operator in _ORDER:
        return _decided(operator, forms, shape)
    if operator not in ("add", "sub", "mul") or dtype.is_floating_point:
        return None
    combined = _combined(operator, *forms)
    return None if combined is None else Tensor(shape, dtype, form=Coord(combined))


# Truth values that change nothing under an operator.
_IDENTITY = {"and": True, "or": False}


def _neutral(operator: str, operands: Sequence[Tensor | Number], shape: tuple[int, ...]) -> Tensor | None:
    """The other operand, where one is the operator's identity and the shape stays."""
    for one, other in (operands, tuple(reversed(operands))):
        value = one.form.value if isinstance(one, Tensor) and isinstance(one.form, Literal) else one
        if value is _IDENTITY[operator] and isinstance(other, Tensor) and other.shape == shape:
            return other
    return None


_ORDER = ("lt", "gt", "le", "ge", "eq", "ne")


def _decided(operator: str, forms: Sequence[Literal | Coord], shape: tuple[int, ...]) -> Tensor | None:
    """A comparison of coordinates that comes out the same at every point."""
    numbers = [form.value for form in forms if isinstance(form, Literal)]
    if not all(isinstance(number, int) for number in numbers):
        return None
    difference = _combined("sub", *forms)
    assert difference is not None
    low, high = difference.bounds({str(place): extent for place, extent in enumerate(shape)})
    ends = {bool(MAPS[operator].evaluate(end, 0)) for end in (low, high)}
    same = len(ends) == 1 and (operator not in ("eq", "ne") or low == high or low > 0 or high < 0)
    return literal(ends.pop(), torch.bool, shape) if same else None


def _combined(operator: str, left: Literal | Coord, right: Literal | Coord) -> Index | None:
    one, two = (
        form.index if isinstance(form, Coord) else Index((), int(form.value)) for form in (left, right)
    )
    if operator == "mul":
        if one.terms and two.terms:
            return None
        factor, scaled = (one.const, two) if not one.terms else (two.const, one)
        return Index(
            tuple((rank, coeff * factor) for rank, coeff in scaled.terms if factor), scaled.const * factor
        )
    sign = -1 if operator == "sub" else 1
    total = dict(one.terms)
    for rank, coeff in two.terms:
        total[rank] = total.get(rank, 0) + sign * coeff
    terms = tuple((rank, coeff) for rank, coeff in total.items() if coeff)
    return Index(terms, one.const + sign * two.const)
