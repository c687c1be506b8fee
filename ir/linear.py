"""Linear layers among contractions: ``y[t, n] = Σ_d x[t, d] · w[n, d]``, wherever their numbers lie.

A contraction such as ``Y[b,h,s,e] = sum[d] mul(X[b,s,d], W[h*64+e,d])`` is a linear layer if its weight's
rows, in order, are the channels, and its columns, in order, the inputs. What is left is where each token,
input and channel lies in the other tensors: a stride for each of a few axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .bitmod_format import FORMATS, GROUP_SIZE
from .build import EinsumView
from .cascade import EINSUM, FUSED, YIELD, shape_of
from .einsum import Access, Einsum, Index, solve_extents
from .formats import lookup
from .mlir import func, ir
from .quantized import Quantization, mark_of
from .weights import aligned

MOST_AXES = 4
IMAGE_ROWS = 16
"""Rows that lie side by side in an image of packed weights, filled up with zeros."""


@dataclass(frozen=True)
class Axis:
    """Coordinates 0 … extent − 1 of tokens, inputs or channels: strides in `x` and `y`, in elements."""

    extent: int
    x: int
    y: int


@dataclass(frozen=True)
class Linear:
    """A linear layer by the places of its numbers, axes outermost first.

    Attributes:
        tokens: axes of both x and y.
        inputs: axes of x.
        channels: axes of y.
        first: the weight matrix's row of the first channel.
        x_start: element of x where the first input of the first token lies.
    """

    tokens: tuple[Axis, ...]
    inputs: tuple[Axis, ...]
    channels: tuple[Axis, ...]
    first: int
    x_start: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many tokens, inputs and channels."""
        tokens, inputs, channels = (
            math.prod(axis.extent for axis in axes) for axes in (self.tokens, self.inputs, self.channels)
        )
        return tokens, inputs, channels


def packable(mark: Quantization) -> bool:
    """Whether weights of this mark have packed kernels: BitMoD's own data types, groups and scales."""
    return mark.format in FORMATS and mark.group == GROUP_SIZE and mark.scale_bits == 8


def read_linear(
    einsum: Einsum, shapes: Sequence[Sequence[int]], output: Sequence[int], place: int, mark: Quantization
) -> Linear | None:
    """The linear layer that a contraction is, or None.

    Args:
        einsum: the contraction.
        shapes: of its operands.
        output: shape of its result.
        place: which operand is the weight, 0 or 1.
        mark: how the weight is quantized; says which axes are channels.
    """
    if (einsum.map, einsum.reduce, len(einsum.operands), len(einsum.accesses)) != ("mul", "sum", 2, 2):
        return None
    extents = solve_extents(einsum, shapes, output)
    weight, x = einsum.accesses[place], einsum.accesses[1 - place]
    shape = shapes[place]
    rest = [axis for axis in range(len(shape)) if axis not in mark.channels]
    rows = _flat(weight, shape, mark.channels)
    columns = _flat(weight, shape, rest)
    at_x, at_y = (_flat(access, sizes) for access, sizes in ((x, shapes[1 - place]), (einsum.output, output)))
    channels, inputs = _counting(rows, extents), _counting(columns, extents)
    tokens = [rank for rank in einsum.output.ranks if rank not in rows.ranks]
    whole = math.prod(shape[axis] for axis in rest)
    if (
        channels is None
        or inputs is None
        or set(inputs) != set(einsum.reduced)
        or not set(channels) <= set(einsum.output.ranks)
        or set(at_x.ranks) - set(inputs) - set(tokens)
        or (columns.const, math.prod(extents[rank] for rank in inputs)) != (0, whole)
        or not _inside(x, shapes[1 - place], extents)
        or not _inside(weight, shape, extents)
    ):
        return None
    axes = [_axes(ranks, extents, at_x, at_y) for ranks in (tokens, inputs, channels)]
    if max(map(len, axes)) > MOST_AXES:
        return None
    return Linear(*axes, first=rows.const, x_start=at_x.const)


def _flat(access: Access, shape: Sequence[int], axes: Sequence[int] | None = None) -> Index:
    """An access as one index into some of the tensor's axes laid end to end."""
    total, step = Index(), 1
    for axis in reversed(range(len(shape)) if axes is None else axes):
        index = access.index[axis]
        terms = tuple((rank, coeff * step) for rank, coeff in index.terms)
        total = Index(total.terms + terms, total.const + index.const * step)
        step *= shape[axis]
    return total.substitute({})


def _counting(index: Index, extents: Mapping[str, int]) -> list[str] | None:
    """The ranks, outermost first, of an index that counts up by one; None if it does not."""
    order = sorted(index.terms, key=lambda term: (term[1], extents[term[0]]))
    step = 1
    for rank, coeff in order:
        if coeff != step and extents[rank] > 1:
            return None
        step *= extents[rank]
    return [rank for rank, _ in reversed(order)]


def _inside(access: Access, shape: Sequence[int], extents: Mapping[str, int]) -> bool:
    """Whether an access never leaves its tensor."""
    bounds = (index.bounds(extents) for index in access.index)
    return all(low >= 0 and high < size for (low, high), size in zip(bounds, shape, strict=True))


def _axes(ranks: Iterable[str], extents: Mapping[str, int], at_x: Index, at_y: Index) -> tuple[Axis, ...]:
    """Axes of these ranks; neighbours that lie end to end are one."""
    x, y = dict(at_x.terms), dict(at_y.terms)
    found: list[Axis] = []
    for rank in ranks:
        axis = Axis(extents[rank], x.get(rank, 0), y.get(rank, 0))
        if axis.extent == 1:
            continue
        if found and (found[-1].x, found[-1].y) == (axis.x * axis.extent, axis.y * axis.extent):
            axis = Axis(found.pop().extent * axis.extent, axis.x, axis.y)
        found.append(axis)
    return tuple(found)


@dataclass(frozen=True)
class LinearGroup:
    """A ``cascade.fused`` that is a linear layer on packed weights, and nothing else but its bias.

    Attributes:
        linear: where its numbers lie.
        mark: how the weight is quantized.
        x, weight, bias: which operands of the op; no bias is None.
    """

    linear: Linear
    mark: Quantization
    x: int
    weight: int
    bias: int | None

    @property
    def weight_bytes(self) -> int:
        """Bytes of the image that the layer's weights are stored as."""
        return image_bytes(self.linear, self.mark)


def image_bytes(linear: Linear, mark: Quantization) -> int:
    """Bytes of the image that packed weights are stored as (``backends/cpu/packed/layout.py``)."""
    _, inputs, channels = linear.sizes
    rows, groups = -(-channels // IMAGE_ROWS) * IMAGE_ROWS, -(-inputs // GROUP_SIZE)
    codes = rows * groups * GROUP_SIZE * lookup(mark.format).bits // 8
    scales, specials = aligned(rows * groups), aligned(rows * groups // 4)
    return 64 + 2 * aligned(rows * 4) + scales + specials + codes


def packed_layer(view: EinsumView, place: int, mark: Quantization | None) -> Linear | None:
    """The linear layer of packed weights that a contraction is, or None.

    Args:
        view: the contraction.
        place: which of its operands is the weight.
        mark: how that is quantized, if it is.
    """
    if mark is None or not packable(mark):
        return None
    shapes = [shape_of(value) for value in view.operands]
    return read_linear(view.einsum, shapes, shape_of(view.result), place, mark)


def linear_group(op: ir.Operation, function: func.FuncOp) -> LinearGroup | None:
    """The linear layer a fused group of a function is, or None."""
    if op.name != FUSED or len(op.results) != 1:
        return None
    block = op.regions[0].blocks[0]
    steps = [each.operation for each in block.operations if each.operation.name != YIELD]
    if not 1 <= len(steps) <= 2 or any(each.name != EINSUM for each in steps):
        return None
    views = [EinsumView.of(each) for each in steps]
    numbers = {value: number for number, value in enumerate(block.arguments)}
    given = {value: number for number, value in enumerate(function.arguments)}
    for place, value in enumerate(views[0].operands):
        other = views[0].operands[1 - place] if len(views[0].operands) == 2 else None
        if value not in numbers or other not in numbers:
            return None
        number = given.get(op.operands[numbers[value]])
        mark = None if number is None else mark_of(function, number)
        linear = packed_layer(views[0], place, mark)
        if mark is None or linear is None or not _floats(value, other, views[0].result):
            continue
        bias = None
        if len(views) == 2:
            bias = _bias(views[1], views[0].result, numbers, linear)
            if bias is None:
                return None
        return LinearGroup(linear, mark, numbers[other], numbers[value], bias)
    return None


def _floats(*values: ir.Value) -> bool:
    return all(str(ir.RankedTensorType(value.type).element_type) == "f32" for value in values)


def _bias(add: EinsumView, product: ir.Value, numbers: Mapping[ir.Value, int], linear: Linear) -> int | None:
    """The operand added to a layer's output, if it is a vector with a number for each channel."""
    operands = add.operands
    if product not in operands or len(operands) != 2 or not _floats(*operands):
        return None
    place = operands.index(product)
    vector = operands[1 - place]
    fits = is_bias(add.einsum, place, [shape_of(each) for each in operands], shape_of(add.result), linear)
    return numbers.get(vector) if fits else None


def is_bias(
    einsum: Einsum, place: int, shapes: Sequence[Sequence[int]], output: Sequence[int], linear: Linear
) -> bool:
    """Whether an Einsum adds a vector of channels, in order, to a layer's output and keeps its layout.

    Args:
        einsum: the Einsum.
        place: which of its two operands is the layer's output.
        shapes: of its operands.
        output: shape of its result.
        linear: the layer.
    """
    if (einsum.map, einsum.reduce, len(einsum.operands), len(einsum.accesses)) != ("add", None, 2, 2):
        return False
    product, vector = einsum.accesses[place], einsum.accesses[1 - place]
    if product.index != einsum.output.index or tuple(shapes[place]) != tuple(output):
        return False
    extents = solve_extents(einsum, shapes, output)
    flat, at_y = _flat(vector, shapes[1 - place]), _flat(product, output)
    ranks = _counting(flat, extents)
    if ranks is None or flat.const or not _inside(vector, shapes[1 - place], extents):
        return False
    return _axes(ranks, extents, Index(), at_y) == linear.channels
