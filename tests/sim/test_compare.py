"""Comparison skips nothing: NaN, infinity and zero references count."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.sim.compare import difference, within


def test_equal_arrays_have_no_difference() -> None:
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    found = difference(x, x)
    assert (found.max_abs, found.relative) == (0, 0)
    assert found.cosine == pytest.approx(1)


def test_relative_norm_is_of_the_reference() -> None:
    found = difference(np.array([3.0, 4.5]), np.array([3.0, 4.0]))
    assert found.relative == pytest.approx(0.1)
    assert found.max_abs == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("out", "reference"),
    [([np.nan, 1], [1, 1]), ([1, 1], [np.nan, 1]), ([np.inf, 1], [-np.inf, 1]), ([0, 1], [np.inf, 1])],
)
def test_a_misplaced_nan_or_infinity_is_an_infinite_error(out: list[float], reference: list[float]) -> None:
    assert difference(np.array(out), np.array(reference)).relative == np.inf


def test_nan_where_the_reference_has_nan_agrees() -> None:
    assert difference(np.array([np.nan, 2.0]), np.array([np.nan, 2.0])).relative == 0


def test_zero_reference_wants_zero() -> None:
    assert difference(np.zeros(3), np.zeros(3)).relative == 0
    assert difference(np.ones(3), np.zeros(3)).relative == np.inf


def test_cosine_is_that_of_the_worst_row() -> None:
    found = difference(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert found.cosine == pytest.approx(0)


def test_integers_must_be_equal() -> None:
    reference = np.array([1, 2])
    assert within(reference, reference, difference(reference, reference))
    assert not within(reference + 1, reference, difference(reference + 1, reference))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        difference(np.zeros(2), np.zeros(3))
