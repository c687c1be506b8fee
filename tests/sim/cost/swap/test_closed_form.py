"""The swapped fraction in closed form: beside a search, the paper's lengths, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ir.errors import PlanError, TargetError
from penstock.ir.targets import load
from penstock.sim.cost.swap import GPTS, LayerCost, best_alpha
from penstock.sim.cost.swap.gpt import BACKWARD
from penstock.sim.cost.swap.machine import Machine

FIGURES = st.floats(1e-3, 1e3)


@given(FIGURES, FIGURES, FIGURES, FIGURES, st.floats(0, 1e5), st.integers(1, 20))
def test_no_larger_fraction_keeps_both_constraints(
    always: float, token: float, forward: float, link: float, host: float, layers: int
) -> None:
    layer = LayerCost(always, token, forward, 2 * forward, 0.1)
    swapped = max(0, layers - 2)
    try:
        found = best_alpha(layer, layers, link, host)
    except PlanError:
        assert swapped * always > host * (1 - 1e-9)
        return
    fits = [
        fraction
        for fraction in (step / 1000 for step in range(1001))
        if layer.swapped_bytes(fraction) <= forward * link and swapped * layer.swapped_bytes(fraction) <= host
    ]
    assert found.value == pytest.approx(max(fits, default=0.0), abs=1.001e-3)
    assert found.hidden == (always <= forward * link)


@pytest.mark.parametrize(
    "change",
    [
        {"always_bytes": -1.0},
        {"forward_s": math.inf},
        {"recompute_s": math.nan},
    ],
)
def test_a_layer_has_finite_figures_of_zero_or_more(change: dict[str, float]) -> None:
    figures = dict.fromkeys(("always_bytes", "token_bytes", "forward_s", "backward_s", "recompute_s"), 1.0)
    with pytest.raises(PlanError, match=next(iter(change))):
        LayerCost(**{**figures, **change})


@pytest.mark.parametrize(("layers", "link", "host"), [(0, 1.0, 1.0), (3, 0.0, 1.0), (3, math.nan, 1.0)])
def test_no_layers_and_no_link_are_refused(layers: int, link: float, host: float) -> None:
    with pytest.raises(PlanError, match="layers"):
        best_alpha(LayerCost(1.0, 1.0, 1.0, 1.0, 1.0), layers, link, host)


def test_nothing_to_split_is_limited_by_what_is_swapped_whole() -> None:
    assert best_alpha(LayerCost(1.0, 0.0, 1.0, 2.0, 0.0), 4, 2.0, 4.0).value == 1
    assert best_alpha(LayerCost(3.0, 0.0, 1.0, 2.0, 0.0), 4, 2.0, 9.0).value == 0


def test_formulas_of_the_papers_gpt_agree_with_its_text() -> None:
    model = GPTS["7b"]
    assert model.layers * model.skeletal_bytes(1 << 20) == 4096 << 30
    assert 6.4e9 < model.parameters < 7e9
    tokens = 1 << 16
    forward = model.layers * model.forward_flops(tokens) + 2 * tokens * 50257 * model.width
    assert model.step_flops(tokens) == pytest.approx((1 + BACKWARD) * forward, rel=1e-9)


def test_a_rank_has_its_share_of_a_server() -> None:
    rank = Machine.of(load("a800-node"), 64)
    assert rank.flops_per_s == pytest.approx(312e12, rel=2e-3)
    assert rank.device_bytes == 80e9
    assert rank.host_bytes == 2**41 // 8
    assert Machine.of(load("a800-node"), 2).host_bytes == 2**40
    assert Machine.of(load("h200"), host_bytes=128 << 30).link_bytes_per_s == 64e9
    with pytest.raises(TargetError, match="host's size is unpublished"):
        Machine.of(load("h200"))
    for wrong in (
        {"efficiency": 0.0},
        {"efficiency": 1.5},
        {"host_bytes": -1},
        {"host_bytes": 10**400},
        {"link_bytes_per_s": math.nan},
    ):
        with pytest.raises(TargetError):
            Machine.of(load("a800-node"), **wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TargetError, match="gpus is 0"):
        Machine.of(load("a800-node"), 0)
