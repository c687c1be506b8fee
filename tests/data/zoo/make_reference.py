"""Writes reference.json: what Hugging Face transformers computes with the zoo's weights and inputs.

Run by hand with transformers (5.23.0 when the file was written) in the environment; the tests read only the
file. Models run in float64 on the weights of `penstock.frontend.zoo`, renamed to transformers' names; stored
are the norm of each output and 16 of its values at evenly spaced flat positions.
MiniLM's entry also has token ids by transformers' tokenizer and embeddings pooled as its model card says.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn

from penstock.frontend import zoo
from penstock.frontend.zoo.minilm import package_files

SAMPLES = 16
SENTENCES = [
    "This is an example sentence",
    "Each sentence is converted",
    "Penstocks carry water to turbines!",
]

Weights = dict[str, Tensor]


def bert(weights: Weights, layers: int) -> tuple[nn.Module, Weights]:
    config = transformers.BertConfig(num_hidden_layers=layers)
    return transformers.BertModel(config), weights


def minilm(weights: Weights, layers: int) -> tuple[nn.Module, Weights]:
    config = transformers.BertConfig.from_json_file(package_files() / "config.json")
    config.num_hidden_layers = layers
    return transformers.BertModel(config, add_pooling_layer=False), weights


def gpt2(weights: Weights, layers: int) -> tuple[nn.Module, Weights]:
    renamed = {}
    for name, value in weights.items():
        transposed = name.endswith("weight") and re.search(r"c_attn|c_proj|c_fc", name)
        renamed["transformer." + name] = value.T if transposed else value
    renamed["lm_head.weight"] = weights["wte.weight"]
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=layers)), renamed


def llama(weights: Weights, layers: int) -> tuple[nn.Module, Weights]:
    config = transformers.LlamaConfig(
        vocab_size=1024,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
    )
    renamed = {}
    for name, value in weights.items():
        if "rotary" not in name:
            inner = name if name.startswith("lm_head") else "model." + name.removeprefix("decoder.")
            renamed[inner] = value
    return transformers.LlamaForCausalLM(config), renamed


VIT_NAMES = (
    (r"^cls_token$", "vit.embeddings.cls_token"),
    (r"^pos_embed$", "vit.embeddings.position_embeddings"),
    (r"^patch_embed\.", "vit.embeddings.patch_embeddings.projection."),
    (r"^norm\.", "vit.layernorm."),
    (r"^head\.", "classifier."),
    (r"^blocks\.(\d+)\.", r"vit.layers.\1."),
    (r"norm1\.", "layernorm_before."),
    (r"norm2\.", "layernorm_after."),
    (r"attention\.query", "attention.q_proj"),
    (r"attention\.key", "attention.k_proj"),
    (r"attention\.value", "attention.v_proj"),
    (r"attention\.output", "attention.o_proj"),
    (r"\.fc(\d)\.", r".mlp.fc\1."),
)


def vit(weights: Weights, layers: int) -> tuple[nn.Module, Weights]:
    config = transformers.ViTConfig(
        hidden_size=384,
        num_hidden_layers=layers,
        num_attention_heads=6,
        intermediate_size=1536,
        layer_norm_eps=1e-6,
    )
    config.num_labels = 1000
    return transformers.ViTForImageClassification(config), _renamed(weights, VIT_NAMES)


RESNET_NAMES = (
    (r"^conv1\.", "resnet.embedder.embedder.convolution."),
    (r"^bn1\.", "resnet.embedder.embedder.normalization."),
    *((rf"^layer{stage + 1}\.", f"resnet.encoder.stages.{stage}.layers.") for stage in range(4)),
    *((rf"(\d)\.conv{part + 1}\.", rf"\1.layer.{part}.convolution.") for part in range(3)),
    *((rf"(\d)\.bn{part + 1}\.", rf"\1.layer.{part}.normalization.") for part in range(3)),
    (r"downsample\.0\.", "shortcut.convolution."),
    (r"downsample\.1\.", "shortcut.normalization."),
    (r"^fc\.", "classifier.1."),
)


def resnet(weights: Weights, layers: int) -> tuple[nn.Module, Weights]:
    del layers
    config = transformers.ResNetConfig()
    config.num_labels = 1000
    return transformers.ResNetForImageClassification(config), _renamed(weights, RESNET_NAMES)


def _renamed(weights: Weights, names: tuple) -> Weights:
    renamed = {}
    for name, value in weights.items():
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


CASES: dict[str, tuple[dict, Callable[[Weights, int], tuple[nn.Module, Weights]]]] = {
    "zoo:bert-base,layers=2,seed=3": ({"length": 19, "batch": 2, "seed": 5, "valid_lengths": [19, 7]}, bert),
    "zoo:minilm-l6": ({"length": 19, "batch": 2, "seed": 5, "valid_lengths": [19, 7]}, minilm),
    "zoo:gpt2-small,layers=2,seed=3": ({"length": 19, "batch": 2, "seed": 5}, gpt2),
    "zoo:llama-tiny,seed=3": ({"length": 129, "batch": 2, "seed": 5}, llama),
    "zoo:vit-small,layers=2,seed=3": ({"batch": 2, "seed": 5}, vit),
    "zoo:resnet50,seed=3": ({"batch": 2, "seed": 5}, resnet),
}


def compute(spec: str, asked: dict, make: Callable) -> dict:
    """One case: inputs asked for, and each output's norm and samples."""
    built = zoo.build(spec)
    inputs = built.example_inputs(**asked)
    reference, weights = make(built.module.state_dict(), built.options.get("layers", 0))
    result = reference.load_state_dict(weights, strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    assert all("position_ids" in key for key in result.missing_keys), result.missing_keys
    reference.double().eval()
    inputs = {
        {"image": "pixel_values"}.get(name, name): value.double() if value.is_floating_point() else value
        for name, value in inputs.items()
    }
    with torch.no_grad():
        found = reference(**inputs)
        eager = built.module.double()(*inputs.values())
    eager = eager if isinstance(eager, tuple) else (eager,)
    outputs = {}
    for (name, axis), ours in zip(built.positions_axis.items(), eager, strict=True):
        theirs = found[name]
        if axis is not None and "valid_lengths" in asked:
            keep = torch.arange(theirs.shape[1]) < torch.tensor(asked["valid_lengths"])[:, None]
            theirs, ours = theirs * keep[..., None], ours * keep[..., None]
        print(f"{spec} {name}: relative difference {((ours - theirs).norm() / theirs.norm()).item():.2e}")
        positions = torch.linspace(0, theirs.numel() - 1, SAMPLES).long()
        outputs[name] = {"norm": theirs.norm().item(), "samples": theirs.flatten()[positions].tolist()}
    return {"inputs": asked, "outputs": outputs}


def sentences() -> dict:
    """MiniLM on real sentences, all by transformers."""
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(package_files() / "tokenizer.json"))
    tokenizer.pad_token = "[PAD]"
    tokens = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    model, weights = minilm(zoo.build("zoo:minilm-l6").module.state_dict(), 6)
    model.load_state_dict(weights)
    model.double().eval()
    with torch.no_grad():
        hidden = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])[0]
    mask = tokens["attention_mask"][..., None].double()
    embeddings = nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
    return {
        "sentences": SENTENCES,
        "input_ids": tokens["input_ids"].tolist(),
        "attention_mask": tokens["attention_mask"].tolist(),
        "embeddings": [[round(value, 9) for value in row] for row in embeddings[:, :24].tolist()],
        "similarities": (embeddings @ embeddings.T).tolist(),
    }


if __name__ == "__main__":
    written = {
        "source": f"transformers {transformers.__version__}, by make_reference.py",
        "models": {spec: compute(spec, *case) for spec, case in CASES.items()},
        "sentences": sentences(),
    }
    Path(__file__).with_name("reference.json").write_text(json.dumps(written, indent=1) + "\n")
