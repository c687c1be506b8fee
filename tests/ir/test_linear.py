"""Linear layers among contractions: what is one, and where its numbers lie."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.einsum import Einsum
from penstock.ir.linear import Axis, Linear, is_bias, read_linear
from penstock.ir.quantized import Quantization


def read(
    text: str, x: Sequence[int], w: Sequence[int], y: Sequence[int], channels: Sequence[int] = (0,)
) -> Linear | None:
    mark = Quantization("bitmod4", 128, 8, tuple(channels))
    return read_linear(Einsum.parse(text), (x, w), y, 1, mark)


def places(axes: Sequence[Axis], side: str) -> np.ndarray:
    """Where each coordinate lies in x or y."""
    if not axes:
        return np.zeros(1, np.int64)
    grid = np.indices([axis.extent for axis in axes]).reshape(len(axes), -1)
    return np.array([getattr(axis, side) for axis in axes], np.int64) @ grid


def run(linear: Linear, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> None:
    """What the layer's places say, in NumPy; `w` is channels × inputs."""
    _, inputs, channels = linear.sizes
    assert inputs == w.shape[1]
    read = places(linear.tokens, "x")[:, None] + places(linear.inputs, "x") + linear.x_start
    write = places(linear.tokens, "y")[:, None] + places(linear.channels, "y")
    y.reshape(-1)[write] = x.reshape(-1)[read] @ w[linear.first : linear.first + channels].T


@pytest.mark.parametrize(
    ("text", "x", "w", "y", "numpy"),
    [
        ("Y[b,s,n] = sum[d] mul(X[b,s,d], W[n,d])", (2, 3, 5), (7, 5), (2, 3, 7), "bsd,nd->bsn"),
        ("Y[b,h,s,e] = sum[d] mul(X[b,s,d], W[h*4+e,d])", (2, 3, 5), (8, 5), (2, 2, 3, 4), "bsd,hed->bhse"),
        ("Y[b,n] = sum[h,f] mul(X[b,h,0,f], W[n,h*4+f])", (2, 3, 1, 4), (7, 12), (2, 7), "bhsf,nhf->bn"),
        (
            "Y[b,s,n] = sum[h,f] mul(X[b,h,s,f], W[n,h*4+f])",
            (2, 3, 5, 4),
            (7, 12),
            (2, 5, 7),
            "bhsf,nhf->bsn",
        ),
        ("Y[s,e] = sum[d] mul(X[s,d], W[e+2,d])", (3, 5), (8, 5), (3, 4), "sd,ed->se"),
        ("Y[n] = sum[d] mul(X[1,d], W[n,d])", (2, 5), (7, 5), (7,), "sd,nd->n"),
    ],
)
def test_places_say_what_the_contraction_does(
    text: str, x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...], numpy: str
) -> None:
    linear = read(text, x, w, y)
    assert linear is not None
    draw = np.random.default_rng(0)
    a, b, found = draw.standard_normal(x), draw.standard_normal(w), np.full(y, np.nan)
    run(linear, a, b, found)
    weight = numpy.split(",")[1].split("->")[0]
    sizes = dict(zip(numpy.split("->")[1], y, strict=True)) | dict(zip(numpy.split(",")[0], x, strict=True))
    used = b[2:6] if "e+2" in text else b
    given = a[1:] if "X[1," in text else a
    wanted = np.einsum(numpy, given, used.reshape([sizes[rank] for rank in weight]))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@given(st.lists(st.integers(1, 4), min_size=6, max_size=6), st.permutations("bshe"))
@settings(max_examples=60, deadline=None)
def test_any_layout_of_the_output(extents: list[int], order: list[str]) -> None:
    b, s, h, e, f, g = extents
    sizes = {"b": b, "s": s, "h": h, "e": e}
    shape = tuple(sizes[rank] for rank in order)
    text = f"Y[{','.join(order)}] = sum[f,g] mul(X[b,f,s,g], W[h*{e}+e,f*{g}+g])"
    linear = read(text, (b, f, s, g), (h * e, f * g), shape)
    assert linear is not None
    assert linear.sizes == (b * s, f * g, h * e)
    draw = np.random.default_rng(0)
    a, w, found = draw.standard_normal((b, f, s, g)), draw.standard_normal((h * e, f * g)), np.empty(shape)
    run(linear, a, w, found)
    wanted = np.einsum("bfsg,hefg->" + "".join(order), a, w.reshape(h, e, f, g))
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "x", "w", "y"),
    [
        ("Y[b,n] = sum[d] mul(X[b,d], W[n,d+1])", (2, 4), (7, 5), (2, 7)),  # some columns only
        ("Y[b,n] = sum[d] mul(X[b,d], W[6-n,d])", (2, 5), (7, 5), (2, 7)),  # rows backwards
        ("Y[b,n] = sum[d] mul(X[b,d], W[n*2,d])", (2, 5), (7, 5), (2, 4)),  # every other row
        ("Y[b,n] = sum[d] mul(X[b,n,d], W[n,d])", (2, 7, 5), (7, 5), (2, 7)),  # a rank of both
        ("Y[b,n] = sum[d] mul(X[b+d], W[n,d])", (3,), (7, 5), (2, 7)),  # leaves x: absent points
        ("Y[b,n] = sum[d] sub(X[b,d], W[n,d])", (2, 5), (7, 5), (2, 7)),
        ("Y[b,n] = max[d] mul(X[b,d], W[n,d])", (2, 5), (7, 5), (2, 7)),
    ],
)
def test_what_is_no_linear_layer(
    text: str, x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...]
) -> None:
    assert read(text, x, w, y) is None


def test_a_convolution_without_padding_is_one() -> None:
    text = "Y[b,o,p,q] = sum[c,i,j] mul(X[b,c,p+i,q+j], W[o,c,i,j])"
    linear = read(text, (2, 3, 5, 6), (4, 3, 2, 3), (2, 4, 4, 4))
    assert linear is not None
    draw = np.random.default_rng(0)
    x, w, y = draw.standard_normal((2, 3, 5, 6)), draw.standard_normal((4, 3, 2, 3)), np.empty((2, 4, 4, 4))
    run(linear, x, w.reshape(4, -1), y)
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3), (2, 3))
    np.testing.assert_allclose(y, np.einsum("bcpqij,ocij->bopq", windows, w), rtol=1e-10, atol=1e-12)
    padded = "Y[b,o,p,q] = sum[c,i,j] mul(X[b,c,p+i-1,q+j], W[o,c,i,j])"
    assert read(padded, (2, 3, 5, 6), (4, 3, 2, 3), (2, 4, 6, 4)) is None


@pytest.mark.parametrize(
    ("text", "vector", "fits"),
    [
        ("Z[b,h,s,e] = add(Y[b,h,s,e], B[h*4+e])", (8,), True),
        ("Z[b,h,s,e] = add(B[h*4+e], Y[b,h,s,e])", (8,), True),
        ("Z[b,h,s,e] = add(Y[b,h,s,e], B[h,e])", (2, 4), True),
        ("Z[b,h,s,e] = add(Y[b,h,s,e], B[e])", (4,), False),
        ("Z[b,h,s,e] = add(Y[b,h,s,e], B[s])", (3,), False),
        ("Z[b,s,h,e] = add(Y[b,h,s,e], B[h*4+e])", (8,), False),
        ("Z[b,h,s,e] = mul(Y[b,h,s,e], B[h*4+e])", (8,), False),
        ("Z[b,h,s,e] = add(Y[b,h,s,e], B[h+2*e])", (8,), False),
    ],
)
def test_a_bias_is_a_number_for_each_channel(text: str, vector: tuple[int, ...], fits: bool) -> None:
    einsum = Einsum.parse(text)
    linear = read("Y[b,h,s,e] = sum[d] mul(X[b,s,d], W[h*4+e,d])", (2, 3, 5), (8, 5), (2, 2, 3, 4))
    assert linear is not None
    place = [access.tensor for access in einsum.accesses].index("Y")
    shapes = [(2, 2, 3, 4), vector]
    output = (2, 3, 2, 4) if text.startswith("Z[b,s") else (2, 2, 3, 4)
    assert math.prod(vector) or not fits
    assert is_bias(einsum, place, shapes[:: -1 if place else 1], output, linear) is fits
