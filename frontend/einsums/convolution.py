"""Convolutions: the window is an index expression, padding is what an absent point gives.

``Y[b,n,y,x] = sum[c,r,s] mul(X[b,c,2*y+r-3,2*x+s-3], W[n,c,r,s])``; groups are a rank of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.einsum import Index
from ..body import Body, NoForm
from ..tensor import Tensor, affine
from .table import form

SPATIAL = {1: ("x",), 2: ("y", "x"), 3: ("z", "y", "x")}
KERNEL = {1: ("s",), 2: ("r", "s"), 3: ("q", "r", "s")}


@dataclass(frozen=True)
class Window:
    """How a kernel moves over one spatial dimension."""

    stride: int
    padding: int
    dilation: int
    extent: int

    def index(self, place: str, offset: str) -> Index:
        """Coordinate read for an output place and a kernel offset."""
        inner = {offset: self.dilation} if self.extent > 1 else {}
        return affine({place: self.stride, **inner}, -self.padding)


def spread(value: Sequence[int] | int, count: int) -> tuple[int, ...]:
    """One number for every spatial dimension."""
    values = [value] if isinstance(value, int) else list(value)
    return tuple(values * count if len(values) == 1 else values)


@form("aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default", "aten.conv1d.padding",
      "aten.conv2d.padding", "aten.conv3d.padding")  # fmt: skip
def convolution(
    body: Body, x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,), dilation: Sequence[int] = (1,), groups: int = 1,
) -> Tensor:  # fmt: skip
    """A convolution of any group count, with zero padding."""
    count = len(weight.shape) - 2
    kernel = weight.shape[2:]
    dilations = spread(dilation, count)
    if isinstance(padding, str):
        spans = [step * (size - 1) for step, size in zip(dilations, kernel, strict=True)]
        before = [span // 2 if padding == "same" else 0 for span in spans]
    else:
        before = list(spread(padding, count))
    windows = [
        Window(*numbers) for numbers in zip(spread(stride, count), before, dilations, kernel, strict=True)
    ]
    batched = body.shape if len(x.shape) == count + 2 else (1, *body.shape)
    if len(x.shape) == count + 1:
        x = body.reshape(x, (1, *x.shape))
    x, weight = body.cast(x, body.dtype), body.cast(weight, body.dtype)
    result = _grouped(body, x, weight, windows, groups, batched)
    if bias is not None:
        result = body.map("add", result, body.reshape(bias, (weight.shape[0], *[1] * count)))
    return body.reshape(result, body.shape)


def _grouped(
    body: Body, x: Tensor, weight: Tensor, windows: Sequence[Window], groups: int, shape: tuple[int, ...]
) -> Tensor:
    count = len(windows)
    places, offsets = SPATIAL[count], KERNEL[count]
    extents = dict(zip(places, shape[2:], strict=True))
    moving = [w.index(place, offset) for w, place, offset in zip(windows, places, offsets, strict=True)]
    read = [offset if w.extent > 1 else 0 for w, offset in zip(windows, offsets, strict=True)]
    wide = [offset for offset in read if isinstance(offset, str)]
    each = weight.shape[0] // groups
    if groups == 1:
        return body.einsum(
            ("b", "n", *places), "mul", x.at(["b", "c", *moving]), weight.at(["n", "c", *read]),
            over=("c", *wide), extents=extents, dtype=body.dtype,
        )  # fmt: skip
    if each == 1 and weight.shape[1] == 1 and wide:  # depthwise
        return body.einsum(
            ("b", "g", *places), "mul", x.at(["b", "g", *moving]), weight.at(["g", 0, *read]),
            over=wide, extents=extents, dtype=body.dtype,
        )  # fmt: skip
    ranks = ("b", "g", "c", *places)
    x = body.reshape(x, (x.shape[0], groups, weight.shape[1], *x.shape[2:]), ranks)
    weight = body.reshape(weight, (groups, each, *weight.shape[1:]), ("g", "n", "c", *offsets))
    result = body.einsum(
        ("b", "g", "n", *places), "mul", x.at(["b", "g", "c", *moving]), weight.at(["g", "n", "c", *read]),
        over=("c", *wide), extents=extents, dtype=body.dtype,
    )  # fmt: skip
    return body.reshape(result, shape, ("b", "n", *places))


@form("aten.convolution.default")
def general_convolution(
    body: Body, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int,
) -> Tensor:  # fmt: skip
    """The form PyTorch's decompositions use."""
    if transposed:
        return transposed_convolution(
            body, x, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return convolution(body, x, weight, bias, stride, padding, dilation, groups)


@form("aten.conv_transpose1d.default", "aten.conv_transpose2d.input", "aten.conv_transpose3d.input")
def transposed_convolution(
    body: Body, x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,), output_padding: Sequence[int] = (0,), groups: int = 1,
    dilation: Sequence[int] = (1,),
) -> Tensor:  # fmt: skip
    """A transposed convolution with stride 1, which is a convolution with the kernel turned around."""
    count = len(weight.shape) - 2
    if any(step != 1 for step in spread(stride, count)) or groups != 1 or len(x.shape) != count + 2:
        raise NoForm("a transposed convolution with stride, groups or no batch")
    places, offsets = SPATIAL[count], KERNEL[count]
    spans = zip(spread(padding, count), spread(dilation, count), places, offsets, strict=True)
    moving = [affine({place: 1, offset: -dilate}, pad) for pad, dilate, place, offset in spans]
    x, weight = body.cast(x, body.dtype), body.cast(weight, body.dtype)
    result = body.einsum(
        ("b", "n", *places), "mul", x.at(["b", "c", *moving]), weight.at(["c", "n", *offsets]),
        over=("c", *offsets), extents=dict(zip(places, body.shape[2:], strict=True)), dtype=body.dtype,
    )  # fmt: skip
    if bias is None:
        return result
    return body.map("add", result, body.reshape(bias, (weight.shape[1], *[1] * count)))
