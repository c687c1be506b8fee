"""What each weight format costs MiniLM-L6 with its real weights: how far sentence embeddings move.

Every linear layer is quantized (with ``--embeddings`` the embedding tables too), and the embeddings of the
sentences in data/sentences.txt are compared with the float model's: their cosine; the rank correlation
(Spearman) of all pairs' similarities; whether a sentence keeps its nearest one and its ten nearest. Sentences
come as two wordings of a fact, ten facts a topic: `paraphrase` is how often the nearest is the other wording.

Usage: python benchmarks/accuracy_minilm.py [--formats A,B] [--embeddings] [--resamples N] [--seed N]
           [--threads N] [--json]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from weight_formats import (
    FLOAT,
    Row,
    Statistic,
    Stored,
    Verdict,
    as_json,
    chosen,
    claims,
    compare,
    draws,
    in_format,
    matrices,
    show,
)

from penstock.frontend import zoo
from penstock.frontend.zoo.minilm import sentence_embeddings, tokenize

SENTENCES = Path(__file__).parent / "data" / "sentences.txt"
NEAREST = 10
COLUMNS = {
    "format": "",
    "bits": ".3f",
    "cosine": ".5f",
    "min_cosine": ".5f",
    "spearman": ".5f",
    "top1": ".3f",
    "top10": ".3f",
    "paraphrase": ".3f",
    "weight_error": ".5f",
}


@dataclass(frozen=True)
class Sentence:
    """A sentence, the topic it belongs to, and the fact it states, numbered through the file."""

    text: str
    topic: str
    fact: int


def read_sentences(path: Path = SENTENCES) -> list[Sentence]:
    """The sentences of a file: ``[topic]`` headings, lines ``one wording | another``, ``#`` comments."""
    sentences: list[Sentence] = []
    topic, fact = "", 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            topic = line.strip("[]")
        elif line and not line.startswith("#"):
            sentences += [Sentence(text.strip(), topic, fact) for text in line.split("|")]
            fact += 1
    return sentences


def embed(module: nn.Module, inputs: dict[str, torch.Tensor]) -> NDArray[np.float64]:
    """Embeddings of length 1, [sentences, d]."""
    with torch.inference_mode():
        hidden = module(*inputs.values()).double().numpy()
    return sentence_embeddings(hidden, inputs["attention_mask"].numpy())


class Pairs:
    """The similarities of all pairs of sentences, in one model.

    Attributes:
        similarity: cosines, [sentences, sentences]; a sentence is not similar to itself here (−∞).
        nearest: of each sentence the others, the most similar first.
    """

    def __init__(self, embeddings: NDArray[np.float64]) -> None:
        self.similarity = embeddings @ embeddings.T
        np.fill_diagonal(self.similarity, -np.inf)
        self.nearest = np.argsort(-self.similarity, axis=1, kind="stable")[:, :-1]
        self.left, self.right = np.triu_indices(len(embeddings), 1)
        values = self.similarity[self.left, self.right]
        _, self._tie = np.unique(values, return_inverse=True)

    def ranks(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mid-rank of every pair that counts as `weight` pairs, [pairs]."""
        each = np.bincount(self._tie, weight)
        return (np.cumsum(each) - each / 2)[self._tie]

    def kept(self, other: Pairs, count: int) -> NDArray[np.float64]:
        """Which part of its `count` nearest sentences each one shares with another model's, [sentences]."""
        same = [
            len(np.intersect1d(mine, theirs))
            for mine, theirs in zip(self.nearest[:, :count], other.nearest[:, :count], strict=True)
        ]
        return np.array(same) / count


def spearman(first: Pairs, second: Pairs, counts: NDArray[np.float64]) -> float:
    """Rank correlation of all pairs' similarities in two models; a sentence drawn k times counts k times.

    Copies of a sentence make no pair with each other.
    """
    weight = counts[first.left] * counts[first.right]
    x, y = first.ranks(weight), second.ranks(weight)
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    return float((weight * x) @ y / np.sqrt(((weight * x) @ x) * ((weight * y) @ y)))


def measure(
    name: str, exact: NDArray[np.float64], found: NDArray[np.float64], facts: Sequence[int], stored: Stored
) -> tuple[Row, dict[str, Statistic]]:
    """A row of the table, and the two measures as functions of the resample for `compare`."""
    cosine = (exact * found).sum(axis=1)
    before, after = Pairs(exact), Pairs(found)
    number = np.array(facts)
    row: Row = {
        "format": name,
        "bits": stored.bits,
        "cosine": float(cosine.mean()),
        "min_cosine": float(cosine.min()),
        "spearman": spearman(before, after, np.ones(len(exact))),
        "top1": float(after.kept(before, 1).mean()),
        "top10": float(after.kept(before, NEAREST).mean()),
        "paraphrase": float((number[after.nearest[:, 0]] == number).mean()),
        "weight_error": stored.error,
    }
    return row, {
        "mean cosine": lambda counts: float(cosine @ counts / counts.sum()),
        "rank correlation": lambda counts: spearman(before, after, counts),
    }


def evaluate(
    names: Sequence[str],
    sentences: Sequence[Sentence],
    *,
    embeddings: bool,
    resamples: int,
    seed: int,
    model: str = "zoo:minilm-l6",
) -> tuple[list[Row], list[Verdict]]:
    """Rows, of highest mean cosine first, and the verdicts on the claims among the formats."""
    module = zoo.build(model).module
    tokens = tokenize([each.text for each in sentences])
    inputs = {name: torch.from_numpy(tokens[name]) for name in ("input_ids", "attention_mask")}
    facts = [each.fact for each in sentences]
    exact = embed(module, inputs)
    rows = [measure(FLOAT, exact, exact, facts, Stored(32.0, 0.0))[0]]
    statistics: dict[str, dict[str, Statistic]] = {}
    weights = matrices(module, embeddings=embeddings)
    for name in names:
        with in_format(weights, name) as stored:
            row, statistics[name] = measure(name, exact, embed(module, inputs), facts, stored)
        rows.append(row)
    rows.sort(key=lambda row: (-float(row["cosine"]), str(row["format"])))
    counts = draws(len(sentences), resamples, seed)
    verdicts = [
        compare(pair, measured, {name: statistics[name][measured] for name in pair}, counts)
        for measured in ("mean cosine", "rank correlation")
        for pair in claims(names)
    ]
    return rows, verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description="MiniLM's sentence embeddings per weight format")
    parser.add_argument("--formats", default="", help="only these, with commas between")
    parser.add_argument("--embeddings", action="store_true", help="quantize the embedding tables too")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sentences = read_sentences()
    rows, verdicts = evaluate(
        chosen(options.formats),
        sentences,
        embeddings=options.embeddings,
        resamples=options.resamples,
        seed=options.seed,
    )
    facts = {
        "sentences": len(sentences),
        "embeddings_quantized": options.embeddings,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    if options.json:
        print(json.dumps(as_json(rows, verdicts, **facts), indent=2))
    else:
        print(json.dumps(facts))
        show(rows, verdicts, COLUMNS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
