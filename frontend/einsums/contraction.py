"""Matrix products in all their guises: one Einsum each, ``Y[b,s,n] = sum[d] mul(X[b,s,d], W[n,d])``."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..body import Body, NoForm
from ..tensor import IndexLike, Number, Tensor, distinct, fresh
from .table import form


def contract(
    body: Body, x: Tensor, left: Sequence[IndexLike], y: Tensor, right: Sequence[IndexLike],
    out: Sequence[str], over: Sequence[str], name: str | None = None,
) -> Tensor:  # fmt: skip
    """Sum over ranks of a product of two tensors, in the node's element type."""
    kind = body.dtype
    x, y = body.cast(x, kind), body.cast(y, kind)
    return body.einsum(out, "mul", x.at(left), y.at(right), over=over, dtype=kind, name=name)


def _names(x: Tensor) -> tuple[str, ...]:
    return distinct(x.rank_names)


@form("aten.linear.default")
def linear(body: Body, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X·Wᵀ + B."""
    ranks = _names(x)
    *outer, inner = ranks
    if len(weight.shape) == 1:
        return contract(body, x, ranks, weight, (inner,), outer, (inner,))
    n = fresh("n", ranks)
    name = None if bias is None else "Y"
    result = contract(body, x, ranks, weight, (n, inner), (*outer, n), (inner,), name)
    return result if bias is None else body.map("add", result, body.cast(bias, body.dtype))


def _scaled(body: Body, x: Tensor, factor: Number) -> Tensor:
    factor = float(factor) if x.dtype.is_floating_point else int(factor)
    return x if factor == 1 else body.map("mul", x, factor)


@form("aten.addmm.default", "aten.addmv.default", "aten.baddbmm.default")
def addmm(body: Body, bias: Tensor, x: Tensor, y: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """β·bias + α·X·Y."""
    product = _scaled(body, matmul(body, x, y), alpha)
    if beta == 0:
        return product
    return body.map("add", _scaled(body, body.cast(bias, body.dtype), beta), product)


@form("aten.matmul.default", "aten.mm.default", "aten.bmm.default", "aten.mv.default", "aten.dot.default",
      "aten.inner.default")  # fmt: skip
def matmul(body: Body, x: Tensor, y: Tensor) -> Tensor:
    """Matrix product, leading dimensions broadcast; a vector is a row on the left, a column on the right."""
    if not x.shape or not y.shape:
        raise NoForm("a scalar factor")
    batch = tuple(torch.broadcast_shapes(x.shape[:-2], y.shape[:-2]))
    longer = x if len(x.shape) >= len(y.shape) else y
    outer = list(_names(longer)[: len(batch)])
    inner = fresh(_names(x)[-1], outer)
    taken = [*outer, inner]
    row = [fresh(_names(x)[-2], taken)] if len(x.shape) > 1 else []
    column = [fresh(_names(y)[-1], [*taken, *row])] if len(y.shape) > 1 else []
    left = [*_broadcast(x.shape[:-2], batch, outer), *row, inner]
    right = [*_broadcast(y.shape[:-2], batch, outer), inner, *column]
    return contract(body, x, left, y, right, (*outer, *row, *column), (inner,))


def _broadcast(shape: Sequence[int], batch: Sequence[int], ranks: Sequence[str]) -> list[IndexLike]:
    offset = len(batch) - len(shape)
    return [
        0 if extent == 1 and batch[offset + place] != 1 else ranks[offset + place]
        for place, extent in enumerate(shape)
    ]


@form("aten.outer.default", "aten.ger.default")
def outer(body: Body, x: Tensor, y: Tensor) -> Tensor:
    """Every product of an element of one vector with an element of the other."""
    x, y = body.cast(x, body.dtype), body.cast(y, body.dtype)
    return body.einsum(("i", "j"), "mul", x["i"], y["j"], dtype=body.dtype)


@form("aten.kron.default")
def kron(body: Body, x: Tensor, y: Tensor) -> Tensor:
    """Kronecker product of two matrices."""
    if len(x.shape) != 2 or len(y.shape) != 2:
        raise NoForm("not two matrices")
    x, y = body.cast(x, body.dtype), body.cast(y, body.dtype)
    product = body.einsum(("i1", "i0", "j1", "j0"), "mul", x["i1", "j1"], y["i0", "j0"], dtype=body.dtype)
    return body.reshape(product, body.shape)


@form("aten.einsum.default")
def einsum(body: Body, equation: str, operands: Sequence[Tensor], **_: object) -> Tensor:
    """The tensors multiplied two at a time, each rank summed once nobody after needs it."""
    terms, result = _terms(equation, operands)
    current, letters = body.cast(operands[0], body.dtype), terms[0]
    if len(operands) == 1:
        return _fold(body, current, letters, result)
    for place, (tensor, other) in enumerate(zip(operands[1:], terms[1:], strict=True), start=1):
        later = set(result) | {letter for term in terms[place + 1 :] for letter in term}
        joined = list(dict.fromkeys([*letters, *other]))
        last = place == len(operands) - 1
        kept = [letter for letter in (result if last else joined) if letter in later]
        over = [letter for letter in joined if letter not in kept]
        ones = _widest(current, letters, tensor, other)
        left = [
            0 if extent < ones[name] else name for extent, name in zip(current.shape, letters, strict=True)
        ]
        right = [0 if extent < ones[name] else name for extent, name in zip(tensor.shape, other, strict=True)]
        current = contract(body, current, left, tensor, right, kept, over)
        letters = kept
    return current


def _widest(x: Tensor, left: Sequence[str], y: Tensor, right: Sequence[str]) -> dict[str, int]:
    extents: dict[str, int] = {}
    for name, extent in (*zip(left, x.shape, strict=True), *zip(right, y.shape, strict=True)):
        extents[name] = max(extent, extents.get(name, 1))
    return extents


def _fold(body: Body, x: Tensor, letters: Sequence[str], result: Sequence[str]) -> Tensor:
    over = [letter for letter in dict.fromkeys(letters) if letter not in result]
    return body.einsum(result, "id", x.at(letters), over=over, dtype=body.dtype)


def _terms(equation: str, operands: Sequence[Tensor]) -> tuple[list[list[str]], list[str]]:
    """The letters of each operand and of the result, with an ellipsis spelled out."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    written = inputs.split(",")
    dots = 0
    for term, tensor in zip(written, operands, strict=True):
        if "..." in term:
            dots = max(dots, len(tensor.shape) - len(term) + 3)
    spare = [f"i{place}" for place in range(dots)]
    terms = [_spelled(term, len(tensor.shape), spare) for term, tensor in zip(written, operands, strict=True)]
    if arrow:
        return terms, _spelled(output, dots + len(output) - 3 * output.count("..."), spare)
    every = [letter for term in terms for letter in term if letter not in spare]
    return terms, spare + sorted(letter for letter in set(every) if every.count(letter) == 1)


def _spelled(term: str, count: int, spare: list[str]) -> list[str]:
    before, dots, after = term.partition("...")
    hidden = count - len(before) - len(after) if dots else 0
    return [*before, *spare[len(spare) - hidden :], *after] if dots else list(term)


@form("aten.bilinear.default")
def bilinear(body: Body, x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """xᵀ·W·y for each output feature."""
    *outer_ranks, i = [f"i{place}" for place in range(len(x.shape))]
    partial = contract(body, x, [*outer_ranks, i], weight, ("n", i, "e"), (*outer_ranks, "n", "e"), (i,))
    result = contract(
        body, partial, [*outer_ranks, "n", "e"], y, [*outer_ranks, "e"], (*outer_ranks, "n"), ("e",)
    )
    return result if bias is None else body.map("add", result, bias)


@form("aten.cdist.default", "aten._cdist_forward.default", "aten._euclidean_dist.default")
def cdist(body: Body, x: Tensor, y: Tensor, order: float = 2.0, mode: int | None = None) -> Tensor:
    """Euclidean distance of every row of one tensor from every row of the other."""
    if order != 2 or x.shape[:-2] != y.shape[:-2]:
        raise NoForm("distances other than Euclidean, or of unequal batch")
    outer = [f"b{place}" for place in range(len(x.shape) - 2)]
    x, y = body.materialised(x), body.materialised(y)
    point = [*outer, "i", "j", "e"]
    away = body.einsum(point, "sub", x.at([*outer, "i", "e"]), y.at([*outer, "j", "e"]), name="XY")
    squares = body.einsum(point[:-1], "square", away.at(point), over=("e",), dtype=x.dtype, name="SQ")
    return body.map("sqrt", squares)
