"""The search for cuts of contractions: what it takes, keeps and records; the results are the same bits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import penstock
from penstock import cli
from penstock.backends.cpu import tuning
from penstock.backends.cpu.blocking import BLOCKING, Blocking
from penstock.backends.cpu.isa import host_isa
from penstock.backends.cpu.kernels import Kernel
from penstock.ir.errors import InputError, PassError
from penstock.ir.module import parse_module, print_module

KNOBS = {"vectors": (1, 2, 3, 4), "rows": (16,), "lanes": (128,), "stretch": (1,)}


class Two(torch.nn.Module):
    """Two linear layers of different shapes, the first of which runs in stretches."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = torch.nn.Linear(900, 200), torch.nn.Linear(200, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.nn.functional.gelu(self.one(x)))


GIVEN = {"x": torch.from_numpy(np.random.default_rng(1).standard_normal((70, 900), np.float32))}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A placed module."""
    plain = penstock.compile(Two().eval(), GIVEN, out=tmp_path_factory.mktemp("plain") / "b")
    return (plain.path / "module.mlir").read_text()


def second(_op: object, kernels: Sequence[Kernel], _isa: object) -> list[float]:
    """A clock by which the second kernel is twice as fast as any other, and the last one wrong."""
    return [*[1.0, 0.5, *([1.0] * len(kernels))][: len(kernels) - 1], float("inf")]


def test_the_fastest_is_taken_and_what_is_wrong_is_not(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "KNOBS", KNOBS)
    module = parse_module(text)
    tuned = tuning.tune(module, host_isa(), measure=second)
    assert tuned.measured == len(tuned.choices) == 2
    assert set(tuned.choices.values()) == {"vectors=1"}, "of the other knobs the only candidate is wrong"
    assert print_module(module).count(f'{BLOCKING} = "vectors=1"') == 2


def test_choices_that_are_given_make_the_same_module(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "KNOBS", KNOBS)
    searched, given = parse_module(text), parse_module(text)
    found = tuning.tune(searched, host_isa(), measure=second)
    again = tuning.tuned(given, host_isa(), {**found.choices, "another": "rows=16"})
    assert print_module(given) == print_module(searched)
    assert again.to_json() == found.to_json()


def test_what_is_no_faster_by_a_margin_is_left(text: str) -> None:
    module = parse_module(text)
    tuned = tuning.tune(
        module, host_isa(), measure=lambda _o, kernels, _i: [1.0, *[0.99] * (len(kernels) - 1)]
    )
    assert set(tuned.choices.values()) == {""}
    assert print_module(module) == print_module(parse_module(text))


def test_a_tuned_bundle_gives_the_same_bits_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "KNOBS", {"lanes": (128,), "vectors": (1, 3)})
    monkeypatch.setattr(tuning, "MARGIN", -9.0)  # whatever the clock says, the last candidate is taken
    model, arrays = Two().eval(), {name: tensor.numpy() for name, tensor in GIVEN.items()}
    plain = penstock.compile(model, GIVEN, out=tmp_path / "plain")
    tuned = penstock.compile(model, GIVEN, out=tmp_path / "tuned", tune=True)
    choices = json.loads((tuned.path / tuning.RECORD).read_text())["choices"]
    assert len(choices) == 2
    monkeypatch.setattr(tuning, "Trial", None)  # nothing is measured any more
    kept = penstock.compile(model, GIVEN, out=tmp_path / "kept", tune=True)
    given = penstock.compile(model, GIVEN, out=tmp_path / "given", tune=tuned.path)
    wanted = plain.run(arrays)
    for bundle in (tuned, kept, given):
        for name, array in bundle.run(arrays).items():
            np.testing.assert_array_equal(array, wanted[name])
        for file in (
            "module.mlir",
            tuning.RECORD,
            "weights.safetensors",
            "cpu/kernels.mlir",
            "cpu/program.c",
        ):
            assert (bundle.path / file).read_bytes() == (tuned.path / file).read_bytes(), file


@given(st.builds(Blocking, *([st.integers(1, 999)] * 3), st.integers(0, 8)))
def test_cuts_are_read_as_they_are_written(cuts: Blocking) -> None:
    assert Blocking.parse(str(cuts)) == cuts


@pytest.mark.parametrize(
    "text", ["rows=0", "rows=-1", "rows", "columns=3", "vectors=9", "rows=1e3", "lanes=²"]
)
def test_other_cuts_are_refused(text: str) -> None:
    with pytest.raises(PassError, match="is no cut of a contraction"):
        Blocking.parse(text)


def test_a_bundle_without_a_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="holds no record of a search"):
        tuning.recorded(tmp_path)
    argv = ["compile", "zoo:mlp", "-o", str(tmp_path / "b"), "--tune", str(tmp_path)]
    assert cli.main(argv) == cli.BAD_INPUT
    assert "compiled with --tune" in capsys.readouterr().err


def test_other_targets_are_not_tuned(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["compile", "zoo:mlp", "-o", "b", "--target", "bitmod-small", "--tune"]
    assert cli.main(argv) == cli.BAD_INPUT
    assert "on the CPU are tuned" in capsys.readouterr().err
