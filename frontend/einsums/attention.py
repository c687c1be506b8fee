"""Scaled dot-product attention as the cascade of FuseMax Eq. 28-33, the scale, mask and groups included."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from ...ir.einsum import Coord, Index
from ..body import Body, NoForm
from ..tensor import IndexLike, Tensor
from .table import form


@dataclass(frozen=True)
class Ranks:
    """Leading ranks of queries and of keys, and the extents of all leading ranks."""

    outer: tuple[str, ...]
    keys: tuple[IndexLike, ...]
    extents: tuple[int, ...]


@form("aten.scaled_dot_product_attention.default")
def attention(
    body: Body, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout: float = 0.0,
    causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(Q·Kᵀ·scale + mask)·V; a fully masked row gives zeros."""
    if dropout:
        raise NoForm("random: attention with dropout")
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        return _grouped(body, query, key, value, mask, causal, scale)
    outer = query.shape[:-2]
    names = {0: (), 1: ("b",), 2: ("b", "h"), 3: ("b", "g", "h")}.get(len(outer))
    if names is None or len(key.shape) != len(query.shape) or len(value.shape) != len(query.shape):
        raise NoForm("queries and keys of unequal rank")
    if value.shape[:-2] != key.shape[:-2]:
        raise NoForm("keys and values of unequal batch")
    if any(here not in (1, there) for here, there in zip(key.shape[:-2], outer, strict=True)):
        raise NoForm("queries that are broadcast")
    keys = tuple(
        0 if here == 1 and there != 1 else name
        for here, there, name in zip(key.shape[:-2], outer, names, strict=True)
    )
    result = _cascade(body, query, key, value, mask, causal, scale, Ranks(names, keys, outer))
    return replace(result, ranks=query.rank_names)


def _grouped(
    body: Body,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    scale: float | None,
) -> Tensor:
    """Grouped queries: head h = g·r + r' reads key head g; the split of h is a free view."""
    if not len(query.shape) == len(key.shape) == 4 or key.shape[:2] != value.shape[:2]:
        raise NoForm("grouped queries of other than four dimensions")
    batch, heads, length, depth = query.shape
    groups = key.shape[1]
    repeat = heads // groups
    split = body.reshape(query, (batch, groups, repeat, length, depth), ("b", "g", "r", "p", "e"))
    if mask is not None and len(mask.shape) >= 3:
        lead = (1,) * (4 - len(mask.shape)) + mask.shape
        pair = (groups, repeat) if lead[1] == heads and heads > 1 else (1, 1)
        mask = body.reshape(mask, (lead[0], *pair, *lead[2:]))
    ranks = Ranks(("b", "g", "r"), ("b", "g"), (batch, groups, repeat))
    result = _cascade(body, split, key, value, mask, causal, scale, ranks)
    return body.reshape(result, body.shape, query.rank_names)


def _cascade(
    body: Body, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool,
    scale: float | None, ranks: Ranks,
) -> Tensor:  # fmt: skip
    outer, keys, kind = ranks.outer, ranks.keys, query.dtype
    inner = (*outer, "p", "m")
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    scores = body.einsum(
        inner, "mul", query.at([*outer, "p", "e"]), key.at([*keys, "m", "e"]), over=("e",), name="QK"
    )
    scores = body.einsum(inner, "mul", scores.at(inner), factor, name="QKS")
    if causal:
        extents = {"p": query.shape[-2], "m": key.shape[-2]}
        below = body.einsum(
            ("p", "m"), "le", Coord(Index.of("m")), Coord(Index.of("p")), extents=extents, name="CM"
        )
        scores = body.einsum(
            inner, "where", below["p", "m"], scores.at(inner), -math.inf, dtype=kind, name="QKM"
        )
    if mask is not None:
        scores = _masked(body, scores, mask, inner)
    largest = body.einsum((*outer, "p"), "id", scores.at(inner), reduce="max", over=("m",), name="GM")
    numerator = body.einsum(
        inner, "exp_sub_left", scores.at(inner), largest.at([*outer, "p"]), dtype=kind, name="SN"
    )
    denominator = body.einsum((*outer, "p"), "id", numerator.at(inner), over=("m",), name="SD")
    weights = body.einsum(
        inner, "div_left", numerator.at(inner), denominator.at([*outer, "p"]), dtype=kind, name="A"
    )
    return body.einsum(
        (*outer, "p", "f"), "mul", weights.at(inner), value.at([*keys, "m", "f"]), over=("m",), dtype=kind
    )


def _masked(body: Body, scores: Tensor, mask: Tensor, inner: tuple[str, ...]) -> Tensor:
    offset = len(inner) - len(mask.shape)
    read = [
        0 if extent == 1 and scores.shape[offset + place] != 1 else inner[offset + place]
        for place, extent in enumerate(mask.shape)
    ]
    if mask.dtype == torch.bool:
        return body.einsum(
            inner, "where", mask.at(read), scores.at(inner), -math.inf, dtype=scores.dtype, name="QKM"
        )
    mask = body.cast(mask, scores.dtype)
    return body.einsum(inner, "add", scores.at(inner), mask.at(read), dtype=scores.dtype, name="QKM")
