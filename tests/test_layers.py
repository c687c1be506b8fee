"""Linear layers as hardware: which ones a name means, what reaches them, and their formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock.ir.errors import InputError, PlanError, TargetError
from penstock.layers import record
from penstock.sim.rtl.bitmod import ChainDesign
from penstock.sim.rtl.bitmod_result import ChainResult
from penstock.subject import from_module


class Block(nn.Module):
    """Two layers that run in the other order than they are written, one twice, and one that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.later = nn.Linear(24, 10)
        self.first = nn.Linear(40, 24, bias=False)
        self.idle = nn.ModuleDict({"never": nn.Linear(3, 3)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.first(x))
        return self.later(hidden) + self.later(-hidden)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(Block() for _ in range(1))
        self.head = nn.Linear(10, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks[0](x))


X = torch.randn(1, 5, 40, generator=torch.Generator().manual_seed(1))


def subject() -> Any:
    return from_module(Model().eval(), (X,), "f32")


def test_a_module_means_its_layers_in_the_order_they_run() -> None:
    names = ("blocks.0.first", "blocks.0.later", "head")
    found = [each for name in names for each in record(subject(), name)]
    model = Model().eval()
    with torch.no_grad():
        hidden = torch.tanh(model.get_submodule("blocks.0.first")(X))
        out = model.blocks[0](X)
    for each, wanted in zip(found, (X, hidden, out), strict=True):
        np.testing.assert_array_equal(each.activations, wanted[0].half().numpy())
    assert found[0].bias is None

    tidy = Model()
    del tidy.blocks[0].idle
    whole = record(from_module(tidy.eval(), (X,), "f32"), "blocks")
    assert [each.name for each in whole] == ["blocks.0.first", "blocks.0.later"]


def test_without_a_name_it_is_the_first_layer() -> None:
    assert [each.name for each in record(subject(), None)] == ["blocks.0.later"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blocks.0.frist", "blocks.0.first"),
        ("blocks.0.idle", "does not reach it"),
        ("blocks", r"blocks\.0\.idle\.never"),
        ("block", "no module that holds one"),
    ],
)
def test_layers_that_are_not_there_or_never_run_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        record(subject(), name)


def mlp(**options: Any) -> penstock.Bundle:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(40, 24), nn.GELU(), nn.Sequential(nn.Linear(24, 10), nn.Linear(10, 3)))
    return penstock.compile(model.eval(), (X[0],), target="bitmod-4x4", **options)


def held(bundle: penstock.Bundle) -> ChainDesign:
    (folder,) = bundle.manifest["backends"]["verilog"]["designs"].values()
    return ChainDesign.load(bundle.path / folder)


def test_a_bundle_holds_a_modules_layers() -> None:
    bundle = mlp(layer="2", quantize="int5")
    design = held(bundle)
    assert design.names == ["2.0", "2.1"]
    assert [(each.tokens, each.channels, each.inputs) for each in design.layers] == [(5, 10, 24), (5, 3, 10)]
    assert [design.weights(number).format.name for number in range(2)] == ["int5", "int5"]
    assert bundle.manifest["model"]["layer"] == "2"
    entry = bundle.files.entries["main"]
    assert [spec.shape for spec in entry.outputs] == [(5, 10), (5, 3)]


def test_formats_may_average_a_number_of_bits() -> None:
    bundle = mlp(layer="2", quantize="bits=5.5")
    design = held(bundle)
    weights = [design.weights(number) for number in range(2)]
    assert len({each.format.name for each in weights}) == 2
    sizes = [each.channels * each.inputs for each in weights]
    stored = sum(each.format.bits * size for each, size in zip(weights, sizes, strict=True))
    assert stored / sum(sizes) <= 5.5


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"layer": "0", "quantize": "bits=x"}, InputError, "no number of bits"),
        ({"layer": "0", "quantize": "bits=1"}, PlanError, "averages 1"),
        ({"layer": "0", "quantize": "mxfp4"}, InputError, "mxfp4"),
        ({"layer": "3"}, InputError, "--layer"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_emitted_is_refused(
    options: dict[str, str], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        mlp(**options, out=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_a_target_without_an_accelerator_is_refused() -> None:
    with pytest.raises(TargetError, match="read-queue"):
        penstock.compile(nn.Linear(4, 4).eval(), (X[0, :, :4],), target="bitmod-28nm")


@pytest.mark.slow
def test_other_activations_are_run_and_not_kept(tmp_path: Path) -> None:
    bundle = mlp(layer="2")
    given = {"2.1": np.full((7, 10), 0.5, np.float32)}
    result = bundle.simulate(inputs=given)
    assert isinstance(result, ChainResult)
    assert result.ok
    assert [each.tokens for each in result.layers] == [5, 7]
    assert not (bundle.path / "verilog" / "sim.json").exists()
    assert bundle.simulate().ok
    assert (bundle.path / "verilog" / "sim.json").exists()
    for wrong in ({"2.2": given["2.1"]}, {}, {"2.1": given["2.1"][:, :9]}):
        with pytest.raises(InputError, match=r"2\.1"):
            bundle.simulate(inputs=wrong)
