"""Gradients by a swap plan are those of plain autograd: bit for bit at aligned splits, on CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import penstock
from penstock.ir.swap_plan import ALWAYS, KEEP, RECOMPUTE, SWAP, Skeletal, SwapPlan, TensorAction

Build = Callable[..., Any]
Tokens = Callable[[int, int], Tensor]
Gradients = Callable[[nn.Module, Tensor], dict[str, Tensor]]
Differing = Callable[[dict[str, Tensor], dict[str, Tensor]], list[str]]

LAYERS = 5


@pytest.mark.parametrize("alpha", [0, 0.25, 0.5, 0.75, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_gradients_are_bitwise_those_of_autograd(
    name: str,
    dtype: torch.dtype,
    alpha: float,
    build: Build,
    tokens: Tokens,
    gradients: Gradients,
    differing: Differing,
) -> None:
    model, ids = build(name, dtype), tokens(1, 512)
    plain = gradients(model, ids)
    wrapped = penstock.memo(model, SwapPlan.uniform(LAYERS, 512, alpha, 64))
    for _ in range(2):  # the second step reuses buffers and slab
        assert differing(gradients(wrapped, ids), plain) == []


@pytest.mark.parametrize("batch", [2, 3])
@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_a_batch_is_split_in_each_of_its_sequences(
    name: str, batch: int, build: Build, tokens: Tokens, gradients: Gradients, differing: Differing
) -> None:
    model, ids = build(name), tokens(batch, 256)
    plain = gradients(model, ids)
    wrapped = penstock.memo(model, SwapPlan.uniform(LAYERS, batch * 256, 0.5, 64))
    assert differing(gradients(wrapped, ids), plain) == []
    assert differing(gradients(wrapped, ids), plain) == []


@pytest.mark.parametrize("length", [77, 200, 511])
@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_ragged_lengths_too(
    name: str, length: int, build: Build, tokens: Tokens, gradients: Gradients, differing: Differing
) -> None:
    model, ids = build(name), tokens(1, length)
    plain = gradients(model, ids)
    wrapped = penstock.memo(model, SwapPlan.uniform(LAYERS, length, 0.6, 64))
    assert differing(gradients(wrapped, ids), plain) == []


@pytest.mark.parametrize("split", [1, 63, 131, 254, 255])
def test_a_split_anywhere_recomputes_rows_enough_to_be_multiplied_as_the_whole_is(
    split: int, build: Build, tokens: Tokens, gradients: Gradients, differing: Differing
) -> None:
    """One or two rows are multiplied by another kernel, with other bits (fp32, MKL)."""
    model, ids = build("gpt"), tokens(1, 256)
    plain = gradients(model, ids)
    wrapped = penstock.memo(model, SwapPlan.uniform(LAYERS, 256, split / 256, 1))
    assert wrapped.plan.layers[0].tokens == split
    assert differing(gradients(wrapped, ids), plain) == []


def test_extremes_go_the_same_way(build: Build, tokens: Tokens, gradients: Gradients) -> None:
    """Zeros, huge weights, infinities and NaN: bits as autograd's, NaN where it has NaN."""
    ids = tokens(1, 128)
    for scale in (0.0, 1e30, float("inf"), float("nan")):
        model = build("llama")
        with torch.no_grad():
            model.decoder.layers[2].mlp.up_proj.weight.mul_(scale)
        plain = gradients(model, ids)
        ours = gradients(penstock.memo(model, SwapPlan.uniform(LAYERS, 128, 0.5, 64)), ids)
        for name, each in plain.items():
            assert torch.equal(each.nan_to_num(7.0), ours[name].nan_to_num(7.0)), (scale, name)


def test_frozen_parameters_get_no_gradient_and_early_layers_run_plain(
    build: Build, tokens: Tokens, gradients: Gradients, differing: Differing
) -> None:
    model, ids = build("gpt", layers=7), tokens(1, 128)
    for frozen in (model.wte, model.wpe, model.h[0], model.h[1]):
        frozen.requires_grad_(False)
    for block in model.h:
        block.attn.c_proj.bias.requires_grad_(False)
    plain = gradients(model, ids)
    wrapped = penstock.memo(model, SwapPlan.uniform(7, 128, 0.5, 64))
    for _ in range(3):
        assert differing(gradients(wrapped, ids), plain) == []
    assert not any(name.startswith(("h.0", "h.1.", "wte")) for name in plain)


def test_gradients_accumulate_over_steps(build: Build, tokens: Tokens, loss: Callable[..., Tensor]) -> None:
    model = build("gpt")
    batches = [tokens(1, 128), tokens(1, 128).flip(1)]

    def accumulated(module: nn.Module) -> list[Tensor]:
        model.zero_grad()
        for ids in batches:
            loss(module, ids).backward()
        return [each.grad.clone() for each in model.parameters() if each.grad is not None]

    plain = accumulated(model)
    ours = accumulated(penstock.memo(model, SwapPlan.uniform(LAYERS, 128, 0.5, 64)))
    assert all(map(torch.equal, plain, ours))


def tensor_plan(model: nn.Module, choose: Callable[[int, str, str], TensorAction]) -> SwapPlan:
    """A plan with an action of its own for every tensor of every layer of a model of 256 tokens."""
    probe = penstock.memo(model, SwapPlan.uniform(LAYERS, 256, 0.5, 64))
    probe(torch.zeros(1, 256, dtype=torch.int64))
    tensors = probe.skeletal()
    probe.close()
    plan = SwapPlan.uniform(LAYERS, 256, 0.5, 64, tensors=tensors)
    layers = tuple(
        layer
        if not layer.swapped
        else type(layer)(
            layer.index,
            layer.tokens,
            layer.buffer,
            True,
            tuple(choose(layer.index, each.name, each.kind) for each in tensors),
        )
        for layer in plan.layers
    )
    return SwapPlan(1, 256, 256, 64, "f32", tuple(tensors), layers).placed()


@pytest.mark.parametrize("name", ["gpt", "llama"])
@pytest.mark.parametrize("seed", range(4))
def test_each_tensor_of_each_layer_goes_its_own_way(
    name: str, seed: int, build: Build, tokens: Tokens, gradients: Gradients, differing: Differing
) -> None:
    """Keep, swap of any prefix, or recompute, drawn for each: gradients stay the same bits."""
    model, ids = build(name), tokens(1, 256)
    plain = gradients(model, ids)
    random = torch.Generator().manual_seed(seed)

    def choose(_: int, tensor: str, kind: str) -> TensorAction:
        draw = int(torch.randint(0, 6, (1,), generator=random))
        if kind == ALWAYS:
            return TensorAction(tensor, KEEP) if draw % 2 else TensorAction(tensor, SWAP, 256)
        if draw == 0:
            return TensorAction(tensor, KEEP)
        return TensorAction(tensor, SWAP, (draw - 1) * 64) if draw > 1 else TensorAction(tensor, RECOMPUTE)

    wrapped = penstock.memo(model, tensor_plan(model, choose))
    for _ in range(2):
        assert differing(gradients(wrapped, ids), plain) == []
    assert wrapped.sizes().kept > 0


def test_skeletal_tensors_are_those_the_sheet_counts(build: Build) -> None:
    """A GPT block saves 16 bsh elements, the log-sum-exp, and two numbers a token for each norm."""
    model = build("gpt")
    wrapped = penstock.memo(model, SwapPlan.uniform(LAYERS, 256, 1, 64))
    wrapped(torch.zeros(1, 256, dtype=torch.int64))
    found: tuple[Skeletal, ...] = wrapped.skeletal()
    assert sum(each.token_bytes for each in found) == 4 * (16 * 64 + 4 + 2 * 2)
    assert sum(each.token_bytes for each in found if each.kind == ALWAYS) == 4 * (2 * 64 + 4)
