"""A simulated map asked in batches: one simulation where the keys were foreseen, else one more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

from penstock.sim.bolt import BoltConfig
from penstock.sim.rtl.bolt import Host
from penstock.sim.rtl.bolt_map import MapDesign, RtlMap


@dataclass
class Card:
    """A design of which only the sizes are needed."""

    config: BoltConfig


def answer(key: int) -> list[int]:
    return [key, 2 * key % 251, 3 * key % 251, 4]


@pytest.mark.parametrize(
    ("foreseen", "simulated"),
    [
        ([5, 6, 7, 5, 200], [[5, 6, 7, 5, 200]]),
        ([], [[5, 6], [5, 6, 7], [5, 6, 7, 5, 200]]),
        ([5, 6, 8, 8], [[5, 6, 8, 8], [5, 6, 7], [5, 6, 7, 5, 200]]),
        ([1], [[5, 6], [5, 6, 7], [5, 6, 7, 5, 200]]),
        ([5, 6, 7], [[5, 6, 7], [5, 6, 7, 5, 200]]),
    ],
)
def test_batches_are_answered_alike_by_as_few_simulations_as_were_foreseen(
    foreseen: list[int], simulated: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[list[int]] = []

    def simulate(self: Any, keys: list[int]) -> None:
        runs.append(keys)
        self._simulated = keys
        self._found = np.array([key < 100 for key in keys])
        self.values = np.array([answer(key) for key in keys], np.uint8)

    monkeypatch.setattr(RtlMap, "_simulate", simulate)
    map_ = RtlMap(cast(MapDesign, Card(BoltConfig(64, value_bytes=4))), Host(), foreseen=foreseen)
    for batch in ([5, 6], [7], [5, 200]):
        answers = map_.get(np.array(batch, np.uint32))
        assert answers.found.tolist() == [key < 100 for key in batch]
        assert answers.values.tolist() == [answer(key) for key in batch]
    assert map_.asked == [5, 6, 7, 5, 200]
    assert runs == simulated
