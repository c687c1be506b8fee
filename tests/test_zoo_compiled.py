"""Whole models of the zoo as CPU code beside eager PyTorch, and a layer of MiniLM as simulated RTL."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import find_libpython
import numpy as np
import pytest

import penstock
from penstock.frontend.zoo.minilm import sentence_embeddings, tokenize
from penstock.ir.errors import ToolMissing
from penstock.sim.rtl.bitmod_result import ChainResult
from penstock.sim.rtl.compare import SimResult

pytestmark = pytest.mark.slow

SENTENCES = [
    "The turbine turns when the gate is opened.",
    "Water from the reservoir drives the generator.",
    "She baked a cake with three eggs.",
]


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> penstock.Bundle:
    return penstock.compile("zoo:minilm-l6", out=tmp_path_factory.mktemp("minilm") / "b")


def test_minilm_agrees_at_every_length_with_padding(minilm: penstock.Bundle) -> None:
    report = minilm.verify(lengths=[7, 64, 128, 256]).to_json()
    assert report["ok"]
    assert {case["extents"]["s"] for case in report["cases"]} == {7, 64, 128, 256}
    assert sum("valid" in case["extents"] for case in report["cases"]) == 4
    for case in report["cases"]:
        for output in case["outputs"]:
            assert output["relative"] <= 1e-5
            assert output["cosine"] >= 0.99999
    assert all(layer["relative"] <= 1e-5 for case in report["cases"] for layer in case["layers"])
    assert sum(len(case["layers"]) for case in report["cases"]) > 100


def test_minilm_tells_sentences_apart(minilm: penstock.Bundle) -> None:
    inputs = [tokenize([sentence]) for sentence in SENTENCES]
    turbine, water, cake = (
        sentence_embeddings(minilm.run(given)["last_hidden_state"], given["attention_mask"])[0]
        for given in inputs
    )
    assert turbine @ water > turbine @ cake + 0.2


def test_a_bundle_runs_in_a_process_without_torch(minilm: penstock.Bundle, tmp_path: Path) -> None:
    given = tokenize(SENTENCES[:1])
    wanted = minilm.run(given)["last_hidden_state"]
    np.savez(tmp_path / "in.npz", allow_pickle=False, **given)
    program = (
        "import sys, numpy as np\nfrom penstock.api import load\n"
        f"given = dict(np.load({str(tmp_path / 'in.npz')!r}))\n"
        f"out = load({str(minilm.path)!r}).run(given)['last_hidden_state']\n"
        f"np.save({str(tmp_path / 'out.npy')!r}, out)\n"
        "print([name for name in ('torch', 'torch_mlir') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), wanted)


@pytest.mark.parametrize(
    "model",
    [
        "zoo:minilm-l6,layers=1",
        "zoo:gpt2-small,layers=1",
        "zoo:llama-tiny,layers=1",
        "zoo:vit-small,layers=1",
        "zoo:resnet50",
        "zoo:mlp",
    ],
)
def test_contractions_of_bf16_stay_within_their_bounds(model: str, tmp_path: Path) -> None:
    """Against eager PyTorch in float64, and kernel by kernel against the interpreter."""
    shapes = {"s": [16]} if "layers" in model and "vit" not in model else None
    bundle = penstock.compile(model, out=tmp_path / "b", shapes=shapes, precision="bf16")
    report = bundle.verify()
    assert report.ok, report.text()
    assert report.verification.cases[-1].bound < report.verification.cases[0].bound


@pytest.mark.parametrize(
    "model",
    [
        "zoo:bert-base",
        "zoo:gpt2-small",
        "zoo:llama-tiny",
        "zoo:llama-tiny,attention=explicit",
        "zoo:vit-small",
        "zoo:resnet50",
        "zoo:mlp",
    ],
)
def test_models_agree_with_eager_pytorch(model: str, tmp_path: Path) -> None:
    report = penstock.compile(model, out=tmp_path / "b").verify().to_json()
    worst = [output["relative"] for case in report["cases"] for output in case["outputs"]]
    assert report["ok"], json.dumps(report["cases"][0]["outputs"])
    assert max(worst) <= 1e-5


@pytest.mark.parametrize("driver", ["cpp", "cocotb"])
def test_a_layer_of_minilm_is_bit_exact_in_rtl(driver: str, tmp_path: Path) -> None:
    layer = "encoder.layer.2.attention.output.dense"
    bundle = penstock.compile("zoo:minilm-l6", target="bitmod-small", layer=layer, out=tmp_path / "b")
    if driver == "cocotb" and find_libpython.find_libpython() is None:
        with pytest.raises(ToolMissing, match="libpython"):
            bundle.simulate(driver=driver)
        return
    result = bundle.simulate(driver=driver)
    assert isinstance(result, SimResult)
    assert result.bit_exact
    assert result.cycles_rtl == result.cycles_model
    assert result.ok
    assert result.results == 128 * 384
    assert result.errors["arithmetic"] < 1e-3


def test_a_block_of_minilm_is_bit_exact_in_the_models_cycles(tmp_path: Path) -> None:
    """Its six linear layers on 16 × 16 elements, from memory to memory."""
    bundle = penstock.compile(
        "zoo:minilm-l6", target="bitmod-16x16", layer="encoder.layer.0", out=tmp_path / "b"
    )
    result = bundle.simulate()
    assert isinstance(result, ChainResult)
    parts = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    parts += ("intermediate.dense", "output.dense")
    assert [each.name for each in result.layers] == [f"encoder.layer.0.{part}" for part in parts]
    assert result.ok, result.text()
    assert result.results == 128 * (5 * 384 + 1536)
    assert result.errors["arithmetic"] < 1e-3
