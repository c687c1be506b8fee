"""Attention heads of models: what is recorded, what is refused, and one from PyTorch to RTL."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import penstock
from penstock.cli import main
from penstock.heads import bind_head, record, tiling_of
from penstock.ir import targets
from penstock.ir.errors import InputError, PlanError, TargetError
from penstock.sim.cost.spatial.tiling import Tiling
from penstock.sim.rtl.compare import SimResult
from penstock.subject import MAIN, Subject

LENGTH, SIZE = 10, 8


class Attention(nn.Module):
    """Queries of four heads over keys of two; what `mask` says is hidden."""

    def __init__(self, mask: torch.Tensor | None = None, causal: bool = False, scale: float | None = None):
        super().__init__()
        self.settings = {"attn_mask": mask, "is_causal": causal, "scale": scale}

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True, **self.settings)


class Model(nn.Module):
    """Two attentions, one inside the other's output."""

    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.first = Attention(**settings)  # type: ignore[arg-type]
        self.second = nn.ModuleDict({"inner": Attention()})

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return self.second["inner"](self.first(q, k, v), k, v)


def tensors() -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    shapes = {"q": (3, 4, LENGTH, SIZE), "k": (3, 2, LENGTH, SIZE), "v": (3, 2, LENGTH, SIZE)}
    return {name: torch.randn(shape, generator=made) for name, shape in shapes.items()}


def subject(**settings: object) -> Subject:
    return Subject("model", {}, Model(**settings).eval(), {MAIN: tensors()})


def test_a_head_of_the_first_row_is_recorded_with_the_keys_it_shares() -> None:
    kept = record(subject(), "first", head=3)
    given = tensors()
    np.testing.assert_array_equal(kept.q, given["q"][0, 3])
    np.testing.assert_array_equal(kept.k, given["k"][0, 1])
    np.testing.assert_array_equal(kept.v, given["v"][0, 1])
    assert (kept.heads, kept.title) == (4, "first.head.3")
    assert kept.scale == pytest.approx(SIZE**-0.5)


def test_without_a_name_the_first_attention_is_taken_and_a_part_around_one_will_do() -> None:
    assert record(subject(), None).name == "first"
    assert record(subject(), "second").name == "second.inner"
    assert record(subject(scale=0.25), None).scale == 0.25


@pytest.mark.parametrize("kind", ["boolean", "additive"])
def test_hidden_keys_are_left_out(kind: str) -> None:
    seen = torch.arange(LENGTH) < 7
    mask = seen if kind == "boolean" else torch.where(seen, 0.0, torch.finfo(torch.float32).min)
    kept = record(subject(mask=mask.expand(3, 1, 1, LENGTH)), "first")
    assert kept.k.shape == kept.v.shape == (7, SIZE)
    np.testing.assert_array_equal(kept.k, tensors()["k"][0, 0, :7])


@pytest.mark.parametrize(
    "settings",
    [
        {"causal": True},
        {"mask": torch.ones(LENGTH, LENGTH).tril() > 0},
        {"mask": torch.linspace(0, 1, LENGTH)[None]},
    ],
    ids=["causal", "triangle", "bias"],
)
def test_masks_the_array_cannot_say_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"whole keys \(padding\)"):
        record(subject(**settings), "first")


def test_what_is_not_there_is_refused_with_what_is() -> None:
    with pytest.raises(InputError, match=r"no attention 'frist' \(accepted: first"):
        record(subject(), "frist")
    with pytest.raises(InputError, match=r"no head 4 \(accepted: 0 to 3\)"):
        record(subject(), "first", head=4)
    linear = Subject("plain", {}, nn.Linear(4, 4), {MAIN: {"x": torch.zeros(2, 4)}})
    with pytest.raises(InputError, match="never calls torch's scaled_dot_product_attention"):
        record(linear, None)
    both = nn.ModuleDict({"pair": Model()})
    both.forward = lambda q, k, v: both["pair"](q, k, v)  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"'pair' holds 2 attentions \(accepted: pair\.first, pair\.second"):
        record(Subject("both", {}, both, {MAIN: tensors()}), "pair")


def test_blocks_are_as_large_as_the_memories() -> None:
    target = targets.load("fusemax-small")
    q, k, v = np.zeros((1000, 64)), np.zeros((50, 64)), np.zeros((50, 64))
    tiling = tiling_of(target, q, k, v)
    assert (tiling.rows, tiling.cols, tiling.p1, tiling.blocks) == (8, 8, 32, 4)
    assert tiling_of(target, q[:, :32], k[:, :32], v).p1 == 32
    assert tiling_of(target, np.zeros((1000, 128)), np.zeros((50, 128)), v).p1 == 16
    with pytest.raises(TargetError, match="no attention head can be emitted"):
        tiling_of(targets.load("bitmod-small"), q, k, v)


@pytest.mark.slow
@pytest.mark.parametrize("p1", [1, 2, 3])
def test_few_query_tiles_get_fewer_tiles_in_flight(p1: int) -> None:
    """The keys of three key tiles would be needed at once otherwise."""
    target = targets.load("fusemax-small")
    schedule = bind_head(target, Tiling(8, 8, 16, 16, queries=8 * p1, keys=40, p1=p1))
    assert schedule.stages <= p1
    assert min(place.first for place in schedule.placed) == 0


def test_a_target_without_heads_refuses_them(tmp_path: Path) -> None:
    for target in ("cpu", "bitmod-small"):
        with pytest.raises(InputError, match="--head"):
            penstock.compile("zoo:mlp", target=target, head=1, out=tmp_path / "b")
    with pytest.raises(InputError, match="no weights to quantize"):
        penstock.compile("zoo:mlp", target="fusemax-small", quantize="bitmod4", out=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_head_of_bert_goes_from_torch_to_rtl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(tmp_path / "head")
    name = "encoder.layer.0.attention.self"
    target = ["--target", "fusemax-small", "--layer", name, "--head", "2"]
    answer(capsys, "compile", "zoo:bert-base,layers=1", *target, "--shape", "s=64", "-o", bundle)
    result = answer(capsys, "simulate", bundle)
    assert result["ok"]
    assert result["bit_exact"]
    assert result["cycles_rtl"] == result["cycles_model"] == 10297
    assert result["results"] == 64 * 64
    assert result["relative_error"] < 5e-4
    assert result["layer"] == f"{name}.head.2"
    reported = answer(capsys, "report", bundle, "-o", str(tmp_path / "report.html"))
    assert reported["bundles"][0]["rtl"] == [result]
    page = (tmp_path / "report.html").read_text()
    assert all(text in page for text in ("2D utilisation", "1D utilisation", "with FP16 operands", "10,297"))
    plan = json.loads((tmp_path / "head" / "plan.json").read_text())
    assert plan["schedules"][f"{name}.head.2"]["period"] == 138


@pytest.mark.slow
def test_a_compiled_head_takes_other_operands(tmp_path: Path) -> None:
    held = penstock.compile(Attention(), tensors(), target="fusemax-small", out=tmp_path / "b")
    random = np.random.default_rng(0)
    given = {name: random.standard_normal((LENGTH, SIZE)).astype(np.float32) for name in "qkv"}
    own, other = held.simulate(), held.simulate(inputs=given)
    assert isinstance(own, SimResult)
    assert isinstance(other, SimResult)
    assert own.ok
    assert other.ok
    assert own.errors != other.errors
    with pytest.raises(InputError, match=r"q \[P, E\], k \[M, E\], v \[M, F\]"):
        held.simulate(inputs={"q": given["q"]})
    with pytest.raises(InputError, match="no attention head of"):
        held.simulate(inputs={**given, "k": given["k"][:, :4]})


def test_a_schedule_that_no_register_holds_is_an_error_of_the_plan() -> None:
    import dataclasses

    target = targets.load("fusemax-small")
    buffers = tuple(
        dataclasses.replace(each, capacity_bytes=12) if each.name == "register-file-1d" else each
        for each in target.buffer
    )
    poor = dataclasses.replace(target, buffer=buffers)
    with pytest.raises(PlanError, match="register file of 3 words"):
        bind_head(poor, Tiling(8, 8, 16, 16, queries=32, keys=40, p1=4))
