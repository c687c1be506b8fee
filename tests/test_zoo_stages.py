"""Every model of the zoo through every pass: the text round-trips, the numbers stay those of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from penstock.compiler import raise_subject
from penstock.ir.interpreter import interpret
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module, print_module
from penstock.passes.pipeline import DEFAULT, parse_pipeline, run_pipeline
from penstock.sim.compare import difference
from penstock.subject import from_zoo

MODELS = {
    "zoo:minilm-l6": {"s": [64]},
    "zoo:bert-base": {"s": [64]},
    "zoo:gpt2-small": {"s": [64]},
    "zoo:llama-tiny": {"s": [64]},
    "zoo:llama-7b-layer": {"s": [64]},
    "zoo:vit-small": None,
    "zoo:resnet50": None,
    "zoo:mlp": None,
}
SMALL = {
    "zoo:minilm-l6,layers=2": {"s": [17]},
    "zoo:minilm-l6,layers=1,attention=explicit,pool=true": {"s": [17]},
    "zoo:bert-base,layers=1": {"s": [9]},
    "zoo:gpt2-small,layers=1,attention=explicit": {"s": [9]},
    "zoo:llama-tiny": {"s": [17]},
    "zoo:llama-tiny,attention=explicit": {"s": [7]},
    "zoo:vit-small,layers=1": None,
    "zoo:mlp": None,
}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_text_round_trips_after_each_pass(model: str) -> None:
    raised = raise_subject(from_zoo(model, MODELS[model], "f32", 0, meta=True))
    seen = []

    def check(name: str, module: ir.Module) -> None:
        text = print_module(module)
        assert print_module(parse_module(text)) == text, f"{model} after {name}"
        seen.append(name)

    check("raise", raised.module)
    run_pipeline(raised.module, parse_pipeline(None), check)
    assert seen == ["raise", *DEFAULT]


@pytest.mark.slow
@pytest.mark.parametrize("model", SMALL)
def test_the_interpreter_equals_eager_pytorch_after_each_pass(model: str) -> None:
    subject = from_zoo(model, SMALL[model], "f64", 0)
    raised = raise_subject(subject)
    (entry,) = subject.entries
    given = subject.entries[entry]
    if "attention_mask" in given:
        given["attention_mask"][:, -5:] = 0
    with torch.inference_mode():
        returned = subject.module(*given.values())
    wanted = [value.numpy() for value in (returned if isinstance(returned, tuple) else (returned,))]
    arrays: dict[str, np.ndarray] = {**raised.params, **{name: x.numpy() for name, x in given.items()}}

    def check(name: str, module: ir.Module) -> None:
        for got, reference in zip(interpret(module, entry, arrays).values(), wanted, strict=True):
            assert difference(got, reference).relative <= 1e-12, f"{model} after {name}"

    check("raise", raised.module)
    run_pipeline(raised.module, parse_pipeline(None), check)
