"""Oblivious maps side by side: microseconds an access and seconds to begin, at 2^16, 2^18 and 2^20 keys.

- `bolt`: our software map (sim/bolt/native), batches of half GET, half PUT on a full map, 8-byte values.
- `path-oram`: a Path-ORAM map of our own, same ciphers, trusted position map (sim/bolt/path_oram).
  Both answer the same accesses, and the answers are compared with each other and with a dict.
- `ohashmap`, with --ohashmap PROGRAM: obliviouslabs/oram's OHashMap in a program of one's own that is called
  with log2 of the keys and a number of accesses and prints {"us_per_op": …, "init_s": …}.
- with --rtl: cycles an access on our RTL (4096 keys), one at a time and pipelined, at a stated clock, beside
  the 4.57 µs that the paper's artifact has for a fifth of the bins in HBM.

Software runs on one thread. Usage: python benchmarks/omap.py [--logs 16 18 20] [--rounds N] [--rtl] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from penstock.ir.errors import InputError, PenstockError, ToolMissing
from penstock.sim.bolt import BoltConfig, Keys, NativeMap, Op, Records
from penstock.sim.bolt.batches import Accesses, Answers
from penstock.sim.bolt.path_oram import PathOram

PUBLISHED_US = 4.57
"""The artifact's mean time of a command, N = 10^6, 8 bytes, 20 % of the bins in HBM."""
TARGET_TIMES = 4.0
LATENCY_CYCLES = 300
"""Of host memory, reads and writes alike: 1.2 µs at the clock."""


@dataclass(frozen=True)
class Row:
    """One map at one size.

    Attributes:
        way: which map.
        log: log2 of the keys it holds.
        us: median microseconds an access.
        init_s: to begin with all keys.
        checked: accesses whose answers were compared.
    """

    way: str
    log: int
    us: float
    init_s: float
    checked: int


@dataclass(frozen=True)
class RtlRow:
    """Our RTL.

    Attributes:
        way: accesses at a time.
        alpha: share of bins in HBM.
        accesses: simulated, all answers compared.
        cycles: an access, from answer to answer.
        us: at the clock.
        times: how many of them go into the published time.
    """

    way: str
    alpha: float
    accesses: int
    cycles: float
    us: float
    times: float


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
        begin = time.perf_counter()
        maps[name] = build(config, records)
        init[name] = time.perf_counter() - begin
    held = {int(key): value.tobytes() for key, value in zip(records.keys, records.values, strict=True)}
    for turn in range(rounds + 1):  # the first is not kept
        given = accesses_of(records, count, turn)
        for name, map_ in maps.items():
            begin = time.perf_counter()
            last[name] = map_.run(*given)
            taken[name].append(time.perf_counter() - begin)
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


def hardware(accesses: int, alphas: Sequence[float], in_flight: Sequence[int]) -> Iterator[RtlRow]:
    """Our RTL, each answer compared with the model's."""
    from penstock import bolt_rtl
    from penstock.sim.rtl.bolt import CLOCK_HZ, Hardware, Host

    for alpha in alphas:
        config = BoltConfig(4096, value_bytes=8, alpha=alpha)
        draw = np.random.default_rng(1)
        commands = [
            (Op(int(op)), int(key), draw.bytes(8) if op == Op.PUT else b"")
            for op, key in zip(draw.integers(1, 3, accesses), draw.integers(0, 512, accesses), strict=True)
        ]
        model = NativeMap(config, keys=Keys.from_seed(1))
        wanted = [model.access(*command) for command in commands]
        for number in in_flight:
            host = Host(read_latency=LATENCY_CYCLES, write_latency=LATENCY_CYCLES)
            done = bolt_rtl.run(
                config, Keys.from_seed(1), commands, hardware=Hardware(in_flight=number), host=host
            )
            if list(done.answers) != wanted:
                raise AssertionError("the RTL answers otherwise than the model")
            cycles = done.run.cycles_per_access()
            us = cycles / CLOCK_HZ * 1e6
            yield RtlRow(f"rtl, {number} in flight", alpha, accesses, cycles, us, PUBLISHED_US / us)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logs", type=int, nargs="*", default=[16, 18, 20], help="log2 of the keys")
    parser.add_argument("--accesses", type=int, default=100_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ohashmap", type=Path, metavar="PROGRAM")
    parser.add_argument("--rtl", action="store_true", help="simulate the RTL too")
    parser.add_argument("--rtl-accesses", type=int, default=400)
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.2])
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []
    rtl: list[RtlRow] = []
    try:
        for log in given.logs:
            rows += software(log, given.accesses, given.rounds)
            if given.ohashmap:
                rows.append(foreign(given.ohashmap, log, given.accesses))
            for row in rows if not given.json else ():
                if row.log == log:
                    print(
                        f"2^{log:<3} {row.way:<12} {row.us:7.2f} us/op   init {row.init_s:6.2f} s", flush=True
                    )
        if given.rtl:
            for each in hardware(given.rtl_accesses, given.alphas, given.in_flight):
                rtl.append(each)
                if not given.json:
                    print(
                        f"alpha {each.alpha:g} {each.way:<16} {each.cycles:7.1f} cycles = {each.us:.3f} us, "
                        f"{each.times:.2f} times the published {PUBLISHED_US} us",
                        flush=True,
                    )
    except ToolMissing as error:
        print(f"left out: {error}", file=sys.stderr)
    except PenstockError as error:
        print(error, file=sys.stderr)
        return 2
    if given.json:
        print(
            json.dumps({"maps": [asdict(row) for row in rows], "rtl": [asdict(row) for row in rtl]}, indent=1)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
