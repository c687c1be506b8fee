"""Memory plans of training steps: no two live tensors share a byte, and sizes beside what PyTorch holds."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from penstock.frontend import zoo
from penstock.frontend.step_profile import _fake, _make_fake, _step, profile_zoo
from penstock.frontend.step_trace import StepTrace
from penstock.ir.step_profile import StepProfile
from penstock.ir.swap_plan import Skeletal, SwapPlan
from penstock.passes.swap.lives import Layout, Life, checkpointed, layout, plain
from penstock.passes.swap.memory import MemoryPlan, as_requests, plan_memory
from penstock.passes.swap.recompute import rebuilding
from penstock.sim.cost.swap.caching_allocator import replay

LLAMA, GPT = "zoo:llama-tiny,layers={}", "zoo:gpt2-small,layers={}"


@cache
def _profile(spec: str, layers: int, tokens: int = 512) -> StepProfile:
    return profile_zoo(spec.format(layers), tokens)


def _plan(profile: StepProfile, alpha: float, gpus: int = 1) -> SwapPlan:
    tensors = [Skeletal(s.name, s.bytes // profile.tokens, s.kind) for s in profile.skeletal(0)]
    return SwapPlan.uniform(profile.layers, profile.tokens // gpus, alpha, tensors=tensors, dtype="bf16")


def _peak(lives: tuple[Life, ...]) -> int:
    return max(sum(each.bytes for each in lives if each.start <= at < each.end) for at in range(10_000))


def _addresses(laid: Layout, found: MemoryPlan) -> dict[str, tuple[Life, int, int]]:
    """Every life with its bytes in the arena, from the two levels."""
    blocks = {block.name: block for block in found.transients.blocks}
    inside = {"forward": found.transients.forward, "backward": found.transients.backward}
    placed = {}
    for life in laid.lives:
        if not life.block:
            placed[life.name] = (life, blocks[life.name].offset, life.bytes)
        elif life.block.split("/")[0] in inside:
            start = laid.spans[life.block][0]
            shape = (life.start - start, life.end - start)
            alike = [
                each
                for each in inside[life.block.split("/")[0]]
                if (each.start, each.end) == shape and 0 <= each.bytes - life.bytes < 512
            ]
            taken = [at for name, (_, at, _) in placed.items() if placed[name][0].block == life.block]
            base = blocks[life.block].offset
            free = next(each for each in alike if base + each.offset not in taken or len(alike) == 1)
            placed[life.name] = (life, base + free.offset, life.bytes)
    return placed


@pytest.mark.parametrize("spec", [LLAMA, GPT])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_no_two_live_tensors_share_a_byte(spec: str, alpha: float) -> None:
    profile = _profile(spec, 4)
    laid = layout(profile, _plan(profile, alpha))
    found = plan_memory(laid)
    assert found.alike
    for (one, low, size), (two, other, more) in combinations(_addresses(laid, found).values(), 2):
        if one.start < two.end and two.start < one.end:
            assert low + size <= other or other + more <= low, f"{one.name} and {two.name}"
        assert low + size <= found.transients.arena_bytes


@pytest.mark.parametrize("spec", [LLAMA, GPT])
@pytest.mark.parametrize("layers", [1, 4])
def test_bi_level_is_no_smaller_than_monolithic_and_both_than_the_bound(spec: str, layers: int) -> None:
    profile = _profile(spec, layers)
    laid = layout(profile, _plan(profile, 0.5))
    found = plan_memory(laid)
    assert found.monolithic_bytes is not None
    assert _peak(laid.lives) <= found.lower_bound_bytes <= found.monolithic_bytes
    assert found.monolithic_bytes <= found.transients.arena_bytes <= 1.2 * found.monolithic_bytes
    assert found.allocator.reserved_bytes >= found.allocator.allocated_bytes >= _peak(laid.lives)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["zoo:llama-7b-layer,layers={}", GPT])
def test_thirty_two_layers_are_planned(spec: str) -> None:
    profile = _profile(spec, 32, 4096)
    found = plan_memory(layout(profile, _plan(profile, 0.5)))
    assert found.alike
    assert found.tensors > 1000
    assert max(found.problems) < 500, "two small problems and a short one"
    assert found.transients.arena_bytes <= 1.1 * found.lower_bound_bytes


def test_less_is_recomputed_with_more_on_the_host() -> None:
    profile = _profile(LLAMA, 4)
    sizes = [
        sum(life.bytes for life in layout(profile, _plan(profile, alpha)).lives) for alpha in (0.0, 0.5, 1.0)
    ]
    assert sizes[0] > sizes[1] > sizes[2]
    assert not [life for life in layout(profile, _plan(profile, 1.0)).lives if "again" in life.name]


def test_ranks_share_tensors() -> None:
    profile = _profile(LLAMA, 4)
    one, four = (sum(life.bytes for life in layout(profile, _plan(profile, 1.0, g), g).lives) for g in (1, 4))
    assert one == pytest.approx(4 * four, rel=1e-3)


def test_attention_is_rebuilt_by_itself_alone_and_the_last_product_never() -> None:
    profile = _profile(LLAMA, 4)
    again = rebuilding(profile, 1)
    names = {name: [profile.operations[at].name for at in sorted(ops)] for name, ops in again.needs.items()}
    assert names["input"] == []
    assert names["mlp.up_proj"] == ["mm"]
    assert names["self_attn.add"] == ["mm", "neg", "cat", "mul", "mul", "add"]
    assert [name for name, ops in names.items() if any("attention" in op for op in ops)] == [
        "self_attn.attention",
        "self_attn.logsumexp",
    ]
    products = [at for at in again.operators() if profile.operations[at].name == "mm"]
    forward = profile.operations[again.segment.start : again.segment.end]
    assert len(products) == sum(each.name == "mm" for each in forward) - 1, "all but the last of the MLP"


def _held_by_pytorch(spec: str, tokens: int) -> int:
    """Most bytes alive in a step with every layer checkpointed by PyTorch, on fake tensors."""
    model = zoo.build(spec, device="meta").module
    with _fake("bf16"):
        _make_fake(model)
        layers = max((each for each in model.modules() if isinstance(each, torch.nn.ModuleList)), key=len)
        for layer in layers:
            forward = layer.forward
            layer.forward = lambda *args, forward=forward: checkpoint(forward, *args, use_reentrant=False)
        ids = torch.zeros((1, tokens), dtype=torch.int64)
        trace = StepTrace([*model.parameters(), *model.buffers(), ids])
        with trace:
            _step(model, [ids])
        trace.finish()
    ends = [each.end or 0 for each in trace.storages]
    return max(
        sum(s.bytes for s, end in zip(trace.storages, ends, strict=True) if s.start <= at < end)
        for at in range(len(trace.operations))
    )


@pytest.mark.parametrize("spec", [LLAMA, GPT])
def test_a_checkpointed_step_holds_what_pytorch_does(spec: str) -> None:
    profile = _profile(spec, 6)
    assert _peak(checkpointed(profile)) == pytest.approx(_held_by_pytorch(spec.format(6), 512), rel=0.02)


def test_checkpoints_fragment_and_a_plain_step_hardly() -> None:
    profile = _profile("zoo:llama-7b-layer,layers={}", 8, 1 << 17)
    whole = replay(as_requests(plain(profile)))
    again = replay(as_requests(checkpointed(profile)))
    assert whole.waste < 0.05 < 0.1 < again.waste
    assert again.allocated_bytes < whole.allocated_bytes / 2


LIVES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(1, 9000)), min_size=1, max_size=8
)
CROSSING = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40), st.integers(1, 9000)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), LIVES, LIVES, CROSSING)
def test_any_step_of_alike_layers_is_placed_on_two_levels(
    layers: int,
    forward: list[tuple[int, int, int]],
    backward: list[tuple[int, int, int]],
    crossing: list[tuple[int, int, int]],
) -> None:
    names = [f"forward/{at}" for at in range(layers)] + [f"backward/{at}" for at in range(layers)]
    spans = {name: (10 * at, 10 * at + 10) for at, name in enumerate(names)}
    lives = [
        Life(f"{name}/{number}:t", name, spans[name][0] + start, spans[name][0] + start + length, size)
        for name in names
        for number, (start, length, size) in enumerate(forward if name in names[:layers] else backward)
    ]
    lives += [
        Life(f"cross/{at}:t", "", start, start + length, size)
        for at, (start, length, size) in enumerate(crossing)
    ]
    found = plan_memory(Layout(spans, tuple(lives)))
    assert found.alike
    assert _peak(tuple(lives)) <= found.lower_bound_bytes <= (found.monolithic_bytes or 0)
    for inside, size in (
        (found.transients.forward, found.transients.forward_bytes),
        (found.transients.backward, found.transients.backward_bytes),
        (found.transients.blocks, found.transients.arena_bytes),
    ):
        assert all(each.offset >= 0 and each.offset + each.bytes <= size for each in inside)
        for one, two in combinations(inside, 2):
            together = one.start < two.end and two.start < one.end
            apart = one.offset + one.bytes <= two.offset or two.offset + two.bytes <= one.offset
            assert apart or not together, f"{one.name} and {two.name}"
