"""The other two ways: PyTorch's decompositions and torch-mlir's linalg; both agree with the Einsums."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import _decomp

from penstock.frontend import einsums, raising
from penstock.ir.errors import UnsupportedOps

from .raised import assert_same, integers, raised, tensors, upstream_functions

THROUGH_TORCH_MLIR = {
    "aten.gelu.default": (F.gelu, ("3,5",)),
    "aten.softmax.int": (lambda x: F.softmax(x, -1), ("3,5",)),
    "aten.layer_norm.default": (lambda x, w, b: F.layer_norm(x, (5,), w, b), ("3,5", "5", "5")),
    "aten.matmul.default": (torch.matmul, ("2,3,4", "2,4,5")),
    "aten.conv2d.default": (lambda x, w: F.conv2d(x, w, padding=1), ("1,2,5,5", "3,2,3,3")),
    "aten.cat.default": (lambda x, y: torch.cat([x, y], 1), ("3,2", "3,4")),
    "aten.where.self": (lambda x, y: torch.where(x > 0, x, y), ("3,5", "3,5")),
    "aten.mean.dim": (lambda x: x.mean(1), ("3,5",)),
    "aten.transpose.int": (lambda x: x.transpose(0, 1), ("3,5",)),
    "aten.expand.default": (lambda x: x.expand(2, 3, 5), ("3,5",)),
}


@pytest.mark.parametrize("op", THROUGH_TORCH_MLIR)
def test_torch_mlir_and_the_einsum_form_agree_with_pytorch(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, shapes = THROUGH_TORCH_MLIR[op]
    given = tensors(*shapes)
    assert upstream_functions(assert_same(function, *given)) == (
        [] if op != "aten.cat.default" else ["concat"]
    )
    monkeypatch.setattr(raising, "lookup", lambda name: None if name == op else einsums.lookup(name))
    monkeypatch.setattr(raising.fallback, "decompose", lambda *_: None)
    made = assert_same(function, *given)
    assert upstream_functions(made) == [op.split(".")[1]]


UNLISTED: dict[str, tuple[Callable[..., object], tuple[str, ...]]] = {
    "atan": (torch.atan, ("3,5",)),
    "atan2": (torch.atan2, ("3,5", "5")),
    "strided transposed convolution": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1), ("1,3,5,5", "3,2,3,3")
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNLISTED)
def test_what_has_no_form_passes_through(case: str) -> None:
    function, shapes = UNLISTED[case]
    assert len(upstream_functions(assert_same(function, *tensors(*shapes)))) == 1


DECOMPOSED: dict[str, tuple[Callable[..., object], tuple[str, ...]]] = {
    "logaddexp2": (torch.logaddexp2, ("3,5", "3,5")),
    "addr": (torch.addr, ("3,4", "3", "4")),
    "channel shuffle": (lambda x: F.channel_shuffle(x, 2), ("1,4,3,3",)),
    "upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), ("1,2,3,3",)),
    "padding by reflection": (lambda x: F.pad(x, (1, 1), mode="reflect"), ("1,3,4",)),
    "chain of products": (lambda a, b, c: torch.linalg.multi_dot([a, b, c]), ("2,3", "3,4", "4,5")),
    "renorm": (lambda x: x.renorm(2, 0, 1.0), ("3,4",)),
}


@pytest.mark.parametrize("case", DECOMPOSED)
def test_what_decomposes_needs_at_most_look_ups(case: str) -> None:
    function, shapes = DECOMPOSED[case]
    assert all(
        name.startswith("gather") for name in upstream_functions(assert_same(function, *tensors(*shapes)))
    )


def test_one_function_serves_every_use() -> None:
    made = assert_same(lambda x, y: torch.atan(x) + torch.atan(y), *tensors("3,5", "3,5"))
    assert upstream_functions(made) == ["atan"]


def test_what_pytorch_decomposes_wrongly_is_refused() -> None:
    """If the last line fails, PyTorch has mended it, and it may be decomposed again."""
    x, target = tensors("2,4")[0], torch.tensor([[1, 0, -1, 2], [3, -1, 0, 1]])
    with pytest.raises(UnsupportedOps, match="counts targets after the first -1"):
        raised(F.multilabel_margin_loss, x, target)
    rule = _decomp.decomposition_table[torch.ops.aten.multilabel_margin_loss_forward.default]
    assert not torch.allclose(rule(x, target, 1)[0], F.multilabel_margin_loss(x, target))


def test_a_scatter_that_torch_mlir_would_end_the_process_over_is_refused() -> None:
    x, source = tensors("4,5", "4,2")
    with pytest.raises(UnsupportedOps, match="folding by 'sum'; torch-mlir lowers it only to 'tm_tensor'"):
        raised(
            lambda x, k, s: x.scatter_reduce(-1, k, s, "sum", include_self=False),
            x,
            integers(5, "4,2"),
            source,
        )


def test_strides_over_one_element_that_torch_mlir_would_end_the_process_over_are_refused() -> None:
    with pytest.raises(UnsupportedOps, match="strides over memory"):
        raised(lambda x: x.as_strided((1, 1), (1, 1)), torch.tensor(2.0))
