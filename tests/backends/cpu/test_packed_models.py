"""Models on packed weights: which layers are, what their bundles hold, how far they are from the model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock import cli
from penstock.backends.cpu.packed import pack
from penstock.backends.cpu.packed.library import runnable
from penstock.ir.module import parse_module
from penstock.sim.cost.module import count_groups

INPUTS, HIDDEN, OUTPUTS = 300, 200, 40  # no multiples of 128 and 16


class Layers(nn.Module):
    """Heads side by side, an activation and a residual between layers, two of which share a weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.heads = nn.Linear(INPUTS, HIDDEN)
        self.first, self.second = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.second.weight = self.first.weight
        self.last = nn.Linear(HIDDEN, OUTPUTS, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.heads(x).unflatten(-1, (5, 40)).transpose(1, 2)  # [b, 5, s, 40]
        together = torch.tanh(heads).transpose(1, 2).flatten(2)
        return self.last(self.second(torch.relu(self.first(together))) + together)


def pipeline(**options: str) -> str:
    given = ",".join(f"{name}={value}" for name, value in options.items())
    return f"relabel,simplify,quantize{{{given}}},fuse,place"


@pytest.fixture(scope="module", params=["bitmod4", "bitmod3"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> penstock.Bundle:
    model = Layers().eval()
    torch.manual_seed(1)
    x = torch.randn(2, 7, INPUTS)
    out = tmp_path_factory.mktemp(request.param) / "b"
    return penstock.compile(model, (x,), out=out, quantize=request.param)


def test_linear_layers_are_packed_and_within_the_float_bound(bundle: penstock.Bundle) -> None:
    report = bundle.verify()
    (case,) = report.verification.cases
    assert report.ok
    assert case.bound == 1e-5
    assert case.departs is None
    assert bundle.files.text("cpu/program.c").count("pst_bitmod_linear(thread, &call)") == 3


def test_a_bundle_holds_images_and_no_floats(bundle: penstock.Bundle) -> None:
    (form,) = set(bundle.manifest["model"]["quantized"]["formats"].values())
    held = bundle.files.weights().arrays
    weights = {name for name in held if "bias" not in name}
    shared = {f"{name}.weight packed {form}" for name in ("first", "second")}
    assert weights - shared == {f"{name}.weight packed {form}" for name in ("heads", "last")}
    assert len(weights & shared) == 1


def test_the_cost_model_counts_what_is_stored(bundle: penstock.Bundle) -> None:
    held = bundle.files.weights().arrays
    groups = count_groups(parse_module(bundle.files.text("module.mlir")), next(iter(bundle.files.entries)))
    for name in ("heads", "last"):
        (image,) = (array for key, array in held.items() if key.startswith(f"{name}.weight packed"))
        size = {"heads": (INPUTS, HIDDEN), "last": (HIDDEN, OUTPUTS)}[name]
        bias = 4 * HIDDEN if name == "heads" else 0
        reads = [14 * 4 * size[0] + image.size + bias]
        assert reads == [
            group.bytes_read
            for group in groups
            if group.kernel.startswith("linear") and group.bytes_read == reads[0]
        ]


def test_threads_change_no_bit(bundle: penstock.Bundle) -> None:
    x = {"x": np.random.default_rng(0).standard_normal((2, 7, INPUTS)).astype(np.float32)}
    first, *others = (bundle.program().run(x, threads=threads) for threads in (1, 2, 3))
    for other in others:
        assert all(np.array_equal(first[name], other[name]) for name in first)


def test_a_bundle_runs_without_torch(bundle: penstock.Bundle) -> None:
    script = (
        "import sys, numpy as np; sys.modules['torch'] = None; sys.modules['torch_mlir'] = None\n"
        "from penstock.backends.cpu.loader import load\n"
        f"print(load({str(bundle.path)!r}).run({{'x': np.zeros((2, 7, {INPUTS}), np.float32)}}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tokens_that_are_not_finite_give_nan_alone(bundle: penstock.Bundle) -> None:
    x = np.random.default_rng(0).standard_normal((2, 7, INPUTS)).astype(np.float32)
    x[1, 3, 5] = np.inf
    (found,) = bundle.run({"x": x}).values()
    assert np.isnan(found[1, 3]).all()
    assert np.isfinite(np.delete(found.reshape(14, -1), 10, axis=0)).all()


@pytest.mark.parametrize(("rounding", "bound"), [("int15", 1e-3), ("int8", 1e-1)])
def test_rounded_activations_have_a_bound_of_their_own(rounding: str, bound: float, tmp_path: Path) -> None:
    x = torch.randn(2, 7, INPUTS)
    bundle = penstock.compile(
        Layers().eval(),
        (x,),
        out=tmp_path / "b",
        pipeline=pipeline(format="bitmod4", activations=rounding),
    )
    report = bundle.verify()
    (case,) = report.verification.cases
    assert report.ok
    assert case.bound == bound
    assert 1e-5 < case.outputs[0].relative < bound
    assert bundle.manifest["model"]["quantized"]["activations"] == rounding


@pytest.mark.parametrize("options", [{"scale_bits": "32"}, {"group": "64"}])
def test_other_groups_and_scales_are_computed_in_floats(options: dict[str, str], tmp_path: Path) -> None:
    bundle = penstock.compile(
        Layers().eval(),
        (torch.randn(2, 7, INPUTS),),
        out=tmp_path / "b",
        pipeline=pipeline(format="bitmod4", **options),
    )
    assert "pst_bitmod" not in bundle.files.text("cpu/program.c")
    assert bundle.verify().ok


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"format": "bitmod4", "activations": "int4"}, "activations 'int4'"),
        ({"format": "int8", "activations": "int8"}, "with int8 in groups of 128"),
    ],
)
def test_roundings_that_do_not_exist_are_refused(
    options: dict[str, str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compile", "zoo:mlp", "-o", str(tmp_path / "b"), "--pipeline", pipeline(**options)]
    assert cli.main(command) == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("isa", runnable())
def test_every_variant_gives_the_same_bits(isa: str, bundle: penstock.Bundle) -> None:
    """The image of the bundle through each variant of the kernels; the program itself takes the best."""
    from penstock.backends.cpu.packed import PackedLinear, unpack

    held = bundle.files.weights().arrays
    (image,) = (array for name, array in held.items() if name.startswith("heads.weight packed"))
    weights, _ = unpack(image)
    bias = np.asarray(held["heads.bias"])
    x = np.random.default_rng(0).standard_normal((3, INPUTS)).astype(np.float32)
    found = PackedLinear(pack(weights, bias), isa=isa)(x)
    wanted = x.astype(np.float64) @ weights.dequantize().T + bias
    assert np.abs(found - wanted).max() < 2e-6 * np.abs(wanted).max()
    assert np.array_equal(found, PackedLinear(pack(weights, bias), isa="portable")(x))
