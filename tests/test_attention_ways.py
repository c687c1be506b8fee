"""However attention is written, it reaches the same one-pass form, and its code agrees with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import penstock
from penstock.frontend.torch_export import raise_model
from penstock.ir.build import EinsumView, integer, is_einsum
from penstock.ir.cascade import FUSED, ITERATE, walk
from penstock.ir.mlir import ir
from penstock.passes.pipeline import parse_pipeline, run_pipeline
from penstock.sim.compare import BOUNDS, difference

HEADS, GROUPS, WIDTH = 4, 2, 16


class Explicit(nn.Module):
    """Softmax written out."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.softmax(q @ k.transpose(-2, -1) / WIDTH**0.5, dim=-1) @ v


class Sdpa(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)


class Causal(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Additive(nn.Module):
    """An additive mask that hides keys, some rows of them all but one."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class Grouped(nn.Module):
    """Every pair of query heads shares a key head."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


WAYS: dict[str, Callable[[], nn.Module]] = {
    "explicit": Explicit,
    "sdpa": Sdpa,
    "causal": Causal,
    "additive": Additive,
    "gqa": Grouped,
}


def inputs(way: str, queries: int, keys: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(queries * 1009 + keys)
    heads = GROUPS if way == "gqa" else HEADS
    made = {
        "q": torch.randn(2, HEADS, queries, WIDTH, generator=generator) * 3,
        "k": torch.randn(2, heads, keys, WIDTH, generator=generator) * 3,
        "v": torch.randn(2, heads, keys, WIDTH, generator=generator),
    }
    if way == "additive":
        hidden = torch.rand(queries, keys, generator=generator) < 0.3
        hidden[:, -1] = False
        hidden[0, :-1] = True
        made["mask"] = torch.zeros(queries, keys).masked_fill(hidden, -torch.inf)
    return made


def one_pass_form(way: str) -> list[tuple[str, str | None]]:
    """Operators of the fused body: initial values, one generation, what follows; scale and mask left out."""
    raised = raise_model(WAYS[way](), inputs(way, 129, 129))
    module, _ = run_pipeline(raised.module, parse_pipeline("relabel,simplify,fuse"))
    attention = [op for op in walk(module.operation) if op.name == FUSED and _iterates(op)]
    assert len(attention) == 1, str(module)
    (fused,) = attention
    assert (integer(fused, "passes_before"), integer(fused, "passes_after")) == (3, 1)
    body = [EinsumView.of(op).einsum for op in walk(fused) if is_einsum(op)]
    first = next(n for n, einsum in enumerate(body) if einsum.reduce == "sum" and einsum.map == "mul")
    peak = next(n for n, einsum in enumerate(body) if einsum.reduce == "max")
    kept = [*body[: first + 1], *body[peak:]]
    kept = [einsum for einsum in kept if einsum.map not in ("le", "ge")]
    return [(einsum.map.removesuffix("_left"), einsum.reduce) for einsum in kept]


def _iterates(op: ir.Operation) -> bool:
    return any(inner.name == ITERATE for inner in walk(op))


@pytest.mark.parametrize("way", [way for way in WAYS if way != "sdpa"])
def test_every_way_reaches_the_form_of_plain_attention(way: str) -> None:
    assert one_pass_form(way) == one_pass_form("sdpa")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", [1, 7, 129, 1000])
def test_compiled_attention_agrees_with_pytorch(way: str, length: int, tmp_path: Path) -> None:
    _agrees(way, length, length, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("queries", "keys"), [(1, 129), (7, 1000), (129, 7)])
def test_compiled_cross_attention_agrees_with_pytorch(queries: int, keys: int, tmp_path: Path) -> None:
    _agrees("sdpa", queries, keys, tmp_path)


def _agrees(way: str, queries: int, keys: int, folder: Path) -> None:
    module, given = WAYS[way](), inputs(way, queries, keys)
    bundle = penstock.compile(module, given, out=folder / "b")
    (got,) = bundle.run({name: value.numpy() for name, value in given.items()}).values()
    with torch.inference_mode():
        double = module(*(value.double() for value in given.values())).numpy()
    assert difference(got, double).relative <= 1e-5


@pytest.mark.slow
def test_rows_without_any_key_give_what_pytorch_gives(tmp_path: Path) -> None:
    given = inputs("additive", 7, 129)
    given["mask"][3] = -torch.inf
    explicit = _Masked()
    for name, module in (("sdpa", Additive()), ("explicit", explicit)):
        bundle = penstock.compile(module, given, out=tmp_path / name)
        (got,) = bundle.run({key: value.numpy() for key, value in given.items()}).values()
        with torch.inference_mode():
            wanted = module(*given.values()).numpy()
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
        assert difference(got, wanted).relative <= 1e-5


class _Masked(nn.Module):
    """Softmax written out under an additive mask: a row that is masked whole is NaN."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        return torch.softmax(q @ k.transpose(-2, -1) / WIDTH**0.5 + mask, dim=-1) @ v


class _Window(nn.Module):
    """Key m is shown to query p where p - BEHIND <= m <= p + AHEAD."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        p, m = torch.arange(q.shape[-2])[:, None], torch.arange(k.shape[-2])
        shown = (m >= p - BEHIND) & (m <= p + AHEAD)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=shown)


class _Triu(nn.Module):
    """A causal mask that is added, -inf above a diagonal."""

    def __init__(self, past: int = 0) -> None:
        super().__init__()
        self.past = past

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mask = torch.triu(torch.full((q.shape[-2], k.shape[-2]), -torch.inf), diagonal=self.past + 1)
        return torch.softmax(q @ k.transpose(-2, -1) / WIDTH**0.5 + mask, dim=-1) @ v


class _Tril(nn.Module):
    """Scores filled where a lower triangle of ones has none."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-2, -1) / WIDTH**0.5
        shown = torch.tril(torch.ones(q.shape[-2], k.shape[-2]))
        return torch.softmax(scores.masked_fill(shown == 0, -torch.inf), dim=-1) @ v


BEHIND, AHEAD = 40, 2
MASKS: dict[str, Callable[[], nn.Module]] = {
    "causal": Causal,
    "window": _Window,
    "triu": _Triu,
    "triu after 230 keys": partial(_Triu, 230),
    "tril": _Tril,
}


def _run(module: nn.Module, given: dict[str, Tensor], folder: Path, **options: Any) -> np.ndarray:
    """The compiled output, the same bits from one thread and from two."""
    bundle = penstock.compile(module, given, out=folder / "b", **options)
    arrays = {name: value.numpy() for name, value in given.items()}
    ((one,), (two,)) = (bundle.run(arrays, threads=threads).values() for threads in (1, 2))
    np.testing.assert_array_equal(two, one)
    return one


# Generations are of 128 keys: less than one, a ragged second, more keys than queries, and the other way.
@pytest.mark.parametrize(("queries", "keys"), [(7, 7), (131, 131), (70, 300), (100, 60)])
@pytest.mark.parametrize("mask", MASKS)
def test_masks_of_coordinates_agree_with_pytorch(mask: str, queries: int, keys: int, tmp_path: Path) -> None:
    module, given = MASKS[mask](), inputs(mask, queries, keys)
    got = _run(module, given, tmp_path)
    with torch.inference_mode():
        double = module(*(value.double() for value in given.values())).numpy()
    assert difference(got, double).relative <= 1e-5


def test_a_window_in_bf16_agrees_with_pytorch(tmp_path: Path) -> None:
    module, given = _Window(), inputs("window", 131, 300)
    given["q"] /= 9
    got = _run(module, given, tmp_path, precision="bf16")
    with torch.inference_mode():
        double = module(*(value.double() for value in given.values())).numpy()
    found = difference(got, double).relative
    assert 1e-4 < found <= BOUNDS["bfloat16"]


@pytest.mark.parametrize("mask", MASKS)
def test_what_hidden_generations_hold_is_not_reached(mask: str, tmp_path: Path) -> None:
    """The last generation, of keys from 384 on, is NaN: eager PyTorch spreads it over every row."""
    module, given = MASKS[mask](), inputs(mask, 33, 400)
    with torch.inference_mode():
        double = module(*(value.double() for value in given.values())).numpy()
    given["k"][..., 384:, :] = given["v"][..., 384:, :] = torch.nan
    with torch.inference_mode():
        assert module(*given.values()).isnan().all()
    assert difference(_run(module, given, tmp_path), double).relative <= 1e-5


@pytest.mark.parametrize("mask", ["causal", "triu", "tril"])
@pytest.mark.parametrize("name", ["k", "v"])
def test_what_is_not_finite_in_other_generations_spreads_as_in_pytorch(
    mask: str, name: str, tmp_path: Path
) -> None:
    module, given = MASKS[mask](), inputs(mask, 12, 40)
    given[name][0, 1, 5] = torch.nan
    got = _run(module, given, tmp_path)
    with torch.inference_mode():
        wanted = module(*given.values()).numpy()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
    assert difference(got, wanted).relative <= 1e-5
