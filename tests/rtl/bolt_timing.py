"""T4 on the RTL: accesses one at a time, how long each took, and what of it no host may know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bolt_device import Device

from penstock.bolt_rtl import Command
from penstock.sim.bolt.adversary import Finding, hidden_effects
from penstock.sim.bolt.config import Op
from penstock.sim.bolt.model import BoltMap
from penstock.sim.bolt.position_map import State
from penstock.sim.rtl.bolt import COMMAND, READ, RESPONSE, Host

ALONE = 3000
"""Cycles from a command to the next, so that nothing else is under way."""
QUICK = 20
"""Cycles of a host's read where the card's own time is to show."""


def alone(device: Device, commands: Sequence[Command], latency: int = QUICK) -> list[list[tuple[int, int]]]:
    """Kind and cycle of an access's events, access by access; the first, which waits for keys, left out."""
    run = device.run(commands, Host(gap=ALONE, read_latency=latency)).run
    assert run.fault == 0, f"fault {run.fault}"
    out: list[list[tuple[int, int]]] = []
    for cycle, kind in zip(run.trace["cycle"].tolist(), run.trace["kind"].tolist(), strict=True):
        if kind == COMMAND:
            out.append([])
        out[-1].append((kind, cycle))
    assert all(each[-1][0] == RESPONSE for each in out), "an access was not over before the next"
    return out[1:]


def hidden(device: Device, commands: Sequence[Command]) -> dict[str, np.ndarray]:
    """What the model knows of each access and a host must not."""
    model = BoltMap(device.config, keys=device.keys)
    rows = []
    for op, key, value in commands:
        before = model.positions.lookup(key) if op is not Op.NOP else None
        state = before.state if before else None
        queued = model.frames.queued
        model.access(op, key, value)
        after = model.positions.lookup(key)
        joined = op in (Op.PUT, Op.GET) and after is not None and after.state is State.PENDING
        flushed = queued + joined - model.frames.queued
        rows.append((before is not None, state is State.HBM, op is Op.PUT, flushed))
    hit, in_hbm, put, flushed = np.array(rows[1:], int).T
    return {"hit": hit, "in HBM": in_hbm, "PUT": put, "blocks flushed": flushed}


def effects(device: Device, commands: Sequence[Command]) -> list[Finding]:
    """How an access's time depends on what is hidden, given the pages that are visible."""
    times = alone(device, commands)
    latency = np.array([each[-1][1] - each[0][1] for each in times])
    pages = np.array([sum(kind == READ for kind, _ in each) for each in times])
    return hidden_effects(latency, pages, hidden(device, commands))


def spread(device: Device, commands: Sequence[Command]) -> list[int]:
    """How many times there are of accesses with 0, 1 and 2 visible pages: one each where nothing shows."""
    times = [
        (sum(kind == READ for kind, _ in each), each[-1][1] - each[0][1]) for each in alone(device, commands)
    ]
    return [len({took for pages, took in times if pages == count}) for count in range(3)]
