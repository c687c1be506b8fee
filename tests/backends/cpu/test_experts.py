"""Compositions of Experts on the CPU: who answers and what, who is near, counters beside the cost model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from penstock import api, cli
from penstock.backends.cpu.experts import IMAGE, Composition
from penstock.frontend import zoo
from penstock.frontend.zoo import coe
from penstock.ir.errors import BundleError, InputError
from penstock.serving import exponent_of, serve

SPEC = "zoo:coe,experts=9,seed=3"
MODELS = coe.Composition.of(SPEC)
PROMPTS = coe.prompts(24, 12, seed=5).numpy()

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coe") / "bundle"
    api.compile(SPEC, out=out, shapes={"s": [12]})
    return out


@slow
@pytest.mark.parametrize(("slots", "ahead"), [(1, 0), (1, 2), (3, 0), (3, 1), (9, 4), (20, 1)])
def test_the_router_is_followed_and_its_expert_answers(bundle: Path, slots: int, ahead: int) -> None:
    """Whatever is copied when, every answer is that of the expert's own weights in PyTorch."""
    tokens = torch.from_numpy(PROMPTS)
    named = MODELS.router()(tokens).argmax(1).tolist()
    assert len(set(named)) > 2
    with Composition(bundle, slots, ahead=ahead, threads=1) as composition:
        answers = [*composition.run(PROMPTS[:10]), *composition.run(PROMPTS[10:])]
    assert [answer.expert for answer in answers] == named
    for row, answer in enumerate(answers):
        expected = MODELS.expert(answer.expert)(tokens[row : row + 1]).numpy()
        off = np.linalg.norm(answer.logits - expected) / np.linalg.norm(expected)
        assert off < 1e-5, (row, off)


@slow
@pytest.mark.parametrize("requests", ["uniform", "zipf:1.2", "routed"])
@pytest.mark.parametrize(("slots", "ahead"), [(1, 0), (2, 1), (4, 3), (9, 0)])
def test_runtime_and_model_count_the_same(bundle: Path, requests: str, slots: int, ahead: int) -> None:
    found = serve(bundle, slots, ahead=ahead, batch=5, batches=12, requests=requests, threads=1)
    assert found.ok, (found.measured, found.modelled)
    assert found.measured["hits"] + found.measured["misses"] == 60
    assert found.measured["written_back_bytes"] == 0  # experts only read their images
    if slots == 9:
        assert found.measured["evictions"] == 0


@slow
def test_uniform_requests_hit_in_the_share_that_is_near(bundle: Path) -> None:
    found = serve(bundle, 3, batch=8, batches=400, threads=1, seed=1)
    assert found.expected_hit_rate == pytest.approx(1 / 3)
    assert found.measured["hits"] / found.measured["requests"] == pytest.approx(1 / 3, rel=0.06)


@slow
def test_an_image_is_what_compiling_the_expert_alone_gives(bundle: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    inputs = {"input_ids": torch.from_numpy(PROMPTS[:1])}
    api.compile(MODELS.expert(7), inputs, out=alone)
    stored = (alone / "weights.safetensors").read_bytes()
    assert (bundle / IMAGE.format(7)).read_bytes() == stored
    assert (bundle / IMAGE.format(6)).read_bytes() != stored


@slow
def test_what_is_wrong_is_said(bundle: Path, tmp_path: Path) -> None:
    with Composition(bundle, 2) as composition:
        with pytest.raises(InputError, match=r"shape \[24, 11\]"):
            composition.run(PROMPTS[:, :11])
        with pytest.raises(InputError, match=r"experts \[9\]"):
            composition.run(PROMPTS[:1], [9])
        assert composition.run(PROMPTS[:1], [8])[0].expert == 8
    with pytest.raises(InputError, match="0 experts"):
        Composition(bundle, 0)
    with pytest.raises(InputError, match="-1 experts ahead"):
        Composition(bundle, 1, ahead=-1)
    with pytest.raises(BundleError, match="holds no experts"):
        Composition(bundle / "expert", 1)
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    image = broken / IMAGE.format(4)
    image.write_bytes(image.read_bytes()[:-64] + bytes(64))
    with pytest.raises(BundleError, match="corrupt"):
        Composition(broken, 1)


@slow
def test_the_command_serves(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["serve", str(bundle), "--slots", "3", "--batches", "5", "--ahead", "1"]
    assert cli.main([*words, "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert (found["experts"], found["measured"]["requests"]) == (9, 40)
    assert cli.main(words) == cli.DONE
    assert "hits expected of independent requests: 0.3333" in capsys.readouterr().out


def test_a_composition_is_no_single_model() -> None:
    with pytest.raises(InputError, match="many models"):
        zoo.parse_spec("zoo:coe,experts=4")
    with pytest.raises(InputError, match="'0' is no value"):
        coe.Composition.of("zoo:coe,experts=0")
    with pytest.raises(InputError, match="no option 'layers'"):
        coe.Composition.of("zoo:coe,layers=2")
    with pytest.raises(InputError, match="as it is"):
        api.compile("zoo:coe,experts=2", quantize="bitmod4")
    with pytest.raises(InputError, match="one length"):
        api.compile("zoo:coe,experts=2", shapes={"s": [8, 16]})


def test_experts_differ_and_are_the_same_every_time() -> None:
    one, two, again = MODELS.expert(0), MODELS.expert(1), MODELS.expert(0)
    tokens = torch.from_numpy(PROMPTS[:1])
    assert torch.equal(one(tokens), again(tokens))
    assert not torch.equal(one(tokens), two(tokens))
    assert sum(each.numel() for each in one.parameters()) == zoo.COMPOSITION.parameters


@pytest.mark.parametrize(("requests", "exponent"), [("uniform", 0), ("zipf:1.5", 1.5), ("routed", None)])
def test_how_requests_are_drawn(requests: str, exponent: float | None) -> None:
    assert exponent_of(requests) == exponent


@pytest.mark.parametrize("requests", ["zipf", "zipf:-1", "zipf:inf", "zipf:nan", "random"])
def test_other_ways_are_refused(requests: str) -> None:
    with pytest.raises(InputError, match=r"uniform, zipf:1\.0 or routed"):
        exponent_of(requests)
