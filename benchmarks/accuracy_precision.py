"""What contractions of bf16 cost in accuracy: the zoo's models, and MiniLM's sentence embeddings.

Each model is compiled with ``--precision bf16`` and run on its example inputs; its first output is compared
with eager PyTorch's in float64, and so is the output of the same model run by PyTorch in bfloat16 throughout.
MiniLM embeds the sentences of data/sentences.txt three ways as well: cosine with the float64 embedding, rank
correlation (Spearman) of all pairs' similarities, and whether a sentence keeps its nearest one and its ten
nearest (as `accuracy_minilm.py`).

Usage: python benchmarks/accuracy_precision.py [--models A,B] [--length N] [--threads N] [--json]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from typing import Any

import numpy as np
import torch
from accuracy_minilm import Pairs, read_sentences, spearman
from numpy.typing import NDArray
from torch import nn

import penstock
from penstock.frontend import zoo
from penstock.frontend.zoo.minilm import sentence_embeddings, tokenize
from penstock.outcome import listing
from penstock.sim.compare import difference

MODELS = ("minilm-l6", "bert-base", "gpt2-small", "llama-tiny", "vit-small", "resnet50", "mlp")
MINILM = "minilm-l6"


def eager(module: nn.Module, inputs: dict[str, torch.Tensor], kind: torch.dtype) -> NDArray[np.float64]:
    """The first output of a module run in one floating type."""
    given = [each.to(kind) if each.is_floating_point() else each for each in inputs.values()]
    with torch.inference_mode():
        out = module.to(kind)(*given)
    while not isinstance(out, torch.Tensor):
        out = next(iter(out.values())) if isinstance(out, dict) else out[0]
    return out.double().numpy()


def compiled(model: str, length: int) -> penstock.Bundle:
    """A model of the zoo with contractions of bf16, at one length where it has one."""
    shapes = {"s": [length]} if zoo.build(f"zoo:{model}", device="meta").entry.lengths else None
    return penstock.compile(f"zoo:{model}", shapes=shapes, precision="bf16")


def measure(model: str, length: int) -> dict[str, Any]:
    """Errors of one model, of the bundle and of PyTorch in bfloat16."""
    bundle = compiled(model, length)
    inputs = {name: torch.from_numpy(value) for name, value in bundle.example_inputs().items()}
    module = zoo.build(f"zoo:{model}").module
    exact = eager(module, inputs, torch.float64)
    outputs = bundle.run({name: value.numpy() for name, value in inputs.items()})
    ours = difference(next(iter(outputs.values())), exact)
    theirs = difference(eager(module.float(), inputs, torch.bfloat16), exact)
    return {
        "model": model,
        "relative": ours.relative,
        "cosine": ours.cosine,
        "torch_relative": theirs.relative,
        "torch_cosine": theirs.cosine,
    }


def embeddings(length: int) -> list[dict[str, Any]]:
    """MiniLM on every sentence, by itself: the bundle and PyTorch in bfloat16 beside float64."""
    tokens = tokenize([each.text for each in read_sentences()], length)
    bundle = compiled(MINILM, length)
    rows = [
        {name: value[k : k + 1] for name, value in tokens.items()} for k in range(len(tokens["input_ids"]))
    ]
    hidden = {"penstock bf16": np.concatenate([next(iter(bundle.run(row).values())) for row in rows])}
    inputs = {name: torch.from_numpy(value) for name, value in tokens.items()}
    module = zoo.build(f"zoo:{MINILM}").module
    exact = sentence_embeddings(eager(module, inputs, torch.float64), tokens["attention_mask"])
    hidden["torch bf16"] = eager(module.float(), inputs, torch.bfloat16)
    before = Pairs(exact)
    found = []
    for name, values in hidden.items():
        made = sentence_embeddings(values.astype(np.float64), tokens["attention_mask"])
        cosine, after = (exact * made).sum(axis=1), Pairs(made)
        found.append(
            {
                "embeddings": name,
                "cosine": float(cosine.mean()),
                "min_cosine": float(cosine.min()),
                "spearman": spearman(before, after, np.ones(len(exact))),
                "top1": float(after.kept(before, 1).mean()),
                "top10": float(after.kept(before, 10).mean()),
            }
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="accuracy of contractions in bf16")
    parser.add_argument("--models", default=",".join(MODELS), help="of the zoo, with commas between")
    parser.add_argument("--length", type=int, default=64, help="of sequences (%(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = [measure(model, options.length) for model in options.models.split(",") if model]
    sentences = embeddings(options.length) if MINILM in options.models.split(",") else []
    facts = {"length": options.length, "python": platform.python_version(), "torch": torch.__version__}
    if options.json:
        print(json.dumps({**facts, "models": models, "sentences": sentences}, indent=2))
        return 0
    print(json.dumps(facts))
    for rows in (models, sentences):
        shown = [{k: f"{v:.3g}" if "relative" in k else v for k, v in row.items()} for row in rows]
        shown = [{k: f"{v:.6f}" if isinstance(v, float) else v for k, v in row.items()} for row in shown]
        print(listing(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
