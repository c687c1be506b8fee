"""Barriers: only where a step needs what an unfinished one writes, or overwrites what it uses."""

from __future__ import annotations

import pytest

from penstock.backends.cpu.hazards import Hazards, Span

A: Span = ("frame", 0, 64)
B: Span = ("frame", 64, 128)
BOTH: Span = ("frame", 32, 96)
OTHER: Span = ("result0", 0, 64)


@pytest.mark.parametrize(
    ("reads", "writes", "waits"),
    [
        ({A}, {OTHER}, False),  # reads what is only read
        ({B}, {OTHER}, True),  # reads what is being written
        (set(), {A}, True),  # overwrites what is being read
        (set(), {BOTH}, True),  # overwrites part of both
        (set(), {B}, True),  # both write
        (set(), {OTHER}, False),
    ],
)
def test_a_step_waits_exactly_when_bytes_conflict(reads: set[Span], writes: set[Span], waits: bool) -> None:
    hazards = Hazards()
    assert not hazards.clash(reads, writes)
    hazards.begin({A}, {B})
    assert hazards.pending
    assert hazards.clash(reads, writes) == waits
    hazards.clear()
    assert not hazards.pending
    assert not hazards.clash(reads, writes)
