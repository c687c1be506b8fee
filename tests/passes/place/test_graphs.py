"""The benchmark's programs: frozen by hash, sized as the networks and models they stand for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.passes.place.graphs import GRAPHS, graph
from penstock.passes.place.problem import read
from penstock.reproduce.mallocgame_graphs import names, program

# Parameters of the published networks without biases of convolutions (in millions), and their tolerance.
PARAMETERS = {"alexnet": 61.1, "resnet50": 25.6, "mobilenetv2": 3.5, "unet": 31.0}


@pytest.fixture(scope="module")
def frozen(checkout: Path) -> dict[str, str]:
    return json.loads((checkout / "benchmarks/memory_map/hashes.json").read_text(encoding="utf-8"))


def test_every_program_is_frozen(frozen: dict[str, str]) -> None:
    assert list(frozen) == list(names())


def test_frozen_files_have_their_hashes(checkout: Path, frozen: dict[str, str]) -> None:
    for name, digest in frozen.items():
        assert read(checkout / f"benchmarks/memory_map/{name}.json").sha256 == digest, name


@pytest.mark.parametrize("name", GRAPHS)
def test_generators_make_what_was_frozen(name: str, frozen: dict[str, str]) -> None:
    assert graph(name).sha256 == frozen[name], "run benchmarks/memory_map/freeze.py and run.py if it is meant"


@pytest.mark.parametrize("name", PARAMETERS)
def test_networks_have_their_parameters(name: str) -> None:
    weights = sum(t.size for t in graph(name).tensors if t.kind == "param" and t.name.endswith(".w"))
    assert weights / 2e6 == pytest.approx(PARAMETERS[name], rel=0.02)


def test_strassen_makes_49_products() -> None:
    products = [i for i in graph("strassen").instructions if ".p" in i.name]
    assert len(products) == 49


@pytest.mark.slow
def test_a_compiled_model_reads_all_its_weights_once() -> None:
    problem = program("zoo-mlp")
    weights = sum(t.size for t in problem.tensors if t.kind == "param")
    assert weights == pytest.approx(2 * 669706, rel=0.01), "bfloat16 weights of the perceptron, and its input"
    assert sum(t.kind == "result" for t in problem.tensors) == 1
