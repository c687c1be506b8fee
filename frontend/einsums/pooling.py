"""Pooling: a fold over a window. Max pooling is a convolution in (max, +), average pooling one in (+, ×)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.einsum import Coord, Index
from ..body import Body, NoForm
from ..tensor import Tensor, literal, size_of
from .convolution import KERNEL, SPATIAL, Window, spread
from .formula import evaluate
from .table import form


def _windows(
    count: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> list[Window]:
    sizes = spread(kernel, count)
    steps = spread(stride, count) if stride else sizes
    numbers = zip(steps, spread(padding, count), spread(dilation, count), sizes, strict=True)
    return [Window(*each) for each in numbers]


def _fold(
    body: Body, x: Tensor, windows: Sequence[Window], operator: str, reduce: str, weight: float
) -> Tensor:
    """Fold a window of `x` under a window of equal weights (which gives the window's ranks their extents)."""
    count = len(windows)
    places, offsets = SPATIAL[count], KERNEL[count]
    outer = x.shape[:-count]
    lead = ("b", "c")[-len(outer) :] if outer else ()
    kernel = body.materialised(
        literal(weight, x.dtype, [w.extent for w in windows]).reshaped(
            [w.extent for w in windows], offsets, None
        )
    )
    moving = [w.index(place, offset) for w, place, offset in zip(windows, places, offsets, strict=True)]
    extents = dict(zip(places, body.shape[-count:], strict=True))
    return body.einsum(
        (*lead, *places), operator, x.at([*lead, *moving]), kernel.at(offsets),
        reduce=reduce, over=offsets, extents=extents, dtype=x.dtype,
    )  # fmt: skip


@form("aten.max_pool1d.default", "aten.max_pool2d.default", "aten.max_pool3d.default")
def max_pool(
    body: Body, x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,), ceil_mode: bool = False,
) -> Tensor:  # fmt: skip
    """The largest of each window; places outside the tensor are absent."""
    windows = _windows(len(kernel), kernel, stride, padding, dilation)
    return _fold(body, x, windows, "add", "max", 0.0)


@form("aten.max_pool1d_with_indices.default", "aten.max_pool2d_with_indices.default",
      "aten.max_pool3d_with_indices.default")  # fmt: skip
def max_pool_with_indices(
    body: Body, x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,), ceil_mode: bool = False,
) -> tuple[Tensor]:  # fmt: skip
    """The largest of each window; where it lies is not worked out."""
    return (max_pool(body, x, kernel, stride, padding, dilation, ceil_mode),)


@form("aten.avg_pool1d.default", "aten.avg_pool2d.default", "aten.avg_pool3d.default")
def avg_pool(
    body: Body, x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), padding: Sequence[int] = (0,),
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window."""
    windows = _windows(len(kernel), kernel, stride, padding, (1,))
    if ceil_mode:
        raise NoForm("windows that reach beyond the padding")
    padded = any(w.padding for w in windows)
    points = divisor_override or size_of(w.extent for w in windows)
    if not x.dtype.is_floating_point:
        return _whole_mean(body, x, windows, points if count_include_pad or divisor_override else None)
    if count_include_pad or divisor_override or not padded:
        return _fold(body, x, windows, "mul", "sum", 1.0 / points)
    total = _fold(body, x, windows, "mul", "sum", 1.0)
    ones = body.materialised(literal(1.0, x.dtype, x.shape[-len(windows) :]))
    return body.map("div", total, _fold(body, ones, windows, "mul", "sum", 1.0))


def _whole_mean(body: Body, x: Tensor, windows: Sequence[Window], points: int | None) -> Tensor:
    """Sums of whole numbers divided towards zero; by the places inside the tensor where `points` is None."""
    total = _fold(body, x, windows, "mul", "sum", 1)
    by: Tensor | int = abs(points or 1)
    if points is None:
        ones = body.materialised(literal(1, x.dtype, x.shape[-len(windows) :]))
        by = _fold(body, ones, windows, "mul", "sum", 1)
    sign = "-t" if points is not None and points < 0 else "t"
    text = f"where({sign} < 0, -(abs(t) // by), abs(t) // by)"
    return evaluate(body, text, {"t": total, "by": by})


@form("aten.adaptive_avg_pool1d.default", "aten.adaptive_avg_pool2d.default",
      "aten.adaptive_avg_pool3d.default", "aten._adaptive_avg_pool2d.default",
      "aten._adaptive_avg_pool3d.default")  # fmt: skip
def adaptive_avg_pool(body: Body, x: Tensor, size: Sequence[int]) -> Tensor:
    """The mean over parts of each spatial dimension, as equal as can be."""
    if any(
        extent % parts for extent, parts in zip(x.shape[-len(size) :], body.shape[-len(size) :], strict=True)
    ):
        return _by_dimension(body, x, len(size), "sum", 0.0)
    shape, outer, inner = _parts(x, body.shape, len(size))
    kept = [f"i{place}" for place in outer]
    over = [f"i{place}" for place in inner]
    parts = body.reshape(x, shape, [f"i{place}" for place in range(len(shape))])
    total = body.einsum(kept, "id", parts.at(parts.ranks), over=over, dtype=x.dtype)
    points = size_of(shape[place] for place in inner)
    return body.reshape(body.map("div", total, float(points)), body.shape)


@form("aten.adaptive_max_pool1d.default", "aten.adaptive_max_pool2d.default",
      "aten.adaptive_max_pool3d.default")  # fmt: skip
def adaptive_max_pool(body: Body, x: Tensor, size: Sequence[int]) -> tuple[Tensor]:
    """The largest of parts as equal as can be, which may overlap; where it lies is not worked out."""
    return (_by_dimension(body, x, len(size), "max", -math.inf),)


def _by_dimension(body: Body, x: Tensor, count: int, reduce: str, empty: float) -> Tensor:
    """The largest or the mean of parts of the last dimensions, one dimension after the other.

    Part i of n places in k parts is from ⌊i·n/k⌋ to before ⌈(i + 1)·n/k⌉: parts may overlap.
    """
    ranks = [f"i{place}" for place in range(len(x.shape))]
    for dim in range(len(x.shape) - count, len(x.shape)):
        extent, parts, part = x.shape[dim], body.shape[dim], ranks[dim]
        if extent == parts:
            continue
        first, after = Index(((part, extent),)), Index(((part, extent),), extent)
        place, end = Index((("w", parts),)), Index((("w", parts),), parts)
        extents = {part: parts, "w": extent}
        begun = body.einsum((part, "w"), "lt", Coord(first), Coord(end), extents=extents)
        going = body.einsum((part, "w"), "lt", Coord(place), Coord(after), extents=extents)
        inside = body.map("and", begun, going)
        read = body.materialised(x).at([*ranks[:dim], "w", *ranks[dim + 1 :]])
        x = body.einsum(
            ranks, "where", inside[part, "w"], read, empty, reduce=reduce, over=("w",), dtype=x.dtype
        )
        if reduce == "sum":
            inside = body.cast(inside, x.dtype)
            points = body.einsum((part,), "id", inside[part, "w"], over=("w",), dtype=x.dtype)
            x = body.einsum(ranks, "div", x.at(ranks), points[part,], dtype=x.dtype)
    return x


def _parts(x: Tensor, result: tuple[int, ...], count: int) -> tuple[list[int], list[int], list[int]]:
    """The input split into equal parts: its shape, the dimensions that stay, the dimensions inside a part."""
    lead = len(x.shape) - count
    shape, outer, inner = list(x.shape[:lead]), list(range(lead)), []
    for extent, parts in zip(x.shape[lead:], result[lead:], strict=True):
        outer.append(len(shape))
        inner.append(len(shape) + 1)
        shape += [parts, extent // parts]
    return shape, outer, inner
