"""Transient tensors' places: apart while both live, and never where something else belongs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock
from penstock.backends.torch_train.arena import Request, first_fit
from penstock.backends.torch_train.slab import slab
from penstock.training import _placed

LIVES = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8), st.integers(0, 5)), min_size=0, max_size=14)


def requests_of(lives: list[tuple[int, int, int]]) -> list[Request]:
    return [Request(at, low, low + long, size * 256) for at, (low, long, size) in enumerate(lives)]


@settings(deadline=None, max_examples=50)
@given(LIVES)
def test_places_are_apart_while_both_live(lives: list[tuple[int, int, int]]) -> None:
    wanted = requests_of(lives)
    for planner in (first_fit, _placed):
        offsets, peak = planner(wanted)
        placed = list(zip(wanted, offsets, strict=True))
        for (one, low), (other, high) in combinations(placed, 2):
            if one.start < other.end and other.start < one.end and one.bytes and other.bytes:
                assert low + one.bytes <= high or high + other.bytes <= low
        assert all(offset % 256 == 0 and offset + each.bytes <= peak for each, offset in placed)
        busiest = max((sum(e.bytes for e in wanted if e.start <= at < e.end) for at in range(30)), default=0)
        assert peak >= busiest


def test_a_slab_is_all_there_in_memory_and_in_a_file(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        memory = slab(1 << 16, torch.device("cpu"), folder)
        memory.copy_(torch.arange(1 << 16) % 251)
        assert int(memory[65535]) == 65535 % 251
        assert slab(0, torch.device("cpu"), folder).numel() == 0
    assert list(tmp_path.iterdir()) == [], "the file has no name that outlives its process"


def test_a_slab_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(penstock.PenstockError, match="cannot be had"):
        slab(16, torch.device("cpu"), tmp_path / "missing")
    with pytest.raises(penstock.PenstockError, match="cannot be had"):
        slab(1 << 60, torch.device("cpu"), None)
