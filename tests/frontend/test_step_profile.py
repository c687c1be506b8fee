"""Profiles of training steps on fake tensors, beside what PyTorch really keeps and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from penstock.frontend import zoo
from penstock.frontend.step_profile import profile_module, profile_zoo
from penstock.ir.errors import InputError
from penstock.ir.step_profile import CROSSING, TRANSIENT, StepProfile
from penstock.ir.swap_plan import ALWAYS, KEPT, TOKEN
from penstock.sim.cost.swap import GPTS

MODELS = ("zoo:llama-tiny,layers=3", "zoo:gpt2-small,layers=2")


def _really_kept(spec: str, tokens: int) -> tuple[list[Counter[int]], int, int]:
    """Sizes of the storages that each layer saves in a real step, operations by PyTorch, layers."""
    model = zoo.build(spec)
    module = model.module.requires_grad_(True)
    ids = model.example_inputs(tokens)["input_ids"]
    own = {id(each.untyped_storage()): each for each in (*module.parameters(), *module.buffers())}
    skipped = {each.untyped_storage().data_ptr() for each in own.values()}
    layers = max((each for each in module.modules() if isinstance(each, nn.ModuleList)), key=len)
    kept: list[dict[int, torch.Tensor]] = [{} for _ in layers]
    current: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if current and tensor.untyped_storage().data_ptr() not in skipped:
            kept[current[-1]][tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    for at, layer in enumerate(layers):
        layer.register_forward_pre_hook(lambda *_, at=at: current.append(at))
        layer.register_forward_hook(lambda *_: current.clear())
    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            logits = module(ids)
        F.cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()
    sizes = [Counter(each.untyped_storage().nbytes() for each in layer.values()) for layer in kept]
    return sizes, counter.get_total_flops(), len(layers)


@pytest.mark.parametrize("spec", MODELS)
def test_a_layer_keeps_what_pytorch_keeps(spec: str) -> None:
    real, flops, layers = _really_kept(spec, 96)
    found = profile_zoo(spec, 96, "f32")
    assert found.layers == layers
    for at in range(layers):
        assert Counter(each.bytes for each in found.skeletal(at)) == real[at], f"layer {at}"
    ours = sum(each.flops for each in found.operations)
    attention = sum(each.flops for each in found.operations if "attention" in each.name)
    assert ours - attention == flops, "PyTorch does not count attention on the CPU"
    width = {"llama": 256, "gpt2-": 768}[spec[4:9]]
    assert attention == layers * 3.5 * 2 * 96 * 96 * width


def test_a_gpt_layer_has_thirteen_storages_of_sixteen_units() -> None:
    found = profile_zoo("zoo:gpt2-small,layers=2", 1024)
    unit = 1024 * 768 * 2
    assert len(found.skeletal(1)) == 13
    assert sum(each.bytes for each in found.skeletal(1)) / unit == pytest.approx(16.035, abs=2e-3)
    kinds = {each.name: each.kind for each in found.skeletal(1)}
    assert kinds["input"] == kinds["attn.attention"] == kinds["attn.logsumexp"] == ALWAYS
    assert kinds["attn.c_attn"] == TOKEN, "q, k and v share one storage"
    assert kinds["ln_1.mean"] == KEPT


def test_a_million_tokens_of_7b_take_nothing_and_agree_with_the_papers_formulas() -> None:
    tokens = 1 << 20
    found = profile_zoo("zoo:llama-7b-layer,layers=2", tokens)
    paper = GPTS["7b"]
    forward = found.flops(found.by_name["forward/1"])
    # SwiGLU of 11008: three products of 2·s·h·f instead of the paper's two of 8·s·h².
    ffn = 6 * tokens * 4096 * 11008 - 16 * tokens * 4096**2
    assert forward == paper.forward_flops(tokens) + ffn
    always = sum(each.bytes for each in found.skeletal(0) if each.kind == ALWAYS)
    assert always == paper.always_bytes(tokens) + 4 * 32 * tokens, "and attention's log-sum-exp"
    names = [each.name for each in found.skeletal(0)]
    assert names[0] == "input"
    assert {"self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.mul"} <= set(names)


def _segments_in_order(found: StepProfile) -> list[str]:
    return [segment.name for segment in found.segments if segment.end > segment.start]


def test_a_step_goes_forward_and_back_and_roles_follow_from_lives() -> None:
    found = profile_zoo("zoo:gpt2-small,layers=2", 64)
    order = ["begin", "forward/0", "forward/1", "head", "backward/1", "backward/0", "finish"]
    assert _segments_in_order(found) == order
    assert found.segments[0].start == 0
    assert found.segments[-1].end == len(found.operations)
    for segment, after in zip(found.segments, found.segments[1:], strict=False):
        assert segment.end == after.start
    for each in found.storages:
        assert 0 <= each.start < each.end <= len(found.operations)
        inside = [s for s in found.segments if s.start <= each.start and each.end <= s.end]
        if each.role == TRANSIENT:
            assert inside, each
        if each.role == CROSSING:
            assert each.gradient or not inside, each
    read = {number for operation in found.operations for number in operation.reads}
    assert all(at in read for at, each in enumerate(found.storages) if each.role == "skeletal")


def test_grouped_queries_keep_fewer_keys_and_values() -> None:
    found = profile_zoo("zoo:llama-tiny", 64, "f32")
    sizes = {each.name: each.bytes for each in found.skeletal(0)}
    assert sizes["self_attn.v_proj"] * 4 == sizes["self_attn.add"]


class _Stack(nn.Module):
    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor] = F.gelu) -> None:
        super().__init__()
        self.between = between
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = self.between(layer(x))
        return x


def test_a_module_of_ones_own_with_layers_that_meet_in_their_input() -> None:
    with torch.device("meta"):
        module = _Stack()
    found = profile_module(module, [(2, 16, 8)])
    assert [each.name for each in found.skeletal(0)] == ["input", "addmm"]
    assert found.tokens == 32
    with torch.device("meta"):
        shared = _Stack(torch.tanh)
    with pytest.raises(InputError, match="the backward of layer 0 reads what layer 1 keeps"):
        profile_module(shared, [(2, 16, 8)])


@pytest.mark.parametrize(
    ("spec", "tokens", "said"),
    [
        ("zoo:mlp", 8, "no sequence"),
        ("zoo:llama-tiny,cache=64", 8, "no sequence"),
        ("zoo:llama-tiny", 0, "0 tokens"),
        ("zoo:llama-tiny,attention=explicit", 64, r"'self_attn\._softmax' keeps"),
    ],
)
def test_what_is_no_stack_over_a_sequence_is_refused(spec: str, tokens: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        profile_zoo(spec, tokens)


def test_other_types_and_modules_without_a_stack_are_refused() -> None:
    with pytest.raises(InputError, match="no activations in 'f16'"):
        profile_zoo("zoo:llama-tiny", 8, "f16")
    with torch.device("meta"):
        plain = nn.Linear(4, 4)
    with pytest.raises(InputError, match="no stack of alike layers"):
        profile_module(plain, [(1, 4, 4)])
    with torch.device("meta"):
        module = _Stack()
    with pytest.raises(InputError, match="cannot be traced"):
        profile_module(module, [(1, 4, 5)])
