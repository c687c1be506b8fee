"""Oblivious maps side by side: microseconds an access and seconds to begin, at 2^16, 2^18 and 2^20 keys.

- `bolt`: our software map (sim/bolt/native), batches of half GET, half PUT on a full map, 8-byte values.
- `path-oram`: a Path-ORAM map of our own, same ciphers, trusted position map (sim/bolt/path_oram).
  Both answer the same accesses, and the answers are compared with each other and with a dict.
- `ohashmap`, with --ohashmap PROGRAM: obliviouslabs/oram's OHashMap in a program of one's own that is called
  with log2 of the keys and a number of accesses and prints {"us_per_op": …, "init_s": …}.
- our RTL: cycles an access, one at a time and pipelined, at a stated clock, beside the 4.57 µs that the
  paper's artifact has for a fifth of the bins in HBM; as `bolt_rtl.py` stored them, or anew with --rtl.

Software runs on one thread, and its times are of that core.

Usage: python benchmarks/omap.py [--logs 16 18 20] [--rounds N] [--rtl] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np

from penstock.ir.errors import InputError, PenstockError
from penstock.sim.bolt import BoltConfig, NativeMap, Op, Records
from penstock.sim.bolt.batches import Accesses, Answers
from penstock.sim.bolt.path_oram import PathOram

PUBLISHED_US = 4.57
"""The artifact's mean time of a command, N = 10^6, 8 bytes, 20 % of the bins in HBM."""
STORED = "stored/bolt_rtl.json"
"""What `bolt_rtl.py` last measured."""


@dataclass(frozen=True)
class Row:
    """One map at one size.

    Attributes:
        way: which map.
        log: log2 of the keys it holds.
        us: median microseconds of one core an access.
        init_s: seconds of one core to begin with all keys.
        checked: accesses whose answers were compared.
    """

    way: str
    log: int
    us: float
    init_s: float
    checked: int


Build = Callable[[BoltConfig, Records], Accesses]
WAYS: dict[str, Build] = {
    "bolt": lambda config, records: NativeMap(config, 1, initial=records),
    "path-oram": lambda config, records: PathOram(config, 1, initial=records),
}


def records_of(config: BoltConfig) -> Records:
    draw = np.random.default_rng(1)
    keys = draw.permutation(4 * config.capacity)[: config.capacity].astype(np.uint32)
    return Records(keys, draw.integers(0, 256, (config.capacity, config.value_bytes), np.uint8))


def accesses_of(records: Records, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half GET, half PUT, of keys that are there."""
    draw = np.random.default_rng(seed)
    keys = records.keys[draw.integers(0, len(records.keys), count)]
    values = draw.integers(0, 256, (count, records.values.shape[1]), np.uint8)
    return draw.choice([Op.GET, Op.PUT], count), keys, values


def check(held: dict[int, bytes], given: tuple[np.ndarray, np.ndarray, np.ndarray], answers: Answers) -> None:
    """Compare a batch's answers with a dict's."""
    for at, (op, key) in enumerate(zip(given[0].tolist(), given[1].tolist(), strict=True)):
        wanted = held[key] if op == Op.GET else bytes(answers.values.shape[1])
        if not answers.found[at] or answers.values[at].tobytes() != wanted:
            raise AssertionError(f"access {at} of key {key} is answered wrongly")
        if op == Op.PUT:
            held[key] = given[2][at].tobytes()


def software(log: int, count: int, rounds: int) -> Iterator[Row]:
    """Our maps by turns, on the same accesses."""
    config = BoltConfig(1 << log, value_bytes=8)
    records = records_of(config)
    maps, init, taken, last = {}, {}, {name: [] for name in WAYS}, {}
    for name, build in WAYS.items():
        begin = time.process_time()
        maps[name] = build(config, records)
        init[name] = time.process_time() - begin
    held = {int(key): value.tobytes() for key, value in zip(records.keys, records.values, strict=True)}
    for turn in range(rounds + 1):  # the first is not kept
        given = accesses_of(records, count, turn)
        for name, map_ in maps.items():
            begin = time.process_time()
            last[name] = map_.run(*given)
            taken[name].append(time.process_time() - begin)
        for answers in last.values():
            check(dict(held), given, answers)
        check(held, given, last["bolt"])
    for name in WAYS:
        us = statistics.median(taken[name][1:]) / count * 1e6
        yield Row(name, log, us, init[name], count * (rounds + 1))


def foreign(program: Path, log: int, count: int) -> Row:
    """A peer in a program of its own.

    Raises:
        InputError: it fails, or prints something else.
    """
    try:
        done = subprocess.run([program, str(log), str(count)], capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        return Row("ohashmap", log, float(said["us_per_op"]), float(said["init_s"]), 0)
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError, TypeError) as error:
        accepted = 'a program called with LOG2KEYS ACCESSES that prints {"us_per_op": …, "init_s": …}'
        raise InputError(f"{error}", where=str(program), accepted=accepted) from error


def hardware(anew: bool, accesses: int) -> list[dict[str, Any]]:
    """Rates of our RTL: simulated by `bolt_rtl.py`, or as it last stored them."""
    if anew:
        return list(import_module("bolt_rtl").rate(accesses))
    place = resources.files("penstock.reproduce") / STORED
    return json.loads(place.read_text(encoding="utf-8"))["rate"]


def said(row: dict[str, Any]) -> str:
    us, verdict = row["us_per_access"], "all answers right" if row["ok"] else "WRONG ANSWERS"
    return (
        f"rtl, {row['in_flight']} in flight: {row['cycles_per_access']:.1f} cycles = {us:.3f} us at 250 MHz, "
        f"{row['times_published']:.2f} times the published {PUBLISHED_US} us "
        f"(N {row['capacity']}, alpha {row['alpha']:g}, {verdict})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logs", type=int, nargs="*", default=[16, 18, 20], help="log2 of the keys")
    parser.add_argument("--accesses", type=int, default=100_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ohashmap", type=Path, metavar="PROGRAM")
    parser.add_argument("--rtl", action="store_true", help="simulate the RTL anew")
    parser.add_argument("--rtl-accesses", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []
    try:
        for log in given.logs:
            rows += software(log, given.accesses, given.rounds)
            if given.ohashmap:
                rows.append(foreign(given.ohashmap, log, given.accesses))
            for row in rows if not given.json else ():
                if row.log == log:
                    print(
                        f"2^{log:<3} {row.way:<12} {row.us:7.2f} us/op, init {row.init_s:.2f} s", flush=True
                    )
        rtl = hardware(given.rtl, given.rtl_accesses)
    except PenstockError as error:
        print(error, file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps({"maps": [asdict(row) for row in rows], "rtl": rtl}, indent=1))
    else:
        print("\n".join(map(said, rtl)))
    return 0 if all(row["ok"] for row in rtl) else 1


if __name__ == "__main__":
    sys.exit(main())
