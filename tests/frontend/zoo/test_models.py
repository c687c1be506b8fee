"""The zoo's models: sizes, numbers against Hugging Face transformers, determinism, padding, exportability."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from penstock.frontend import zoo
from penstock.ir.errors import InputError

REFERENCE = json.loads((Path(__file__).resolve().parents[2] / "data" / "zoo" / "reference.json").read_text())

SMALL = (
    "zoo:minilm-l6,layers=2",
    "zoo:bert-base,layers=1",
    "zoo:gpt2-small,layers=1",
    "zoo:llama-tiny",
    "zoo:vit-small,layers=2",
)
SEQUENCES = SMALL[:4]
ENTRIES = {entry.name: entry for entry in zoo.entries()}


@cache
def built(spec: str) -> zoo.ZooModel:
    return zoo.build(spec)


def outputs(model: zoo.ZooModel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        found = model.module(*(inputs[name] for name in model.input_names))
    found = found if isinstance(found, tuple) else (found,)
    return dict(zip(model.output_names, found, strict=True))


def relative(ours: Tensor, reference: Tensor) -> float:
    return ((ours - reference).norm() / reference.norm()).item()


@pytest.mark.parametrize("name", ENTRIES)
def test_the_table_states_the_built_models_sizes(name: str) -> None:
    model = zoo.build(f"zoo:{name}", device="meta")
    assert sum(parameter.numel() for parameter in model.module.parameters()) == ENTRIES[name].parameters
    assert ENTRIES[name].bytes == sum(p.numel() * p.element_size() for p in model.module.parameters())
    assert model.input_names
    assert set(ENTRIES[name].padding or {}) <= set(model.input_names)
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_public_parameter_counts() -> None:
    published = {"bert-base": 109_482_240, "gpt2-small": 124_439_808, "resnet50": 25_557_032}
    assert {name: ENTRIES[name].parameters for name in published} == published


@pytest.mark.parametrize("spec", REFERENCE["models"])
def test_numbers_are_those_of_transformers(spec: str) -> None:
    case = REFERENCE["models"][spec]
    model = zoo.build(spec)
    model.module.double()
    inputs = model.example_inputs(**case["inputs"])
    inputs = {name: v.double() if v.is_floating_point() else v for name, v in inputs.items()}
    for name, found in outputs(model, inputs).items():
        if model.positions_axis[name] is not None and "valid_lengths" in case["inputs"]:
            real = torch.arange(found.shape[1]) < torch.tensor(case["inputs"]["valid_lengths"])[:, None]
            found = found * real[..., None]
        stored = case["outputs"][name]
        positions = torch.linspace(0, found.numel() - 1, len(stored["samples"])).long()
        expected = torch.tensor(stored["samples"], dtype=torch.float64)
        assert found.norm().item() == pytest.approx(stored["norm"], rel=1e-5)
        assert relative(found.flatten()[positions], expected) < 1e-5


def test_the_seed_decides_every_weight() -> None:
    first, again, other = (zoo.build(f"zoo:llama-tiny,seed={seed}").module.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn = [name for name in first if "rotary" not in name]
    assert not any(torch.equal(first[name], other[name]) for name in drawn)


def test_fewer_layers_are_the_first_layers_of_more() -> None:
    few = zoo.build("zoo:llama-tiny,layers=1").module.state_dict()
    more = built("zoo:llama-tiny").module.state_dict()
    assert all(torch.equal(value, more[name]) for name, value in few.items())


@pytest.mark.parametrize("spec", SMALL)
def test_both_ways_of_writing_attention_agree(spec: str) -> None:
    model, explicit = built(spec), zoo.build(f"{spec},attention=explicit")
    ragged = {"length": 33, "valid_lengths": [33, 7]} if model.entry.max_length else {}
    inputs = model.example_inputs(batch=2, seed=4, **ragged)
    ours, theirs = outputs(model, inputs), outputs(explicit, inputs)
    for name, axis in model.positions_axis.items():
        rows = [slice(0, length) for length in (33, 7)] if axis else [slice(None)] * 2
        for row, real in enumerate(rows):
            assert relative(theirs[name][row][real], ours[name][row][real]) < 1e-5


@pytest.mark.parametrize("spec", SEQUENCES)
def test_padding_does_not_reach_the_real_tokens(spec: str) -> None:
    model = built(spec)
    short = model.example_inputs(length=7, seed=2)
    padded = model.example_inputs(length=20, valid_lengths=[7])
    for name, fill in (model.padding or {}).items():
        padded[name][:] = fill
        padded[name][:, :7] = short[name]
    alone, among = outputs(model, short), outputs(model, padded)
    for name, axis in model.positions_axis.items():
        found = among[name] if axis is None else among[name].narrow(axis, 0, 7)
        assert relative(found, alone[name]) < 1e-5


@pytest.mark.parametrize("spec", [*SMALL, "zoo:resnet50", "zoo:mlp"])
def test_activations_are_of_ordinary_size(spec: str) -> None:
    for found in outputs(built(spec), built(spec).example_inputs(seed=1)).values():
        assert 0.02 < found.std().item() < 20


@pytest.mark.parametrize("name", ENTRIES)
def test_torch_export_takes_every_model(name: str) -> None:
    layers = ",layers=1" if "layers" in ENTRIES[name].options else ""
    for form in ("sdpa", "explicit") if layers else ("",):
        spec = f"zoo:{name}{layers}" + (f",attention={form}" if form else "")
        model = zoo.build(spec, device="meta")
        inputs = tuple(value.to("meta") for value in model.example_inputs().values())
        exported = torch.export.export(model.module, inputs, strict=False)
        called = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
        assert not exported.constants
        assert all(target.startswith("aten.") for target in called)
        assert called.count("aten.scaled_dot_product_attention.default") == (form == "sdpa")


def test_example_inputs_repeat_and_carry_padding() -> None:
    model = built("zoo:bert-base,layers=1")
    first, again = (model.example_inputs(length=9, batch=2, seed=3, valid_lengths=[9, 4]) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["attention_mask"].sum(dim=1).tolist() == [9, 4]
    assert first["input_ids"][1, 4:].tolist() == [0] * 5
    assert model.example_inputs()["input_ids"].shape == (1, 64)


@pytest.mark.parametrize(
    ("spec", "asked", "said"),
    [
        ("zoo:llama-tiny", {"length": 0}, "1 to 1024"),
        ("zoo:llama-tiny", {"length": 1025}, "1 to 1024"),
        ("zoo:llama-tiny", {"batch": 0}, "1 or more"),
        ("zoo:llama-tiny", {"length": 8, "valid_lengths": [9]}, "1 numbers from 1 to 8"),
        ("zoo:llama-tiny", {"length": 8, "batch": 2, "valid_lengths": [8]}, "2 numbers from 1 to 8"),
        ("zoo:mlp", {"length": 8}, "no length"),
        ("zoo:mlp", {"valid_lengths": [8]}, "no valid_lengths"),
    ],
)
def test_inputs_a_model_does_not_take_are_refused(spec: str, asked: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        built(spec).example_inputs(**asked)
