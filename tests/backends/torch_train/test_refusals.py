"""What cannot be trained by a plan is refused with a reason, before anything is computed wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import penstock
from penstock import PenstockError
from penstock.frontend.zoo.gpt2 import Gpt2, Gpt2Config
from penstock.ir.swap_plan import RECOMPUTE, TOKEN, SwapPlan, TensorAction

WIDTH, LENGTH, LAYERS = 32, 64, 4


class Attention(nn.Module):
    """Causal attention, with what may go wrong in it by name."""

    def __init__(self, odd: str) -> None:
        super().__init__()
        self.odd = odd
        self.made = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each.unflatten(-1, (2, -1)).transpose(1, 2) for each in self.made(x).chunk(3, -1))
        if self.odd == "explicit":
            scores = (q @ k.transpose(-1, -2)).softmax(-1)
            return (scores @ v).transpose(1, 2).flatten(2)
        if self.odd == "twice":
            q = F.scaled_dot_product_attention(q, k, v)
        drop = 0.1 if self.odd == "drops scores" else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=drop)
        return y.transpose(1, 2).flatten(2)


class Odd(nn.Module):
    """A block with one thing that makes it unfit; none for an empty name."""

    def __init__(self, odd: str) -> None:
        super().__init__()
        self.odd = odd
        self.attention = Attention(odd)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.dropout = nn.Dropout(0.1 if odd == "dropout" else 0.0)
        self.count = nn.Buffer(torch.zeros(1))

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor | tuple[Tensor, None]:
        x = x + self.attention(x)
        if self.odd == "shifts tokens":
            x = x + torch.cat((x[:, :1], x[:, :-1]), 1)
        if self.odd == "norm over tokens":
            x = x - x.mean(1, keepdim=True)
        if self.odd == "noise":
            x = x + torch.rand_like(x)
        if self.odd == "counts":
            self.count.add_(1)
        if self.odd == "experts":
            chosen = self.up(x).argmax(-1).flatten() % 2 == 0
            flat = x.flatten(0, 1).clone()
            flat[chosen.nonzero()[:, 0]] *= 2
            x = flat.view(x.shape)
        x = x + self.down(F.gelu(self.up(self.dropout(x))))
        if scale is not None:
            x = x * scale
        return (x, None) if self.odd == "tuple" else x


class Stack(nn.Module):
    """Blocks behind one another."""

    def __init__(self, odd: str = "", layers: int = LAYERS) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(Odd(odd) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


def plan(**changes: object) -> SwapPlan:
    made = SwapPlan.uniform(LAYERS, LENGTH, 0.5, 16)
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


X = torch.randn(1, LENGTH, WIDTH, generator=torch.Generator().manual_seed(0))


def test_the_stack_these_tests_spoil_is_fit() -> None:
    model = Stack()
    model(X).square().mean().backward()
    plain = [each.grad.clone() for each in model.parameters() if each.grad is not None]
    model.zero_grad()
    penstock.memo(model, plan())(X).square().mean().backward()
    assert all(map(torch.equal, plain, [e.grad for e in model.parameters() if e.grad is not None]))


REASONS = {
    "explicit": "0 attentions that keep no scores",
    "twice": "2 attentions",
    "drops scores": "drop",
    "dropout": "drops out with probability 0.1",
    "noise": "is random",
    "counts": "in place",
    "shifts tokens": "mixes tokens outside attention, or may: slice.Tensor, cat",
    "norm over tokens": "mixes tokens outside attention, or may: mean",
    "experts": "no mixture of experts",
    "tuple": "gives a tuple",
}


@pytest.mark.parametrize("odd", REASONS)
def test_a_block_that_cannot_be_recomputed_by_rows_is_refused(odd: str) -> None:
    model = Stack(odd)
    with pytest.raises(PenstockError, match=REASONS[odd]) as refused:
        penstock.memo(model, plan())(X)
    assert refused.value.accepted
    assert str(refused.value.where).startswith("blocks.0")


def test_dropout_that_does_nothing_is_taken() -> None:
    model = Stack("dropout").eval()
    assert penstock.memo(model, plan())(X).requires_grad


def test_attention_written_out_is_refused_in_the_zoos_models_too() -> None:
    config = Gpt2Config(layers=LAYERS, width=32, heads=2, vocabulary=50, positions=64, attention="explicit")
    with pytest.raises(PenstockError, match="keep no scores"):
        penstock.memo(Gpt2(config), plan())(torch.zeros(1, LENGTH, dtype=torch.int64))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.ReLU()), "no repeated layers"),
        (nn.Linear(4, 4), "no repeated layers"),
        (Odd(""), "no repeated layers"),
        (nn.ModuleDict({"encoder": Stack(), "decoder": Stack()}), "several stacks of one size"),
    ],
    ids=["a mixed list", "no list", "one block", "two stacks"],
)
def test_a_model_without_one_stack_is_refused(model: nn.Module, said: str) -> None:
    with pytest.raises(PenstockError, match=said):
        penstock.memo(model, plan())


def test_a_plan_for_another_model_is_refused() -> None:
    with pytest.raises(PenstockError, match=r"a plan of 4 layers .*one of 3"):
        penstock.memo(Stack(layers=3), plan())
    with pytest.raises(PenstockError, match=r"1 × 32 tokens.*64 tokens, those of the plan"):
        penstock.memo(Stack(), plan())(X[:, :32])


def test_a_plan_for_other_tensors_is_refused() -> None:
    first = penstock.memo(Stack(), plan())
    first(X)
    made = SwapPlan.uniform(LAYERS, LENGTH, 0.5, 16, tensors=first.skeletal())
    assert penstock.memo(Stack(), made)(X).requires_grad
    fewer = SwapPlan.uniform(LAYERS, LENGTH, 0.5, 16, tensors=first.skeletal()[:-1])
    with pytest.raises(PenstockError, match="bytes a token"):
        penstock.memo(Stack(), fewer)(X)


def test_attentions_result_is_never_recomputed() -> None:
    first = penstock.memo(Stack(), plan())
    first(X)
    made = SwapPlan.uniform(LAYERS, LENGTH, 0.5, 16, tensors=first.skeletal())
    attention = next(each.name for each in made.tensors[1:] if each.kind == "always")
    layer = made.layers[0]
    actions = tuple(
        TensorAction(each.name, RECOMPUTE) if each.name == attention else each for each in layer.actions
    )
    changed = replace(made, layers=(replace(layer, actions=actions), *made.layers[1:]))
    with pytest.raises(PenstockError, match="never recomputed"):
        penstock.memo(Stack(), changed)(X)


def test_attentions_result_is_not_split_by_tokens_whatever_the_plan_calls_it() -> None:
    first = penstock.memo(Stack(), plan())
    first(X)
    tensors = tuple(replace(each, kind=TOKEN) if each.name != "input" else each for each in first.skeletal())
    made = SwapPlan.uniform(LAYERS, LENGTH, 0.5, 16, tensors=tensors)
    with pytest.raises(PenstockError, match="never recomputed by the executor, nor in part"):
        penstock.memo(Stack(), made)(X)


def test_another_shape_than_the_first_is_refused() -> None:
    model = penstock.memo(Stack(), plan())
    model(X).sum().backward()
    with pytest.raises(PenstockError, match="the form the first forward had"):
        model(X.view(2, LENGTH // 2, WIDTH))


def test_hooks_inside_of_blocks_and_autocast_are_refused() -> None:
    model = Stack()
    hook = model.get_submodule("blocks.1.up").register_forward_hook(lambda *_: None)
    with pytest.raises(PenstockError, match="has hooks") as refused:
        penstock.memo(model, plan())
    assert refused.value.where == "blocks.1.up"
    hook.remove()
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(PenstockError, match="autocast"):
        penstock.memo(model, plan())(X)


def test_an_argument_that_wants_a_gradient_is_refused() -> None:
    model = Stack()
    penstock.memo(model, plan())
    with pytest.raises(PenstockError, match="wants a gradient"):
        model.blocks[0](X, torch.ones(WIDTH, requires_grad=True))


def test_a_model_is_wrapped_once_and_left_as_it_was() -> None:
    model = Stack()
    first = penstock.memo(model, plan())
    with pytest.raises(PenstockError, match="already"):
        penstock.memo(model, plan())
    first.close()
    assert all("forward" not in vars(block) for block in model.blocks)
    assert torch.equal(penstock.memo(model, plan())(X), model(X))


def test_an_output_that_is_held_when_its_memory_is_used_again_is_refused() -> None:
    """Otherwise hidden states that a model collects would change behind its back."""

    class Collecting(Stack):
        def forward(self, x: Tensor) -> Tensor:
            states = [self.first(x)]
            for block in self.blocks:
                states.append(block(states[-1]))
            return torch.stack(states).sum(0)

    with pytest.raises(PenstockError, match="still held"):
        penstock.memo(Collecting(), plan())(X)


def test_without_gradients_a_wrapped_model_runs_as_it_is() -> None:
    model = Stack()
    plain = model(X)
    wrapped = penstock.memo(model, plan())
    with torch.no_grad():
        assert torch.equal(wrapped(X), plain)
        assert torch.equal(wrapped(X[:, :7]), model(X[:, :7]))
    assert wrapped.sizes().buffers == 0


def test_a_plan_is_read_from_its_file(tmp_path: object) -> None:
    path = f"{tmp_path}/plan.json"
    plan().write(path)
    assert penstock.memo(Stack(), path).plan == plan()
    with pytest.raises(PenstockError, match="cannot be read"):
        penstock.memo(Stack(), f"{tmp_path}/other.json")


def test_names_and_parameters_stay_the_models_own(tmp_path: object) -> None:
    model = Stack()
    names: Callable[[nn.Module], list[str]] = lambda module: list(module.state_dict())  # noqa: E731
    before = names(model)
    wrapped = penstock.memo(model, plan())
    assert names(model) == before
    assert [each.removeprefix("model.") for each in names(wrapped)] == before
