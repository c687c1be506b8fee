"""Models whose weights were quantized: what their bundles hold, run, and verify against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock import cli
from penstock.ir.errors import InputError, VerifyError
from penstock.passes.quantize import fake_quantize


class Tied(nn.Module):
    """A small model whose table of words is its head too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(40, 96)
        self.first, self.second = nn.Linear(96, 96), nn.Linear(96, 96)
        self.head = nn.Linear(96, 40, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(self.words(ids))))


@pytest.mark.parametrize("name", ["bitmod4", "int4-asym"])
def test_a_quantized_bundle_is_eager_pytorch_with_the_dequantized_weights(name: str, tmp_path: Path) -> None:
    model = Tied().eval()
    ids = torch.tensor([[1, 5, 39, 0, 7]])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    bundle = penstock.compile(model, (ids,), out=tmp_path / "b", quantize=name)
    (got,) = bundle.run({"ids": ids.numpy()}).values()

    report = bundle.verify()
    (case,) = report.verification.cases
    assert report.ok
    assert "dequantized" in report.verification.reference
    assert case.outputs[0].relative < 1e-5
    assert case.layers
    assert 0.01 < case.quantization[0].relative < 0.5
    assert "from the float model" in report.text()
    assert type(report.verification).from_json(report.to_json()) == report.verification
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())

    with torch.no_grad():
        for layer in (model.words, model.first, model.second):
            matrix = fake_quantize(layer.weight.numpy(), name, scale_bits=8)
            layer.weight.copy_(torch.from_numpy(matrix.dequantize()).float())
        np.testing.assert_allclose(got, model(ids).numpy(), rtol=1e-5, atol=1e-5)

    held = bundle.files.weights().arrays
    if name == "bitmod4":  # the image alone, and the floats of the table of words, which are looked up
        assert {"first.weight packed bitmod4", "head.weight", "head.weight packed bitmod4"} <= set(held)
        assert not {"first.weight", "first.weight.codes"} & set(held)
    else:
        assert held["first.weight.codes"].dtype == np.uint8
        assert held["first.weight.steps"].shape == (96, 1)
    record = bundle.manifest["model"]["quantized"]
    assert set(record["formats"].values()) == {name}
    assert record["bits_per_weight"] < 4.2
    assert f'format = "{name}"' in bundle.files.text("module.mlir")


def test_formats_are_chosen_for_an_average_width(tmp_path: Path) -> None:
    bundle = penstock.compile(Tied().eval(), (torch.tensor([[1, 2]]),), out=tmp_path / "b", quantize="bits=5")
    record = bundle.manifest["model"]["quantized"]
    assert 4.1 < record["bits_per_weight"] <= 5
    assert len(set(record["formats"].values())) > 1
    assert bundle.verify().ok


def test_a_saved_program_is_compared_with_its_own_weights_replaced(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(40, 24), nn.ReLU(), nn.Linear(24, 4)).eval()
    file = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(model, (torch.randn(3, 40),)), file)
    report = penstock.compile(str(file), quantize="int3", out=tmp_path / "b").verify()
    assert report.ok
    assert report.verification.cases[0].layers
    assert report.verification.cases[0].quantization[0].relative > 0.01


def test_a_weight_made_of_others_cannot_be_compared(tmp_path: Path) -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.Parameter(torch.randn(32, 16))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ torch.cat((self.both[:8], self.both[24:])).T

    bundle = penstock.compile(Half().eval(), (torch.randn(2, 16),), out=tmp_path / "b", quantize="int8")
    with pytest.raises(VerifyError, match="worked out from others"):
        bundle.verify()


def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path) -> None:
    model = nn.Linear(8, 4).eval()
    with torch.no_grad():
        model.weight[1, 2] = float("nan")
    with pytest.raises(InputError, match=r"weight: .*NaN"):
        penstock.compile(model, (torch.randn(2, 8),), out=tmp_path / "b", quantize="bitmod4")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--quantize", "int7"], "no number format 'int7'"),
        (["--quantize", "int8", "--pipeline", "relabel"], "both a pipeline and --quantize"),
        (["--quantize", "bits=2"], "at least 3.07"),
        (["--quantize", "bits=x"], "no number of bits"),
        (["--quantize", "int8", "--layer", "x"], "no --layer"),
        (["--pipeline", "relabel,simplify,fuse,quantize,place"], "fused already"),
        (["--pipeline", "quantize{group=x}"], "not a value"),
    ],
)
def test_what_cannot_be_asked_for_is_one_message(
    options: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compile", "zoo:mlp", "-o", str(tmp_path / "b"), *options]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
