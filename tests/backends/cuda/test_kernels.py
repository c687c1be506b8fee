"""Ordinary kernels, products and packed products, emulated, against the float64 interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from penstock.backends.cuda import emit
from penstock.backends.cuda.bitmod.emit import bitmod_kernels
from penstock.backends.cuda.cubins import compile_source
from penstock.backends.cuda.matmul import hopper
from penstock.backends.cuda.matmul.hopper import TILES

from .stepped import Compared, Stepped

FLOAT, HALF = 1e-5, 1e-2
PLAIN = "relabel,simplify,fuse,place"
ROUNDED = "relabel,simplify,precision{contract=bf16},fuse,place"


def compared(model: nn.Module, pipeline: str, seed: int = 0, **inputs: torch.Tensor) -> list[Compared]:
    stepped = Stepped.of(model, inputs, pipeline)
    return list(stepped.run({name: each.numpy() for name, each in inputs.items()}, seed))


def hold(found: list[Compared], bound: float, *kinds: str) -> None:
    assert found
    notes = " / ".join(each.kernel.note for each in found)
    for kind in kinds:
        assert kind in notes
    for each in found:
        assert each.distance < bound, each.kernel.name


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def extremes(*shape: int) -> torch.Tensor:
    """Normal numbers, a row of zeros, and a NaN, an infinity and a huge number in rows of their own."""
    x = normal(*shape)
    flat = x.reshape(-1, shape[-1])
    flat[0] = 0.0
    flat[1, 3], flat[2, 0], flat[3, 1] = float("nan"), float("inf"), 3e38
    return x


class Chain(nn.Module):
    """Elementwise, of several types and shapes."""

    def forward(self, x: torch.Tensor, y: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        kept = torch.where(n[None, :, None] > 1, F.gelu(x) * y, torch.tanh(x) - y)
        return torch.maximum(kept, F.silu(y).abs()) + n[None, :, None].float()


class Norms(nn.Module):
    """Two norms and a softmax, each of rows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer, self.width = nn.LayerNorm(width), width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.layer(x), -1)


class Normed(nn.Module):
    """A norm that a product reads rounded, and a sum as it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(x)
        return self.linear(normed) + normed


class Loss(nn.Module):
    """Log-sum-exp loss."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.logsumexp(x, -1)


class Targets(nn.Module):
    """Cross entropy of rows of logits, some rows left out."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(x, y)


class Layer(nn.Module):
    """A linear layer, an activation, a residual sum."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.gelu(self.linear(x)) + y


class Linear(nn.Module):
    """A linear layer alone."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Batched(nn.Module):
    """A product of two inputs in batches, the second's columns far apart."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ y)


class Heads(nn.Module):
    """A linear layer of what lies in heads, as attention leaves it."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(256, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = torch.relu(x).transpose(0, 1).flatten(1)
        return F.gelu(self.linear(tokens)) + tokens


class Words(nn.Module):
    """A table of words."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(11, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.words(ids)


class Attention(nn.Module):
    """Attention in float32, which no tensor core takes."""

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def test_elementwise_chains_of_mixed_types() -> None:
    n = torch.tensor([0, 1, 2, 3, -7])
    hold(
        compared(Chain(), PLAIN, x=normal(3, 5, 7), y=normal(3, 5, 7, seed=1), n=n), FLOAT, "a thread a point"
    )


def test_rows_with_nothing_finite_in_them() -> None:
    x = extremes(6, 70)
    x[4] = float("-inf")
    hold(compared(Loss(), PLAIN, x=x), FLOAT)


@pytest.mark.slow
def test_cross_entropy_stores_nothing_of_the_logits_shape() -> None:
    y = torch.tensor([0, 299, -100, 7, 5])
    found = compared(Targets(), PLAIN, x=normal(5, 300) * 30, y=y)
    hold(found, FLOAT)
    assert max(each.got.size for each in found) == 5


@pytest.mark.slow
def test_norm_and_softmax_of_ragged_rows() -> None:
    hold(compared(Norms(33), PLAIN, x=normal(5, 33)), FLOAT, "a block of")
    x = extremes(5, 300)
    x[3, 1] = 0.0  # the square of a huge number is infinite in float32 and not in float64
    hold(compared(Norms(300), PLAIN, x=x), FLOAT, "a block of 256")


@pytest.mark.slow
def test_attention_in_float32_falls_back_to_a_block_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emit, "EMITTERS", [emit._rows])
    pipeline = "relabel,simplify,fuse{m_tile=16},place"
    found = compared(
        Attention(), pipeline, q=normal(1, 2, 37, 8), k=normal(1, 2, 37, 8), v=normal(1, 2, 37, 8)
    )
    hold(found, FLOAT, "a block of")


def test_a_product_on_the_tensor_cores_with_what_follows_it() -> None:
    found = compared(Layer(72, 50), ROUNDED, x=normal(37, 72), y=normal(37, 50))
    hold(found, HALF, "tiles of")
    product = next(each for each in found if "tiles" in each.kernel.note)
    assert "matmul::Tile<bf16" in product.kernel.source
    assert product.distance < FLOAT  # the operands are rounded, not the product


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 40, 17), (70, 520, 130), (16, 8, 64)])
def test_ragged_products_on_the_tensor_cores(rows: int, inputs: int, outputs: int) -> None:
    found = compared(Layer(inputs, outputs), ROUNDED, 3, x=normal(rows, inputs), y=normal(rows, outputs))
    hold([each for each in found if "tiles" in each.kernel.note], FLOAT, "tiles of")


@pytest.mark.slow
def test_products_in_float32_and_of_any_layout() -> None:
    hold(compared(Layer(45, 70), PLAIN, x=normal(65, 45), y=normal(65, 70)), FLOAT, "tiles of 64 x 64")
    hold(compared(Batched(), PLAIN, x=normal(2, 3, 9, 20), y=normal(2, 3, 20, 66)), FLOAT, "tiles of 64 x 64")
    found = compared(Batched(), ROUNDED, x=normal(3, 9, 20), y=normal(3, 20, 66))
    hold([each for each in found if "tiles" in each.kernel.note], FLOAT, "tiles of 64 x 64")


def test_a_gather_keeps_to_its_table() -> None:
    found = compared(Words(), PLAIN, ids=torch.tensor([[0, 10, 3], [7, -1, -11]]))
    hold(found, 1e-12, "a thread a point")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bitmod4", "bitmod3"])
@pytest.mark.parametrize(("tokens", "inputs", "outputs"), [(1, 256, 40), (3, 200, 16), (19, 130, 33)])
def test_packed_weights_are_read_as_they_are_stored(
    name: str, tokens: int, inputs: int, outputs: int
) -> None:
    pipeline = f"relabel,simplify,quantize{{format={name}}},fuse,place"
    model = Linear(inputs, outputs)
    with torch.no_grad():
        model.linear.weight[0] = 0.0
        model.linear.weight[1, 0] = 1e4
    found = compared(model, pipeline, x=normal(tokens, inputs))
    hold(found, FLOAT, f"BitMoD FP{name[-1]}")


def test_a_token_of_anything_with_packed_weights() -> None:
    x = normal(4, 128)
    x[0] = 0.0
    x[1] *= 1e-30
    x[2] *= 1e30
    x[3, 5] = float("nan")
    model = Linear(128, 16)
    found = compared(model, "relabel,simplify,quantize{format=bitmod4},fuse,place", x=x)
    (product,) = found
    assert np.isnan(product.got[3]).all()
    hold(found, FLOAT, "BitMoD FP4")
    for got, wanted in zip(product.got[:3], product.wanted[:3], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())


PACKED = "relabel,simplify,quantize{format=bitmod4},precision{tokens=bf16},fuse,place"


def test_results_of_the_same_rows_are_written_in_one_loop() -> None:
    found = compared(Normed(72), ROUNDED, x=normal(5, 72))
    hold(found, FLOAT, "a block of")
    (rows,) = {each.kernel.name: each.kernel for each in found if "a block of" in each.kernel.note}.values()
    assert [tensor.dtype for tensor in rows.tensors() if tensor.role == "out"] == ["f32", "bf16"]
    assert rows.source.count("for (int ") == 3  # mean, variance, both results
    for arch in ("sm_80", "sm_90a", "sm_100a"):
        assert compile_source(rows.name, rows.source, arch).resources[rows.name].spill_bytes == 0


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [3, 70, 140])
def test_packed_weights_by_tokens_in_bf16(tokens: int) -> None:
    x = normal(8, tokens, 32)
    x[:, 1], x[2, 2, 2] = 0.0, float("nan")
    found = compared(Heads(256), PACKED, x=x)
    hold(found, FLOAT, "BitMoD FP4")
    reads = {each.kernel.note: [tensor.dtype for tensor in each.kernel.tensors()] for each in found}
    (packed,) = (kinds for note, kinds in reads.items() if "BitMoD" in note)
    assert "bf16" in packed


def test_rounded_tokens_with_a_weight_that_is_not_packed_so(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = tuple(each for each in emit.EMITTERS if each is not bitmod_kernels)
    monkeypatch.setattr(emit, "EMITTERS", kinds)
    found = compared(Linear(200, 24), PACKED, x=normal(5, 200))
    hold(found, FLOAT, "tiles of 64 x 64")
    for arch in ("sm_80", "sm_90a", "sm_100a"):
        kernel = found[-1].kernel
        assert compile_source(kernel.name, kernel.source, arch).resources[kernel.name].spill_bytes == 0


class Sliced(nn.Module):
    """Two products by parts of one weight, as a fused projection has them."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.both = nn.Linear(width, 2 * outputs)
        self.outputs = outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.both(x).split(self.outputs, -1)
        return F.silu(first) * second


@pytest.mark.slow
@pytest.mark.parametrize("columns", [64, 128, 256])
def test_products_on_hopper(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tile = next(each for each in TILES if each.columns == columns)
    monkeypatch.setattr(hopper, "TILES", (tile,))
    monkeypatch.setattr(hopper, "_LEAST_BLOCKS", 1)
    x = normal(1, 150, 200)
    x[0, 3], x[0, 4, 5] = 0.0, float("nan")
    stepped = Stepped.of(Sliced(200, 72), {"x": x}, ROUNDED, "sm_90a")
    found = [each for each in stepped.run({"x": x.numpy()}, columns) if "wgmma" in each.kernel.note]
    assert found
    hold(found, FLOAT, f"tiles of 128 x {columns}")
    for each in found:
        made = compile_source(each.kernel.name, each.kernel.source, "sm_90a").resources[each.kernel.name]
        assert made.spill_bytes == 0
