"""Plans of a training step: what is refused, and that files give back what was written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.ir.errors import InputError, PlanError
from penstock.ir.swap_plan import (
    ALWAYS,
    KEEP,
    KEPT,
    RECOMPUTE,
    SWAP,
    TOKEN,
    LayerPlan,
    Prediction,
    Skeletal,
    SwapPlan,
    TensorAction,
    Transient,
    TransientPlan,
    aligned_tokens,
)

TENSORS = (
    Skeletal("input", 64, ALWAYS),
    Skeletal("norm", 64, TOKEN),
    Skeletal("up", 172, TOKEN),
    Skeletal("attention", 64, ALWAYS),
    Skeletal("scale", 4, KEPT),
)
SPAN = Transient("a", 0, 2, 100, 0)
WHOLE = replace(
    SwapPlan.uniform(4, 1000, 0.5, tensors=TENSORS, dtype="bf16", seq=8000),
    device_bytes=1 << 30,
    transients=TransientPlan((SPAN,), (SPAN,), 100, 100, (SPAN,), 100),
    predicted=Prediction(1.5, 0.0, 0.1, 1 << 20, 0, 1 << 20, 0.5, "host"),
)


def test_the_papers_policy_splits_all_layers_but_the_last_two() -> None:
    assert [layer.tokens for layer in WHOLE.layers] == [384, 384, 0, 0]
    assert [layer.swapped for layer in WHOLE.layers] == [True, True, False, False]
    assert [layer.buffer for layer in WHOLE.layers] == [0, 1, 0, 1]
    actions = {each.name: (each.action, each.tokens) for each in WHOLE.layers[0].actions}
    assert actions == {
        "input": (SWAP, 1000),
        "norm": (SWAP, 384),
        "up": (SWAP, 384),
        "attention": (SWAP, 1000),
        "scale": (KEEP, 0),
    }
    assert {each.action for each in WHOLE.layers[3].actions} == {KEEP}
    short = SwapPlan.uniform(3, 100, 0.5, tensors=TENSORS).layers[0]
    assert {each.name: each.action for each in short.actions}["up"] == RECOMPUTE, "less than one alignment"
    assert WHOLE.swapped_bytes(0) == 1000 * 128 + 384 * (64 + 172)
    assert WHOLE.swapped_bytes(2) == 0
    assert WHOLE.alpha(0) == pytest.approx(0.384)


@given(st.integers(1, 5000), st.floats(0, 1), st.integers(1, 300))
def test_tokens_on_the_host_are_aligned_and_no_more_than_the_fraction(
    tokens: int, alpha: float, align: int
) -> None:
    kept = aligned_tokens(tokens, alpha, align)
    assert 0 <= kept <= alpha * tokens
    assert kept % align == 0 or kept == tokens
    assert alpha * tokens - kept < align


@given(st.integers(1, 40), st.integers(1, 5000), st.floats(0, 1))
def test_a_file_gives_back_the_plan(layers: int, tokens: int, alpha: float) -> None:
    for tensors in ((), TENSORS):
        plan = SwapPlan.uniform(layers, tokens, alpha, tensors=tensors)
        assert SwapPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_with_all_its_parts_is_written_and_read(tmp_path) -> None:
    WHOLE.write(tmp_path / "plan.json")
    assert SwapPlan.read(tmp_path / "plan.json") == WHOLE
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]


def _edited(**change: object) -> dict:
    return {**json.loads(json.dumps(WHOLE.to_json())), **change}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "schema"),
        (_edited(schema=2), "schema 2"),
        (_edited(more=1), "plan.json: more: unknown key"),
        (_edited(tokens="1000"), "plan.json: tokens: the value is '1000'"),
        (_edited(tokens=True), "the value is True"),
        (_edited(layers={}), "not a list"),
        (_edited(layers=[{"index": 0}]), r"layers\[0\]: tokens: missing key"),
        (_edited(predicted={**_edited()["predicted"], "step_s": float("nan")}), "step_s: the value is nan"),
        (_edited(predicted={**_edited()["predicted"], "step_s": 10**400}), "step_s: the value is 1000"),
        (_edited(tokens=0), "no tokens"),
        (_edited(dtype="f16"), "activations of f16"),
    ],
)
def test_another_form_is_refused_with_its_place(data: object, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        SwapPlan.from_json(data)  # pyright: ignore[reportArgumentType]


def test_no_file_and_no_json_are_errors_for_people(tmp_path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name in ("bad.json", "deep.json", "none.json"):
        with pytest.raises(PlanError, match="cannot be read"):
            SwapPlan.read(tmp_path / name)
    with pytest.raises(InputError, match="cannot be written"):
        WHOLE.write(tmp_path)


def _first(*actions: TensorAction, swapped: bool = True, **change: object) -> SwapPlan:
    layer = LayerPlan(0, 0, 0, swapped, actions or WHOLE.layers[0].actions)
    return replace(WHOLE, layers=(replace(layer, **change), *WHOLE.layers[1:]))


def _acting(name: str, action: str, tokens: int = 0, offset: int | None = None) -> tuple[TensorAction, ...]:
    changed = TensorAction(name, action, tokens, offset)
    return tuple(changed if each.name == name else each for each in WHOLE.layers[0].actions)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Skeletal("x", 4, "some"), "no class"),
        (lambda: Skeletal("x", 0, TOKEN), "0 bytes a token"),
        (lambda: TensorAction("x", "drop"), "no action"),
        (lambda: TensorAction("x", KEEP, 5), "'keep' of 5 tokens"),
        (lambda: TensorAction("x", SWAP, 5, 100), "lies at 100"),
        (lambda: _first(index=1), "stands at place 0"),
        (lambda: _first(buffer=2), "no buffer 2"),
        (lambda: _first(buffer=1), "layer 1: has the buffer of the layer before"),
        (lambda: _first(tokens=100), "100 tokens"),
        (lambda: _first(tokens=1024), "1024 tokens"),
        (lambda: _first(swapped=False), "in a layer that is not"),
        (lambda: _first(TensorAction("input", KEEP)), "not those of the tensors"),
        (lambda: _first(*_acting("input", SWAP, 128)), "split by tokens"),
        (lambda: _first(*_acting("input", RECOMPUTE)), "cannot be recomputed"),
        (lambda: _first(*_acting("scale", RECOMPUTE)), "cannot be recomputed"),
        (lambda: _first(*_acting("norm", SWAP, 384, 0)), "places apart"),
        (lambda: _first(*_acting("norm", SWAP, 384, 1 << 40)), "places apart"),
        (lambda: replace(WHOLE, tensors=(*TENSORS, TENSORS[0])), "one name"),
        (lambda: SwapPlan.uniform(0, 100, 0.5), "0 layers"),
        (lambda: SwapPlan.uniform(2, 100, 1.5), "alpha 1.5"),
        (lambda: SwapPlan.uniform(2, 100, float("nan")), "alpha nan"),
    ],
)
def test_parts_that_do_not_fit_are_refused(make, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        make()
