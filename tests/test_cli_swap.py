"""``penstock plan swap``: a plan of a zoo model that is printed, written, drawn, and runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import penstock
from penstock import cli, plan
from penstock.frontend import zoo
from penstock.ir.module import parse_module
from penstock.ir.swap_plan import RECOMPUTE, SWAP, SwapPlan

SMALL = ["plan", "swap", "zoo:llama-tiny,layers=4", "--seq", "2048", "--target", "h200"]
FIGURES = ["--host", "200000000", "--link", "5e9"]


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_million_tokens_of_7b_on_eight_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("plan", "swap", "zoo:llama-7b-layer,layers=4", "--seq", str(1 << 20), "--gpus", "8")
    found = _run(capsys, *words, "--host", str(2 << 36))
    assert found["tokens"] == 1 << 17
    rows = {row["name"]: row for row in found["policies"]}
    assert rows["general"]["step_s"] <= rows["memo"]["step_s"] < rows["checkpoint"]["step_s"]
    assert 0.3 < rows["general"]["mfu"] < 0.5
    assert found["alpha"]["limits"] == "host"
    memory = found["memory"]
    assert memory["lower_bound_bytes"] <= memory["monolithic_bytes"] <= memory["arena_bytes"]
    assert memory["allocator_bytes"] > 1.2 * memory["arena_bytes"]
    made = SwapPlan.from_json(found["plan"])
    assert made.predicted is not None
    assert made.predicted.device_peak_bytes <= 80e9
    assert made.predicted.mfu == rows[found["chosen"]]["mfu"]


def test_people_read_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*SMALL, *FIGURES]) == 0
    said = capsys.readouterr().out
    for word in ("the paper's fraction", "checkpoint", "self_attn.attention", "caching allocator", "chosen"):
        assert word in said


@pytest.mark.parametrize("kind", ["json", "mlir", "html", "png"])
def test_a_plan_is_written_or_drawn(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / f"plan.{kind}"
    _run(capsys, *SMALL, *FIGURES, "-o", str(place))
    assert [each.name for each in tmp_path.iterdir()] == [place.name]
    if kind == "json":
        assert len(SwapPlan.read(place).layers) == 4
    elif kind == "mlir":
        parse_module(place.read_text(encoding="utf-8"))
    elif kind == "html":
        assert place.read_text(encoding="utf-8").count("<svg") == 2
    else:
        assert place.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*SMALL], "the host's size is unpublished"),
        ([*SMALL, *FIGURES, "-o", "plan.txt"], "a plan of what kind?"),
        ([*SMALL, *FIGURES, "--device", "1000000"], "bytes on the device"),
        ([*SMALL, "--host", "1", "--link", "5e9", "--policy", "memo"], "do not fit"),
        ([*SMALL, *FIGURES, "--gpus", "3"], "2048 tokens for 3 ranks"),
        ([*SMALL, *FIGURES, "--efficiency", "2"], "efficiency is 2"),
        ([*SMALL, *FIGURES, "--seq", str(10**14), "--measure"], "cannot be timed here"),
        (["plan", "swap", "model.mlir", "--seq", "8"], "only models of the zoo"),
        (["plan", "swap", "zoo:mlp", "--seq", "8"], "no sequence to train on"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--json"]) == 2
    assert said in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.slow
def test_times_may_be_measured_here() -> None:
    settings = {"seq": 256, "dtype": "f32", "host_bytes": 1 << 30, "link_bytes_per_s": 1e9}
    found = plan.swap("zoo:llama-tiny,layers=4", "h200", measure=True, **settings)
    priced = plan.swap("zoo:llama-tiny,layers=4", "h200", **settings)
    assert found.costs.forward_s > priced.costs.forward_s, "a CPU is slower than an H200"
    assert found.costs.layer.recompute_s < found.costs.forward_s


def _gradients(model: torch.nn.Module, run: torch.nn.Module, ids: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad(set_to_none=True)
    logits = run(ids)
    F.cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()
    return [each.grad.clone() for each in model.parameters() if each.grad is not None]


@pytest.mark.slow
@pytest.mark.parametrize("host", [0.8, 1.6])
def test_a_plan_runs_with_the_gradients_of_plain_autograd(host: float, tmp_path: Path) -> None:
    spec, tokens = "zoo:llama-tiny,layers=5", 512
    settings = {"seq": tokens, "dtype": "f32", "link_bytes_per_s": 1e15}
    sizes = plan.swap(spec, "h200", host_bytes=1 << 30, **settings)
    room = int(host * sizes.costs.buffer_bytes)
    least = next(row.device_bytes for row in sizes.policies if row.name == "memo") + (1 << 20)
    found = plan.swap(spec, "h200", host_bytes=room, device_bytes=least, **settings)
    actions = [each for layer in found.plan.layers for each in layer.actions]
    assert {SWAP, RECOMPUTE} <= {each.action for each in actions}
    found.plan.write(tmp_path / "plan.json")
    model = zoo.build(spec)
    module = model.module.requires_grad_(True)
    ids = model.example_inputs(tokens)["input_ids"]
    plain = _gradients(module, module, ids)
    swapped = _gradients(module, penstock.memo(module, tmp_path / "plan.json"), ids)
    assert len(plain) == len(swapped) > 0
    assert all(torch.equal(one, two) for one, two in zip(plain, swapped, strict=True))
