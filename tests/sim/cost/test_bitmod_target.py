"""The accelerators of target files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.ir import targets
from penstock.ir.errors import TargetError
from penstock.sim.cost.bitmod_target import accelerator_of, latency_of


@pytest.mark.parametrize(("name", "side"), [("bitmod-4x4", 4), ("bitmod-small", 8), ("bitmod-16x16", 16)])
def test_shipped_targets_hold_minilms_layers(name: str, side: int) -> None:
    found = accelerator_of(targets.load(name))
    assert (found.array.all_rows, found.array.all_cols, found.array.lanes) == (side, side, 4)
    assert found.array.max_groups * 128 == 1536
    assert found.array.max_tokens == 128
    assert (found.max_burst, found.queue_depth) == (16, 256)
    assert latency_of(targets.load(name)) == 80


def test_buffers_decide_tokens_and_groups() -> None:
    small = targets.load("bitmod-small")

    def with_buffers(**sizes: int) -> targets.Target:
        buffers = [
            replace(each, capacity_bytes=sizes.get(each.name, each.capacity_bytes)) for each in small.buffer
        ]
        return replace(small, buffer=tuple(buffers))

    found = accelerator_of(with_buffers(**{"activation-buffer": 3 * 256 * 23, "weight-buffer": 2 * 136 * 3}))
    assert (found.array.max_groups, found.array.max_tokens) == (3, 16)
    assert accelerator_of(with_buffers(**{"read-queue": 64})).max_burst == 8
    for name, size in (("weight-buffer", 271), ("activation-buffer", 12 * 256 * 8 - 1), ("read-queue", 7)):
        with pytest.raises(TargetError, match="its buffers hold"):
            accelerator_of(with_buffers(**{name: size}))


def test_a_latency_that_is_not_known_is_the_usual_one() -> None:
    small = targets.load("bitmod-small")
    unknown = replace(small, tier=tuple(replace(each, latency_s=None) for each in small.tier))
    assert latency_of(unknown) == 80


@pytest.mark.parametrize("name", ["bitmod-28nm", "cpu", "fusemax-small"])
def test_other_machines_are_refused(name: str) -> None:
    with pytest.raises(TargetError, match="no layer can be emitted"):
        accelerator_of(targets.load(name))
