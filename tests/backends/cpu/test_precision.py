"""Bundles with contractions of bf16: what they hold, run, cost and verify against, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import penstock
from penstock import cli
from penstock.backends.cpu.build import build
from penstock.backends.cpu.isa import ISAS
from penstock.compiler import raise_subject
from penstock.ir.bundle import COST, BundleWriter
from penstock.ir.dtypes import BY_NUMPY
from penstock.ir.entries import read_entries
from penstock.ir.errors import InputError
from penstock.ir.interpreter import interpret
from penstock.ir.signature import entries_json
from penstock.ir.targets.host import detect
from penstock.passes.pipeline import parse_pipeline, run_pipeline, with_options
from penstock.passes.precision import round_params
from penstock.sim.compare import KERNEL_BOUND
from penstock.subject import from_module

ROWS = 7


class Attends(nn.Module):
    """Words, an attention under a mask, a head tied to the table of words."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(40, 64)
        self.qkv, self.out = nn.Linear(64, 192), nn.Linear(64, 64)
        self.norm = nn.LayerNorm(64)
        self.head = nn.Linear(64, 40, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.words(ids)
        q, k, v = (part.unflatten(-1, (4, 16)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        seen = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.norm(x + self.out(seen.transpose(1, 2).flatten(2)))
        return self.head(x)


def inputs(kind: str = "some") -> dict[str, torch.Tensor]:
    """Words and a mask that hides what is later; under ``float`` by -inf, and from one row everything."""
    ids = torch.arange(ROWS)[None] * 5 % 40
    mask = torch.ones(ROWS, ROWS, dtype=torch.bool).tril()
    if kind == "float":
        mask[3] = False
        return {"ids": ids, "mask": torch.where(mask, torch.randn(ROWS, ROWS), -math.inf)}
    return {"ids": ids, "mask": mask}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> penstock.Bundle:
    place = tmp_path_factory.mktemp("bf16") / "b"
    return penstock.compile(Attends().eval(), inputs(), out=place, precision="bf16")


def test_a_bf16_bundle_verifies_in_float64_and_kernel_by_kernel(bundle: penstock.Bundle) -> None:
    report = bundle.verify()
    outputs, kernels = report.verification.cases
    assert report.ok
    assert report.verification.reference == "eager PyTorch in float64"
    assert outputs.bound == 1.6e-2
    assert 1e-5 < outputs.outputs[0].relative < 1e-2, "rounded, and no more than that"
    assert outputs.layers
    assert kernels.bound == KERNEL_BOUND
    assert "kernels beside the interpreter" in kernels.outputs[0].name
    kinds = {each.dtype for each in bundle.subject().module.parameters()}
    assert kinds == {torch.float32}, "the model is as it was"
    assert bundle.manifest["model"]["precision"] == "bf16"
    assert "contractions of bf16" in bundle.report().text()


def test_weights_that_only_products_read_are_stored_as_bf16(bundle: penstock.Bundle) -> None:
    held = load_file(bundle.path / "weights.safetensors")
    weights = {name: value for name, value in held.items() if not name.startswith("penstock")}
    kinds = {name.split(" packed")[0]: value.dtype for name, value in weights.items()}
    assert kinds["head.weight"] == torch.float32, "a gather reads the tied table as it is"
    assert kinds["head.weight.bf16"] == kinds["qkv.weight"] == kinds["out.weight"] == torch.bfloat16
    assert kinds["norm.weight"] == kinds["qkv.bias"] == torch.float32


def test_its_cost_counts_two_bytes_and_products_of_bf16(bundle: penstock.Bundle) -> None:
    groups = bundle.files.json(COST)["entries"]["main"]["groups"]
    contractions = [group for group in groups if "qkv" in "".join(group["einsums"])]
    assert len(contractions) == 3
    read = 2 * (ROWS * 64 + 192 * 64) + 4 * 192
    assert {(each["dtype"], each["bytes_read"], each["bytes_written"]) for each in contractions} == {
        ("bf16", read, 2 * ROWS * 64)
    }


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_what_the_interpreter_gives(isa: str, tmp_path: Path) -> None:
    if list(ISAS).index(isa) < list(ISAS).index(detect().isa):
        pytest.skip(f"this machine has no {isa}")
    subject = from_module(Attends().eval(), inputs("float"), "f32")
    raised = raise_subject(subject)
    module, _ = run_pipeline(raised.module, parse_pipeline(with_options(None, precision="bf16")))
    params = round_params(module, raised.params)
    with BundleWriter(tmp_path / "b") as writer:
        facts = build(module, params, writer, isa=ISAS[isa])
        entries = entries_json(read_entries(module))
        writer.commit(tools={}, target="cpu", model={}, entries=entries, backends={"cpu": facts})
    given = {name: value.numpy() for name, value in inputs("float").items()}
    (got,) = penstock.load(tmp_path / "b").run(given).values()
    (wanted,) = interpret(module, "main", {**params, **given}).values()
    assert np.linalg.norm(got - wanted) <= 1e-3 * np.linalg.norm(wanted)


def test_quantized_weights_keep_their_codes_and_attention_is_rounded(tmp_path: Path) -> None:
    model = Attends().eval()
    bundle = penstock.compile(model, inputs(), out=tmp_path / "b", quantize="bitmod4", precision="bf16")
    assert "qkv.weight packed bitmod4" in bundle.files.weights().arrays
    text = bundle.files.text("module.mlir")
    assert "xbf16" in text
    assert bundle.verify().ok


def test_precision_is_refused_where_it_means_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = nn.Linear(4, 4).eval()
    with pytest.raises(InputError, match=r"--precision: no precision 'fp8' \(accepted: fp32, bf16\)"):
        penstock.compile(model, (torch.ones(2, 4),), precision="fp8")
    with pytest.raises(
        InputError, match=r"bf16 on cpu in f64 \(accepted: --target cpu or h200, --dtype f32\)"
    ):
        penstock.compile(model, (torch.ones(2, 4),), precision="bf16", dtype="f64")
    out = str(tmp_path / "b")
    command = ["compile", "zoo:mlp", "--precision", "bf16", "--target", "bitmod-small", "-o", out]
    assert cli.main(command) == cli.BAD_INPUT
    assert "--target cpu or h200, --dtype f32" in capsys.readouterr().err
    assert not Path(out).exists()


def test_a_bfloat16_module_is_computed_in_float32_and_an_exported_one_refused(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.Softmax(-1)).bfloat16().eval()
    given = torch.randn(3, 64).bfloat16()
    with torch.inference_mode():
        wanted = model(given).float().numpy()
    torch.export.save(torch.export.export(model, (given,)), tmp_path / "m.pt2")
    with pytest.raises(InputError, match=r"exported in bfloat16 .*float32, with --precision bf16"):
        penstock.compile(str(tmp_path / "m.pt2"))
    for precision in ("fp32", "bf16"):
        bundle = penstock.compile(model, (given,), precision=precision)
        (spec,) = bundle.files.entries["main"].inputs
        (got,) = bundle.run({spec.name: given.float().numpy()}).values()
        assert np.linalg.norm(got - wanted) <= 1e-2 * np.linalg.norm(wanted)


def test_bits_have_a_name_of_their_own_in_numpy() -> None:
    assert BY_NUMPY["uint16"].mlir == "bf16"
