"""Small language models of the zoo, and what training them by a plan is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from penstock.backends.torch_train import Memo
from penstock.frontend.zoo.gpt2 import Gpt2, Gpt2Config
from penstock.frontend.zoo.initialise import initialise
from penstock.frontend.zoo.llama import Llama, LlamaConfig

VOCABULARY = 101
LAYERS = 5


def gpt(layers: int = LAYERS, positions: int = 512) -> nn.Module:
    return Gpt2(Gpt2Config(layers=layers, width=64, heads=4, vocabulary=VOCABULARY, positions=positions))


def llama(layers: int = LAYERS, positions: int = 512) -> nn.Module:
    sizes: dict[str, Any] = {"width": 64, "heads": 4, "key_heads": 2, "inner": 176, "vocabulary": VOCABULARY}
    return Llama(LlamaConfig(layers=layers, positions=positions, **sizes))


MODELS: dict[str, Callable[..., nn.Module]] = {"gpt": gpt, "llama": llama}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def build() -> Callable[..., nn.Module]:
    """``build("gpt", dtype=torch.float32, **sizes)``: a model with seeded weights."""

    def made(name: str, dtype: torch.dtype = torch.float32, **sizes: Any) -> nn.Module:
        model = MODELS[name](**sizes)
        initialise(model, seed=0)
        return model.to(dtype)

    return made


@pytest.fixture
def tokens() -> Callable[[int, int], Tensor]:
    """``tokens(batch, length)``: seeded token numbers."""

    def made(batch: int, length: int) -> Tensor:
        return torch.randint(0, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(1))

    return made


def loss_of(model: nn.Module, ids: Tensor) -> Tensor:
    """Of predicting each next token."""
    return F.cross_entropy(model(ids).float().flatten(0, 1), ids.roll(-1, 1).flatten())


@pytest.fixture
def loss() -> Callable[[nn.Module, Tensor], Tensor]:
    return loss_of


@pytest.fixture
def gradients() -> Callable[[nn.Module, Tensor], dict[str, Tensor]]:
    """``gradients(model, ids)``: the loss and every parameter's gradient of one step, by name."""

    def made(model: nn.Module, ids: Tensor) -> dict[str, Tensor]:
        model.zero_grad()
        loss = loss_of(model, ids)
        loss.backward()
        inner = model.model if isinstance(model, Memo) else model
        found = {name: each.grad.clone() for name, each in inner.named_parameters() if each.grad is not None}
        return {"loss": loss.detach(), **found}

    return made


@pytest.fixture
def differing() -> Callable[[dict[str, Tensor], dict[str, Tensor]], list[str]]:
    """Names of tensors that are not the same bits."""

    def found(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
        assert one.keys() == other.keys()
        return [name for name in one if not torch.equal(one[name], other[name])]

    return found
