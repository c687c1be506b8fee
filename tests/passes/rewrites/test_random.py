"""Random cascades: whatever is rewritten computes the same, and the search never adds a pass."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.passes.analyse import parse_cascade
from penstock.passes.rewrites import legal_rewrites, search

from .cascades import assert_same, cascades, inputs_of, scans

BUFFER = 1 << 12


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cascades())
def test_every_legal_rewriting_of_a_random_cascade_keeps_its_values(text: str) -> None:
    cascade = parse_cascade(text)
    inputs = inputs_of(cascade)
    for each in legal_rewrites(cascade):
        if not each.condition:
            assert_same(cascade, each.cascade, inputs)


@settings(max_examples=40, deadline=None)
@given(scans(), st.sampled_from([1, 2, 3, 4, 6]))
def test_random_linear_recurrences_keep_their_values_in_chunks(text: str, tile: int) -> None:
    cascade = parse_cascade(text)
    found = [each for each in legal_rewrites(cascade, "t", tile=tile) if each.name == "chunk"]
    assert len(found) == 1
    assert_same(cascade, found[0].cascade, inputs_of(cascade))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cascades(pieces=3))
def test_the_best_of_a_random_cascade_keeps_its_values_and_takes_no_pass_more(text: str) -> None:
    cascade = parse_cascade(text)
    found = search(cascade, buffer_elements=BUFFER)
    inputs = inputs_of(cascade)
    for option in found.options:
        assert_same(cascade, option.cascade, inputs)
    (written,) = [option for option in found.options if not option.rewrites]
    assert found.best.passes <= written.passes
    assert not found.best.lost
    assert all(option.lost for option in found.options[1:])
