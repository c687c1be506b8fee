"""MiniLM from its PyPI package: tokens, sentence embeddings, and what is said when the package is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from penstock.frontend import zoo
from penstock.frontend.zoo import minilm
from penstock.ir.errors import BundleError, InputError, ToolMissing

REFERENCE = json.loads((Path(__file__).resolve().parents[2] / "data" / "zoo" / "reference.json").read_text())[
    "sentences"
]


def test_tokens_are_those_of_the_published_tokenizer() -> None:
    tokens = minilm.tokenize(REFERENCE["sentences"])
    assert tokens["input_ids"].tolist() == REFERENCE["input_ids"]
    assert tokens["attention_mask"].tolist() == REFERENCE["attention_mask"]
    assert tokens["input_ids"].dtype == tokens["attention_mask"].dtype == np.int64


def test_tokens_are_padded_and_cut_to_the_length_asked() -> None:
    padded = minilm.tokenize(["This is an example sentence"], length=16)
    assert padded["input_ids"].shape == (1, 16)
    assert padded["attention_mask"].sum() == 7
    cut = minilm.tokenize(["This is an example sentence"], length=4)
    assert cut["input_ids"].tolist() == [[101, 2023, 2003, 102]]
    assert minilm.tokenize(["word " * 1000])["input_ids"].shape == (1, minilm.MOST_TOKENS)


def test_sentence_embeddings_are_the_published_models() -> None:
    tokens = minilm.tokenize(REFERENCE["sentences"], length=32)
    inputs = [torch.from_numpy(tokens[name]) for name in ("input_ids", "attention_mask")]
    with torch.no_grad():
        hidden = zoo.build("zoo:minilm-l6").module(*inputs)
        pooled = zoo.build("zoo:minilm-l6,pool=true").module(*inputs)
    embeddings = minilm.sentence_embeddings(hidden.numpy(), tokens["attention_mask"])
    expected = np.array(REFERENCE["embeddings"])
    np.testing.assert_allclose(embeddings[:, : expected.shape[1]], expected, atol=1e-6)
    np.testing.assert_allclose(embeddings @ embeddings.T, REFERENCE["similarities"], atol=1e-6)
    np.testing.assert_allclose(pooled.numpy(), embeddings, atol=1e-6)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "MODULE", "a_package_nobody_has")
    for attempt in (lambda: zoo.build("zoo:minilm-l6"), lambda: minilm.tokenize(["text"])):
        with pytest.raises(ToolMissing, match=r"penstock\[zoo\]"):
            attempt()


def test_a_package_without_its_weights_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(minilm, "package_files", lambda: tmp_path)
    with pytest.raises(BundleError, match="no weights"):
        zoo.build("zoo:minilm-l6")


def test_inputs_without_a_meaning_are_refused() -> None:
    with pytest.raises(InputError, match="no sentence"):
        minilm.tokenize([])
    with pytest.raises(InputError, match="no room"):
        minilm.tokenize(["text"], length=1)
    with pytest.raises(InputError, match="no real token"):
        minilm.sentence_embeddings(np.ones((1, 2, 4), np.float32), np.zeros((1, 2), np.int64))
