"""The planner's choices: beside the paper's policy, all choices of a small step, the simulator's times."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.frontend.step_profile import profile_zoo
from penstock.ir.errors import PlanError
from penstock.ir.step_profile import StepProfile
from penstock.ir.swap_plan import KEEP, RECOMPUTE, SWAP, SwapPlan
from penstock.passes.swap.costs import Costs
from penstock.passes.swap.mip import Choice, Solution, solve
from penstock.passes.swap.planner import plan_swap
from penstock.passes.swap.policies import _plan, general, paper
from penstock.sim.cost.swap.machine import Machine
from penstock.sim.cost.swap.schedule import simulate

MIB = 1 << 20


@cache
def _profile(spec: str, tokens: int = 512) -> StepProfile:
    return profile_zoo(spec, tokens)


def _costs(spec: str, link: float, host: float, device: int = 1 << 40, tokens: int = 512) -> Costs:
    """A machine whose link moves a layer in `1/link` forwards, and whose host holds `host` layers."""
    profile = _profile(spec, tokens)
    machine = Machine("test", 1, 1e12, 0.5, 1e12, device, 1 << 40, 1e9)
    costs = Costs(profile, machine, align=32)
    rate = link * costs.buffer_bytes / costs.forward_s
    room = max(1, int(host * costs.buffer_bytes))
    return replace(costs, machine=replace(machine, link_bytes_per_s=rate, host_bytes=room))


def _seconds(costs: Costs, plan: SwapPlan) -> float:
    return simulate(costs.work(plan)).seconds


LLAMA, GPT = "zoo:llama-tiny,layers=6", "zoo:gpt2-small,layers=5"


@pytest.mark.parametrize("spec", [LLAMA, GPT])
@pytest.mark.parametrize("link", [0.05, 0.3, 0.8, 2.0])
@pytest.mark.parametrize("host", [0.7, 1.5, 2.5, 10.0])
@pytest.mark.parametrize("room", [0, 1, 3])
def test_the_general_choice_is_never_slower_than_the_papers(
    spec: str, link: float, host: float, room: int
) -> None:
    costs = _costs(spec, link, host)
    plan, found = general(costs, room * costs.buffer_bytes, seconds=10, seed=0)
    assert found.optimal
    ours = _seconds(costs, plan)
    try:
        theirs = _seconds(costs, paper(costs)[0])
    except PlanError:
        return
    assert found.step_s + costs.around_s <= theirs * (1 + 1e-5)
    assert ours <= theirs + costs.align / costs.tokens * costs.layers * costs.layer.recompute_s
    assert max(plan.host_bytes, paper(costs)[0].host_bytes) <= costs.machine.host_bytes
    assert costs.kept_bytes(plan) <= room * costs.buffer_bytes + MIB


def test_it_wins_where_the_host_is_small_by_rebuilding_what_is_cheap() -> None:
    costs = _costs(LLAMA, 2.0, 1.5)
    plan, _ = general(costs, 0, seconds=10, seed=0)
    assert _seconds(costs, plan) < _seconds(costs, paper(costs)[0]) * 0.999
    rebuilt = {a.name for layer in plan.layers for a in layer.actions if a.action == RECOMPUTE}
    assert any("mul" in name for name in rebuilt), "norms and products of elements go first"


def test_it_wins_where_the_link_is_slow_by_keeping() -> None:
    costs = _costs(LLAMA, 0.05, 10.0)
    plan, _ = general(costs, 2 * costs.buffer_bytes, seconds=10, seed=0)
    assert _seconds(costs, plan) < 0.95 * _seconds(costs, paper(costs)[0])
    assert any(a.action == KEEP for a in plan.layers[0].actions)


def test_what_fits_is_not_swapped() -> None:
    costs = _costs(LLAMA, 0.3, 10.0)
    plan, found = general(costs, 10 * costs.buffer_bytes, seconds=10, seed=0)
    assert plan.host_bytes == 0
    assert [layer.buffer for layer in plan.layers] == [None] * 4 + [0, 1]
    assert found.step_s == pytest.approx(6 * (costs.forward_s + costs.backward_s))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 3), st.floats(0.4, 8), st.floats(0, 3))
def test_the_programs_times_are_the_simulators(link: float, host: float, room: float) -> None:
    """Of every choice, with tokens not rounded: times of the linear program are those of the streams."""
    costs = replace(_costs(LLAMA, link, host), align=1)
    try:
        found = solve(costs, int(room * costs.buffer_bytes), seconds=10)
    except PlanError:
        return
    rounding = costs.layers * costs.layer.recompute_s / costs.tokens
    # Layers that keep everything give up their buffer, which the program does not know: never slower.
    ours = _seconds(costs, _plan(costs, found)) - costs.around_s
    assert ours <= found.step_s + rounding + 1e-9
    if all(layer.buffer is not None for layer in _plan(costs, found).layers):
        assert ours == pytest.approx(found.step_s, abs=rounding + 1e-9)


def test_the_best_of_all_choices_of_one_layer() -> None:
    """Three layers, one swapped: its tensors kept, copied or rebuilt in every way, by the simulator."""
    costs = replace(_costs("zoo:gpt2-small,layers=3", 0.6, 0.8), align=1)
    room = costs.buffer_bytes // 4
    tensors = [tensor for tensor in costs.tensors if tensor.kind != "keep"]
    best = float("inf")
    for choice in product((Choice(True, 0.0), Choice(False, 1.0), Choice(False, 0.0)), repeat=len(tensors)):
        pairs = list(zip(tensors, choice, strict=True))
        if any(t.kind == "always" and not c.keep and not c.swap for t, c in pairs):
            continue
        kept = sum(costs.bytes(t) for t, c in pairs if c.keep)
        copied = sum(costs.bytes(t) for t, c in pairs if not c.keep and c.swap)
        if kept > room or copied > costs.machine.host_bytes:
            continue
        given_ = Solution({(0, t.name): c for t, c in pairs}, 0.0, 0.0, False)
        best = min(best, _seconds(costs, _plan(costs, given_)))
    found = solve(costs, room, seconds=10)
    assert found.bound_s + costs.around_s <= best * (1 + 1e-6)
    assert found.step_s + costs.around_s >= 0.9 * best, "fractions gain a little over whole tensors"


def test_nothing_fits_without_a_host_and_attention_is_rebuilt_when_it_is_tiny() -> None:
    costs = _costs(LLAMA, 1.0, 10.0)
    none = replace(costs, machine=replace(costs.machine, host_bytes=1))
    with pytest.raises(PlanError, match="no choice"):
        solve(none, 0, rebuild_attention=True)
    inputs = costs.bytes(costs.tensors[0]) * 4 + 256 * 4 * len(costs.tensors)
    tiny = replace(costs, machine=replace(costs.machine, host_bytes=inputs))
    with pytest.raises(PlanError, match="no choice"):
        solve(tiny, 0)
    plan, _ = general(tiny, 0, seconds=10, seed=0)
    actions = {each.name: each.action for each in plan.layers[0].actions}
    assert actions["self_attn.attention"] == RECOMPUTE
    assert actions["input"] == SWAP


def test_a_whole_plan_holds_its_budgets_and_says_what_limits() -> None:
    costs = _costs(LLAMA, 2.0, 1.5)
    roomy = plan_swap(costs)
    assert roomy.policy.limits == "compute"
    peak = roomy.policy.device_bytes
    rows = {row.name: row for row in roomy.policies}
    assert set(rows) == {"plain", "checkpoint", "memo", "general"}
    least = rows["memo"].device_bytes
    assert least < rows["plain"].device_bytes
    tight = replace(costs, machine=replace(costs.machine, device_bytes=least + MIB // 4))
    found = plan_swap(tight)
    assert found.policy.device_bytes <= least + MIB // 4 < peak
    assert found.policy.limits in ("host", "device")
    assert found.plan.predicted is not None
    assert found.plan.predicted.step_s == pytest.approx(found.step.seconds)
    assert found.bound_s is not None
    assert found.bound_s <= found.step.seconds * (1 + 1e-9)
    assert SwapPlan.from_json(found.plan.to_json()) == found.plan
    paper_ = plan_swap(tight, policy="memo")
    assert paper_.chosen == "memo"
    assert paper_.policy.limits == "host"
    with pytest.raises(PlanError, match="bytes on the device"):
        plan_swap(replace(costs, machine=replace(costs.machine, device_bytes=MIB)))
    with pytest.raises(PlanError, match="no policy"):
        plan_swap(costs, policy="best")


@pytest.mark.parametrize("layers", [1, 2])
def test_one_or_two_layers_are_planned_though_nothing_is_to_be_chosen(layers: int) -> None:
    costs = _costs(f"zoo:llama-tiny,layers={layers}", 0.5, 1.0)
    found = plan_swap(costs)
    rows = {row.name: row for row in found.policies}
    assert found.plan.host_bytes == 0
    assert rows["general"].step_s == rows["memo"].step_s == pytest.approx(rows["plain"].step_s)
    assert found.bound_s == pytest.approx(found.step.seconds)
    assert found.policy.limits == "compute"


def test_ranks_share_tokens_evenly() -> None:
    machine = Machine("test", 3, 1e12, 0.5, 1e12, 1 << 40, 1 << 40, 1e9)
    with pytest.raises(PlanError, match="512 tokens for 3 ranks"):
        Costs(_profile(LLAMA), machine)
