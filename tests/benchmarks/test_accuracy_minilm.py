"""The MiniLM accuracy benchmark: its sentences, its measures, and a run on a few of them."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import numpy as np
import pytest


def test_the_sentences_are_topics_of_facts_in_two_wordings(accuracy_minilm: ModuleType) -> None:
    sentences = accuracy_minilm.read_sentences()
    assert len(sentences) == len({each.text for each in sentences}) == 240
    assert set(Counter(each.fact for each in sentences).values()) == {2}
    assert set(Counter(each.topic for each in sentences).values()) == {20}
    assert all(each.text.endswith(".") and 3 <= len(each.text.split()) <= 25 for each in sentences)


def test_rank_correlation_of_known_orders(accuracy_minilm: ModuleType) -> None:
    points = np.random.default_rng(0).normal(size=(12, 5))
    exact = accuracy_minilm.Pairs(points / np.linalg.norm(points, axis=1, keepdims=True))
    once = np.ones(12)
    assert accuracy_minilm.spearman(exact, exact, once) == pytest.approx(1)
    other = accuracy_minilm.Pairs(np.roll(points, 1, axis=0))
    ranks = [np.argsort(np.argsort(each.similarity[each.left, each.right])) for each in (exact, other)]
    wanted = np.asarray(np.corrcoef(ranks))[0, 1]
    assert accuracy_minilm.spearman(exact, other, once) == pytest.approx(wanted)


def test_a_sentence_drawn_twice_counts_as_two_sentences(accuracy_minilm: ModuleType) -> None:
    """Weights give what copies would, ties at their mean rank; a copy makes no pair with itself."""
    generator = np.random.default_rng(1)
    both = generator.normal(size=(2, 9, 4))
    counts = np.array([2, 0, 1, 1, 3, 0, 1, 1, 0], dtype=float)
    drawn = np.repeat(np.arange(9), counts.astype(int))
    left, right = np.triu_indices(len(drawn), 1)
    real = drawn[left] != drawn[right]
    left, right = drawn[left][real], drawn[right][real]
    ranks = []
    for points in both:
        values = (points @ points.T)[left, right]
        ranks.append([(values < each).sum() + (values == each).sum() / 2 for each in values])
    pairs = [accuracy_minilm.Pairs(points) for points in both]
    assert accuracy_minilm.spearman(*pairs, counts) == pytest.approx(np.asarray(np.corrcoef(ranks))[0, 1])


def test_neighbours_kept(accuracy_minilm: ModuleType) -> None:
    angles = np.array([0.0, 0.1, 0.3, 0.7])
    line = accuracy_minilm.Pairs(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    moved = angles[[0, 3, 2, 1]]
    other = accuracy_minilm.Pairs(np.stack([np.cos(moved), np.sin(moved)], axis=1))
    assert line.nearest[0].tolist() == [1, 2, 3]
    assert line.kept(line, 2).tolist() == [1, 1, 1, 1]
    assert other.kept(line, 1).tolist() == [0, 0, 0, 0]
    assert other.kept(line, 2).tolist() == [0.5, 0.5, 0.5, 0.5]


def test_a_run_on_a_few_sentences(accuracy_minilm: ModuleType) -> None:
    rows, verdicts = accuracy_minilm.evaluate(
        ["bitmod3", "int3-asym"],
        accuracy_minilm.read_sentences()[:24],
        embeddings=False,
        resamples=5,
        seed=0,
        model="zoo:minilm-l6,layers=1",
    )
    assert rows[0]["format"] == "float32"
    assert [rows[0][column] for column in ("cosine", "spearman", "top10")] == [pytest.approx(1)] * 3
    assert {row["format"]: row["bits"] for row in rows[1:]} == {"bitmod3": 3.078125, "int3-asym": 3.0859375}
    assert all(0.5 < row["cosine"] < 1 and 0 < row["spearman"] < 1 for row in rows[1:])
    assert [(each.better, each.worse) for each in verdicts] == [("bitmod3", "int3-asym")] * 2
