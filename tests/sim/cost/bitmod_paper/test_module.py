"""Matrix products found in modules of the zoo, as raised and fused, and what they cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock import api, cli
from penstock.ir import targets
from penstock.ir.errors import InputError, TargetError
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module
from penstock.sim.cost import bitmod_paper as paper
from penstock.sim.cost.bitmod_paper import Llm

LLAMA = Llm(256, 2, 8, 2, 688, True, 1000)
"""zoo:llama-tiny without its vocabulary's size."""


@pytest.fixture(scope="module")
def raised() -> ir.Module:
    return parse_module(api.lower("zoo:llama-tiny", ""))


@pytest.fixture(scope="module")
def fused() -> ir.Module:
    return parse_module(api.lower("zoo:llama-tiny", None))


def sizes(work: tuple[paper.Matmul, ...]) -> list[tuple[int, int, int, int, bool]]:
    return [(w.batch * w.count, w.tokens, w.channels, w.inputs, w.attention) for w in work]


def test_a_llama_is_the_matrix_products_of_its_sizes(raised: ir.Module) -> None:
    found = paper.matmuls_of(raised, "main_128")
    expected = paper.matmuls(LLAMA, tokens=128, context=128, rules=paper.CORRECTED)
    layers = [each for each in expected if each.name != "lm_head"]

    def key(work: paper.Matmul) -> tuple[int, int, int, int, bool]:
        return work.batch, work.tokens, work.channels, work.inputs, work.attention

    head = found[-1]
    assert (head.tokens, head.inputs, head.attention) == (128, 256, False)
    assert sorted(map(key, found[:-1])) == sorted(key(each) for each in layers for _ in range(each.count))


def test_fusion_changes_nothing(raised: ir.Module, fused: ir.Module) -> None:
    assert sizes(paper.matmuls_of(fused, "main_128")) == sizes(paper.matmuls_of(raised, "main_128"))


def test_attention_in_tiles_is_the_whole_of_it() -> None:
    whole = parse_module(api.lower("zoo:llama-tiny", "", shapes={"s": [256]}))
    tiled = parse_module(
        api.lower("zoo:llama-tiny", "relabel,simplify,fuse{m_tile=64},place", shapes={"s": [256]})
    )
    before, after = (paper.matmuls_of(module, "main_256") for module in (whole, tiled))
    assert sum(each.macs for each in after) == sum(each.macs for each in before)


@pytest.mark.parametrize(
    "target", ["fp16-paper", "ant-paper", "olive-paper", "bitmod-paper", "ant-paper-gen"]
)
def test_every_design_prices_it(raised: ir.Module, target: str) -> None:
    found = paper.cost_module(raised, "main_128", targets.load(target), paper.Precision(4, kv_bits=8))
    assert found.cycles >= found.compute_cycles > 0
    assert found.energy_j > 0


def test_bitmod_is_fastest(raised: ir.Module) -> None:
    def cycles(target: str, weights: str) -> int:
        machine = targets.load(target)
        (entry,) = paper.cost_entries(raised, machine, weights)
        return entry["cycles"]

    bitmod, fp16 = cycles("bitmod-paper", "bitmod4"), cycles("fp16-paper", "16")
    assert bitmod < cycles("olive-paper", "4.5") < fp16
    assert cycles("bitmod-paper", "bitmod3") <= bitmod < cycles("bitmod-paper", "int8")


def test_convolutions_are_matrix_products() -> None:
    module = parse_module(api.lower("zoo:resnet50", ""))
    work = paper.matmuls_of(module, "main")
    assert len(work) == 54
    assert (work[0].tokens, work[0].channels, work[0].inputs) == (112 * 112, 64, 3 * 7 * 7)
    assert sum(each.macs for each in work) == pytest.approx(4.09e9, rel=1e-3)
    assert not any(each.attention for each in work)


def test_what_is_refused(raised: ir.Module) -> None:
    with pytest.raises(InputError, match="no function 'nowhere'"):
        paper.matmuls_of(raised, "nowhere")
    with pytest.raises(TargetError, match="0 datapaths"):
        paper.cost_entries(raised, targets.load("h200"), "bitmod4")


class TestCommand:
    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["price", "zoo:mlp", "--target", "olive-paper", "--weights", "4.5", "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        (entry,) = data["entries"]
        assert (data["target"], data["weights"], entry["matmuls"], entry["macs"]) == (
            "olive-paper",
            "4.5",
            3,
            784 * 512 + 512 * 512 + 512 * 10,
        )
        assert entry["energy_j"] == pytest.approx(entry["onchip_j"] + entry["dram_j"])

    def test_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["price", "zoo:mlp"]) == cli.DONE
        assert "energy_j" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--weights", "half", "no weights 'half'"),
            ("--target", "cpu", "0 datapaths"),
            ("--target", "abacus", "no target 'abacus'"),
        ],
    )
    def test_refusals(
        self, option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["price", "zoo:mlp", option, value, "--json"]) == cli.BAD_INPUT
        assert message in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.slow
def test_a_bundle_costs_what_its_model_does(tmp_path: Path) -> None:
    bundle = api.compile("zoo:mlp", out=tmp_path / "mlp")
    assert api.price(bundle.path) == api.price("zoo:mlp")
