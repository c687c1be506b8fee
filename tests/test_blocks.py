"""Blocks as hardware: which one a name means, what reaches it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock.blocks import record, sentences, with_sequences
from penstock.ir.errors import InputError, PassError, PlanError
from penstock.subject import from_module

WIDTH = 16


class Block(nn.Module):
    """Takes its inputs by position and by name; one of them holds for all sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, shift: torch.Tensor | None = None) -> torch.Tensor:
        return self.linear(x) if shift is None else self.linear(x) + shift


class Model(nn.Module):
    """Calls its block with `given`, made of the input."""

    def __init__(self, given: Any = None) -> None:
        super().__init__()
        self.given = given or (lambda x: ((x,), {}))
        self.blocks = nn.ModuleList([Block()])
        self.idle = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        args, kwargs = self.given(x)
        return self.blocks[0](*args, **kwargs)


X = torch.randn(2, 8, WIDTH, generator=torch.Generator().manual_seed(1))


def subject(given: Any = None) -> Any:
    return from_module(Model(given).eval(), (X,), "f32")


def test_the_first_block_is_taken_and_what_holds_for_all_sequences_is_spread() -> None:
    found = record(subject(lambda x: ((x,), {"shift": x[:1] * 2})), None)
    assert found.name == "blocks.0"
    assert list(found.inputs) == ["x", "shift"]
    torch.testing.assert_close(found.inputs["x"], X)
    torch.testing.assert_close(found.inputs["shift"], (X[:1] * 2).expand(2, -1, -1))


def test_inputs_given_by_name_alone_are_kept_too() -> None:
    found = record(subject(lambda x: ((), {"x": x})), "blocks.0")
    torch.testing.assert_close(found.inputs["x"], X)


@pytest.mark.parametrize(
    ("given", "layer", "message"),
    [
        (None, "block.0", r"no module 'block\.0'.*blocks\.0"),
        (None, "idle", "does not reach it"),
        (lambda x: ((x, None), {}), None, "shift: NoneType"),
        (lambda x: ((x, x[0, 0, 0]), {}), None, "shift: Tensor"),
        (lambda x: ((x, x[:1].expand(3, -1, -1)[:, :1, :1][:3]), {}), None, "2 sequences of each, or 1"),
    ],
)
def test_what_cannot_be_recorded_is_refused(given: Any, layer: str | None, message: str) -> None:
    model = Model(given).eval()
    model.blocks[0].forward = lambda x, shift=None: x  # only what it is given matters here
    with pytest.raises(InputError, match=message):
        record(from_module(model, (X,), "f32"), layer)


@pytest.mark.parametrize(
    ("block", "shape", "error", "message"),
    [
        (nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()), (2, 8, WIDTH), PassError, "belongs to no stage"),
        (nn.Linear(WIDTH, 12), (2, 8, WIDTH), PlanError, "rows of 12"),
        (nn.Linear(WIDTH, WIDTH), (2, 12, WIDTH), PlanError, "tiles of 12 tokens"),
        (nn.Linear(WIDTH, WIDTH), (8, WIDTH), PassError, r"0 inputs \[b, s, d\]"),
    ],
    ids=str,
)
def test_what_the_fabric_cannot_hold_is_refused_and_nothing_is_written(
    block: nn.Module, shape: tuple[int, ...], error: type[Exception], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "b"
    with pytest.raises(error, match=message):
        penstock.compile(block.eval(), (torch.randn(*shape),), target="sn40l-small", out=out)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["mxfp4", "int4-asym", "bits=4.5"])
def test_formats_that_no_array_multiplies_are_refused(scheme: str, tmp_path: Path) -> None:
    message = rf"'{scheme}' is no format of the BitMoD arrays of sn40l-small.*bitmod4, bitmod3, int8"
    with pytest.raises(InputError, match=message):
        penstock.compile("zoo:minilm-l6", target="sn40l-small", quantize=scheme, out=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_a_quantized_bundle_says_so_and_takes_other_inputs(tmp_path: Path) -> None:
    layer = nn.Linear(WIDTH, WIDTH).eval()
    bundle = penstock.compile(layer, (X,), target="sn40l-small", quantize="bitmod3", out=tmp_path / "b")
    assert bundle.files.manifest["model"]["quantize"] == "bitmod3"
    design = tmp_path / "b" / "verilog"
    assert "BitmodCols = 64'h70e;" in (design / "rtl" / "sn40l_top.sv").read_text()
    name = next(iter(bundle.files.manifest["backends"]["verilog"]["designs"]))
    again = with_sequences(bundle.files, name, {"input": 2 * X.numpy()}, tmp_path)
    assert (design / "config.txt").read_text() == (again / "config.txt").read_text()
    both = [np.load(each / "operands.npz")["reference"] for each in (design, again)]
    bias = layer.bias.detach().double().numpy()
    np.testing.assert_allclose(both[1] - bias, 2 * (both[0] - bias), rtol=1e-6)


def test_sequences_of_several_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all sequences are tiles of a size"):
        penstock.compile("zoo:minilm-l6", target="sn40l-small", shapes={"s": [8, 16]}, out=tmp_path / "b")


def test_minilm_reads_whole_sentences() -> None:
    assert all(each.endswith(".") for each in sentences())
    assert len(sentences()) == 6
