"""The peer: a Path ORAM that is a map, keeps its stash small and notices tampering."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.ir.errors import FaultError
from penstock.sim.bolt import BoltConfig, Op, Records
from penstock.sim.bolt.adversary import PATTERNS, pattern
from penstock.sim.bolt.path_oram import PathOram


def full(config: BoltConfig) -> Records:
    values = np.arange(config.capacity * config.value_bytes).astype(np.uint8)
    return Records(np.arange(config.capacity, dtype=np.uint32), values.reshape(config.capacity, -1))


@pytest.mark.parametrize("filled", [False, True])
def test_every_pattern_answers_as_a_dict(filled: bool) -> None:
    config = BoltConfig(512, value_bytes=8)
    records = full(config)
    map_ = PathOram(config, 1, initial=records if filled else None)
    held = {}
    if filled:
        held = {int(key): value.tobytes() for key, value in zip(records.keys, records.values, strict=True)}
    for name in PATTERNS:
        load = pattern(name, config, 400)
        ops = load.ops.copy()
        found, values = [], []
        for at, (op, key) in enumerate(zip(load.ops.tolist(), load.keys.tolist(), strict=True)):
            if op == Op.PUT and key not in held and len(held) == config.capacity:
                op = ops[at] = Op.GET
            found.append(op != Op.NOP and key in held)
            values.append(held.get(key, bytes(8)) if op in (Op.GET, Op.DEL) else bytes(8))
            if op == Op.PUT:
                held[key] = load.values[at].tobytes()
            elif op == Op.DEL:
                held.pop(key, None)
        answers = map_.run(ops, load.keys, load.values)
        assert answers.found.tolist() == found, name
        assert answers.values.tobytes() == b"".join(values), name
    assert map_.most_stashed < 60


def test_a_flipped_bit_on_the_path_stops_it() -> None:
    config = BoltConfig(64, value_bytes=8)
    map_ = PathOram(config, 1, initial=full(config))
    assert map_.access(Op.GET, 5).found
    map_.image[len(map_.image) // 128 : len(map_.image) // 64] ^= 1  # the root
    for _ in range(2):
        with pytest.raises(FaultError, match="tag"):
            map_.access(Op.GET, 5)
