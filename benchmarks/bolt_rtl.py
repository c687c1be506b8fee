"""BOLT's RTL: cycles per access, one at a time and pipelined, beside the published time per command.

The map holds all its keys at the start and serves GETs and PUTs in halves, as the paper's runs do (arXiv
2509.01742, artifact: 4.57 us at 1e6 keys of 8 bytes, 20 % in HBM). Every run compares all answers with a
dict, and host traffic and all pages at the end with the software model; a line that fails says so and the
exit status is 1.
Cycles are of the simulation; times are at a clock of 250 MHz, which no synthesis has confirmed.

    rate      accesses in flight 1, 4, 8 at the paper's V and alpha; host latency 300 cycles each way
    scale     the rate at 16 times as many keys
    lanes     the rate with two pairs of lanes, which open pages while others are sealed
    points    rates over values, HBM's share, latencies: what a cost model is fitted on and held to
    arrivals  with NOPs in empty slots: host traffic is one and the same to the cycle whenever commands come
    patterns  20,000 and more commands, keys by the sheet's adversarial patterns, answers and pages compared

Usage: python benchmarks/bolt_rtl.py [--only NAME] [--accesses N] [--store FILE] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from penstock import bolt_rtl
from penstock.bolt_rtl import Command
from penstock.sim.bolt.config import BoltConfig, Op
from penstock.sim.bolt.keys import Keys
from penstock.sim.bolt.memory import READ, WRITE, Trace
from penstock.sim.bolt.model import BoltMap
from penstock.sim.bolt.start import Records
from penstock.sim.rtl import bolt
from penstock.sim.rtl.bolt import CLOCK_HZ, Hardware, Host
from penstock.sim.rtl.bolt_images import boot_images

PUBLISHED_US = 4.57
CAPACITY = 4096
SEED = 5


def _filled(config: BoltConfig) -> tuple[Records, dict[int, bytes]]:
    draw = np.random.default_rng(SEED)
    keys = draw.choice(1 << 32, config.capacity, replace=False).astype(np.uint32)
    values = draw.integers(0, 256, (config.capacity, config.value_bytes), dtype=np.uint8)
    return Records(keys, values), {int(key): value.tobytes() for key, value in zip(keys, values, strict=True)}


def _halves(config: BoltConfig, keys: list[int], count: int) -> list[Command]:
    draw = random.Random(SEED)
    return [
        (Op.PUT, draw.choice(keys), draw.randbytes(config.value_bytes))
        if draw.random() < 0.5
        else (Op.GET, draw.choice(keys), b"")
        for _ in range(count)
    ]


def _wrong(
    commands: list[Command], done: bolt_rtl.BoltAnswers, held: dict[int, bytes], model: BoltMap
) -> int:
    """Answers that differ from a dict's, and whether traffic and pages differ from the model's."""
    config, wrong = model.config, len(commands) - len(done.answers)
    trace = model.memory.trace = Trace()
    for (op, key, value), answer in zip(commands, done.answers, strict=False):
        old = None if op is Op.NOP else held.get(key)
        told = old if old is not None and op is not Op.PUT else bytes(config.value_bytes)
        wrong += (answer.found, answer.key, answer.value) != (old is not None, key, told)
        if op is Op.PUT:
            held[key] = value
        elif op is Op.DEL:
            held.pop(key, None)
        model.access(op, key, value)
    events = trace.array()
    for here, there in ((bolt.READ, READ), (bolt.WRITE, WRITE)):
        ours = done.run.trace[done.run.trace["kind"] == here]
        theirs = events[events["direction"] == there]
        wrong += not np.array_equal(ours["address"], theirs["address"])
    wrong += done.run.image != bytes(model.memory.data)[config.base : config.base + config.image_bytes]
    return wrong


def _measure(config: BoltConfig, hardware: Hardware, host: Host, count: int) -> dict[str, Any]:
    records, held = _filled(config)
    keys = Keys.from_seed(SEED)
    commands = _halves(config, sorted(held), count)
    boot = boot_images(BoltMap(config, keys=keys, initial=records))
    done = bolt_rtl.run(config, keys, commands, hardware=hardware, host=host, boot=boot)
    wrong = _wrong(commands, done, held, BoltMap(config, keys=keys, initial=records))
    cycles = done.run.cycles_per_access()
    return {
        "capacity": config.capacity,
        "value_bytes": config.value_bytes,
        "alpha": config.alpha,
        "in_flight": hardware.in_flight,
        "deadline": hardware.deadline,
        "read_latency": host.read_latency,
        "write_latency": host.write_latency,
        "accesses": count,
        "cycles_per_access": round(cycles, 2),
        "us_per_access": round(cycles / CLOCK_HZ * 1e6, 4),
        "times_published": round(PUBLISHED_US / (cycles / CLOCK_HZ * 1e6), 2),
        "wait_cycles": done.run.counts["wait_cycles"],
        "fault": done.run.fault,
        "wrong": wrong,
        "ok": wrong == 0 and done.run.fault == 0,
    }


def rate(count: int) -> Iterator[dict[str, Any]]:
    """The paper's sizes, but for the number of keys."""
    config = BoltConfig(capacity=CAPACITY, value_bytes=8)
    for in_flight in (1, 4, 8):
        yield _measure(config, Hardware(in_flight), Host(), count if in_flight > 1 else count // 2)


def scale(count: int) -> Iterator[dict[str, Any]]:
    """More keys: fewer accesses meet in a page, nothing else changes."""
    yield _measure(BoltConfig(capacity=16 * CAPACITY, value_bytes=8), Hardware(8), Host(), count)


def points(count: int) -> Iterator[dict[str, Any]]:
    """What the rate depends on: pages' size, HBM's share, the host's latency, accesses in flight."""
    builds = [(8, 0.0, 8), (8, 0.2, 1), (8, 0.2, 8), (8, 0.5, 8), (16, 0.2, 1), (16, 0.2, 8), (64, 0.2, 8)]
    for value_bytes, alpha, in_flight in builds:
        config = BoltConfig(capacity=CAPACITY, value_bytes=value_bytes, alpha=alpha)
        for latency in (100, 300, 600):
            yield _measure(config, Hardware(in_flight), Host(latency, latency), count // 4)


def lanes(count: int) -> Iterator[dict[str, Any]]:
    """With a second pair of lanes: what `rate` and `points` have with one."""
    for value_bytes, latency in ((8, 300), (16, 100), (16, 300), (16, 600), (64, 300)):
        config, host = BoltConfig(capacity=CAPACITY, value_bytes=value_bytes), Host(latency, latency)
        yield {"lane_pairs": 2, **_measure(config, Hardware(8, lane_pairs=2), host, count // 4)}


def arrivals(count: int) -> Iterator[dict[str, Any]]:
    """None, streaming, with gaps: what is sent is seen, what the host's memory is asked for is the same."""
    config, hardware, first = BoltConfig(capacity=256), Hardware(fill_nop=True), None
    absent: list[Command] = [(Op.GET, key, b"") for key in range(count)]
    for name, commands, gap in (
        ("none", [], 0),
        ("streaming", absent, 0),
        ("gaps", absent[: count // 3], 777),
        ("long gaps", absent[: count // 6], 1500),
    ):
        host = Host(gap=gap, cycles=4000 + 600 * count)
        done = bolt_rtl.run(config, Keys.from_seed(SEED), commands, hardware=hardware, host=host)
        first = done.run.host_trace if first is None else first
        same = np.array_equal(done.run.host_trace, first)
        ok = bool(same and done.run.fault == 0 and len(done.answers) == len(commands))
        yield {"commands": name, "answered": len(done.answers), "pages": len(done.run.host_trace), "ok": ok}


def _keys_by_pattern(draw: random.Random, count: int) -> Iterator[tuple[str, list[int]]]:
    small = CAPACITY // 16
    yield "single key", [7] * count
    yield "two keys in turn", [n % 2 for n in range(count)]
    yield "round robin", [n % small for n in range(count)]
    yield "backward sweep", [small - 1 - n % small for n in range(count)]
    yield (
        "hot 1 %",
        [draw.randrange(3) if draw.random() < 0.9 else draw.randrange(small) for _ in range(count)],
    )
    yield "stride", [n * 2654435761 % (1 << 32) % small for n in range(count)]
    yield "absent", [1 << 31 | draw.randrange(1 << 31) for _ in range(count)]
    yield "uniform", [draw.randrange(small) for _ in range(count)]


def patterns(count: int) -> Iterator[dict[str, Any]]:
    """All operations, keys by pattern, on one map that lives through all of them."""
    config = BoltConfig(capacity=CAPACITY // 4, value_bytes=8)
    draw = random.Random(SEED)
    commands: list[Command] = []
    for _, keys in _keys_by_pattern(draw, count // 8):
        for key in keys:
            op = draw.choice([Op.GET, Op.GET, Op.PUT, Op.PUT, Op.DEL, Op.NOP])
            commands.append((op, key, draw.randbytes(config.value_bytes) if op is Op.PUT else b""))
    keys = Keys.from_seed(SEED)
    done = bolt_rtl.run(config, keys, commands, hardware=Hardware(8), host=Host(stall=5))
    wrong = _wrong(commands, done, {}, BoltMap(config, keys=keys))
    yield {
        "commands": len(commands),
        "patterns": [name for name, _ in _keys_by_pattern(draw, 1)],
        "cycles_per_access": round(done.run.cycles_per_access(), 2),
        "stash_used": done.run.counts["stash_used"],
        "fault": done.run.fault,
        "wrong": wrong,
        "ok": wrong == 0 and done.run.fault == 0,
    }


PARTS: dict[str, tuple[Callable[[int], Iterator[dict[str, Any]]], int]] = {
    "rate": (rate, 2000),
    "scale": (scale, 2000),
    "lanes": (lanes, 2000),
    "points": (points, 2000),
    "arrivals": (arrivals, 60),
    "patterns": (patterns, 24000),
}


def main() -> int:
    """Print lines of all parts, or of one; store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--accesses", type=int, help="in each run")
    parser.add_argument("--store", type=Path, help="a JSON file of all lines by part; other parts in it stay")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    stored = json.loads(chosen.store.read_text()) if chosen.store and chosen.store.exists() else {}
    ok = True
    for name, (part, usual) in PARTS.items():
        if chosen.only in (None, name):
            stored[name] = []
            for line in part(chosen.accesses or usual):
                stored[name].append(line)
                ok &= line["ok"]
                text = json.dumps(line) if chosen.json else "  ".join(f"{k} {v}" for k, v in line.items())
                print(text if chosen.json else f"{name}: {text}", flush=True)
    if chosen.store:
        chosen.store.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
