"""The oblivious map's long checks, which the test suite has in short.

- `functional`: a million operations on the plain model against a dict, every pattern and share of HBM bins,
  all invariants asserted after each; the native engine in lockstep, its image compared at the end. Then ten
  million on the native engine alone, at 4096 keys.
- `statistics` (T3): a million accesses a pattern at 4096 keys, every test's z-score; variant A must fail.

Usage: python benchmarks/bolt_checks.py [--only functional statistics] [--operations N] [--seed N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np

from penstock.sim.bolt import BoltConfig, BoltMap, Keys, NativeMap, Op, Trace
from penstock.sim.bolt.adversary import (
    LIMIT,
    PATTERNS,
    Finding,
    Load,
    against_uniform,
    failing,
    pattern,
    shape_faults,
    touched_by_access,
    two_sample,
    variant_a,
)
from penstock.sim.bolt.adversary.shape import page_counts
from penstock.sim.bolt.batches import Answers
from penstock.sim.bolt.invariants import check
from penstock.sim.bolt.page import PageCipher

ALPHAS = (0.0, 0.2, 0.5, 1.0)
SMALL, LARGE, BATCH = 64, 4096, 100_000
TENFOLD = 10


def within(load: Load, live: set[int], capacity: int) -> Load:
    """The load with what would exceed the capacity as look-ups; ``live`` follows it."""
    ops = load.ops.copy()
    for at, (op, key) in enumerate(zip(load.ops.tolist(), load.keys.tolist(), strict=True)):
        if op == Op.PUT and key not in live and len(live) == capacity:
            ops[at] = Op.GET
        elif op == Op.PUT:
            live.add(key)
        elif op == Op.DEL:
            live.discard(key)
    return Load(ops, load.keys, load.values)


def expected(load: Load, held: dict[int, bytes], at: int) -> tuple[bool, bytes]:
    """What a dict answers to one operation, which it then does."""
    op, key = int(load.ops[at]), int(load.keys[at])
    zeros = bytes(load.values.shape[1])
    found = op != Op.NOP and key in held
    value = held.get(key, zeros) if op in (Op.GET, Op.DEL) else zeros
    if op == Op.PUT:
        held[key] = load.values[at].tobytes()
    elif op == Op.DEL:
        held.pop(key, None)
    return found, value


def loads(config: BoltConfig, total: int, batch: int, seed: int) -> Iterator[Load]:
    """All keys put, then patterns in turn, until there are as many operations."""
    keys = np.arange(config.capacity, dtype=np.uint32)
    fill = Load(
        np.full(len(keys), Op.PUT, np.uint8), keys, np.full((len(keys), config.value_bytes), 7, np.uint8)
    )
    yield fill
    live = set(keys.tolist())
    names, made, turn = list(PATTERNS), len(fill), 0
    while made < total:
        load = pattern(names[turn % len(names)], config, min(batch, total - made), seed + turn)
        yield within(load, live, config.capacity)
        made, turn = made + len(load), turn + 1


def plainly(alpha: float, operations: int, seed: int) -> None:
    """The plain model, invariants after every operation, the native engine beside it."""
    config, held = BoltConfig(SMALL, value_bytes=4, alpha=alpha), {}
    plain, native = BoltMap(config, seed), NativeMap(config, seed)
    cipher = PageCipher(config, Keys.from_seed(seed).page)
    for load in loads(config, operations, 1000, seed):
        answers = native.run(load.ops, load.keys, load.values)
        for at in range(len(load)):
            op = Op(int(load.ops[at]))
            value = load.values[at].tobytes() if op is Op.PUT else b""
            response = plain.access(op, int(load.keys[at]), value)
            wanted = expected(load, held, at)
            assert (response.found, response.value) == wanted
            assert (bool(answers.found[at]), answers.values[at].tobytes()) == wanted
            check(plain, cipher, held)
    assert plain.memory.data == native.memory.data
    assert plain.counters == native.counters
    print(f"alpha {alpha:g}: {operations} operations, invariants after each; {plain.counters}", flush=True)


def natively(alpha: float, operations: int, seed: int) -> None:
    config, held = BoltConfig(LARGE, value_bytes=8, alpha=alpha), {}
    map_ = NativeMap(config, seed)
    for load in loads(config, operations, BATCH, seed):
        answers: Answers = map_.run(load.ops, load.keys, load.values)
        wanted = [expected(load, held, at) for at in range(len(load))]
        assert answers.found.tolist() == [found for found, _ in wanted]
        assert answers.values.tobytes() == b"".join(value for _, value in wanted)
    print(f"alpha {alpha:g}: {operations} operations on the engine; {map_.counters}", flush=True)


def functional(operations: int, seed: int) -> bool:
    for alpha in ALPHAS:
        plainly(alpha, operations // len(ALPHAS), seed)
    for alpha in ALPHAS:
        natively(alpha, TENFOLD * operations // len(ALPHAS), seed)
    return True


def shown(config: BoltConfig, load: Load, seed: int) -> np.ndarray:
    """Bins each access to a full map shows; their order checked."""
    map_ = NativeMap(config, seed)
    map_.put(np.arange(config.capacity), np.zeros((config.capacity, config.value_bytes), np.uint8))
    map_.memory.trace, first = Trace(), map_.counters.accesses
    map_.run(load.ops, load.keys, load.values)
    trace = map_.memory.trace.array()
    trace["index"] -= first
    assert shape_faults(config, trace[trace["index"] < 10_000]) == []
    return touched_by_access(config, trace, len(load))


def told(name: str, findings: list[Finding]) -> bool:
    wrong = failing(findings)
    worst = max(findings, key=lambda each: abs(each.z))
    print(
        f"{name:<24} {len(findings)} tests, {len(wrong)} beyond {LIMIT}, worst {worst.name}: z {worst.z:.2f}"
    )
    return not wrong


def statistics(accesses: int, seed: int) -> bool:
    config, good = BoltConfig(LARGE), True
    first = None
    for at, name in enumerate(PATTERNS):
        touched = shown(config, pattern(name, config, accesses, seed), seed + at)
        found = [*against_uniform(config, touched), page_counts(config, touched)]
        if first is None:
            first = touched
        else:
            found.append(two_sample(config, first, touched, "against the first pattern"))
        good &= told(name, found)
    for name in ("single", "uniform", "hot", "sweep"):
        leaky = variant_a(config, pattern(name, config, accesses, seed).keys, seed)
        good &= not told(f"variant A, {name}", against_uniform(config, leaky))
    print("the map passes and variant A fails" if good else "NOT AS IT SHOULD BE")
    return good


CHECKS = {"functional": functional, "statistics": statistics}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    good = True
    for name in given.only:
        begin = time.perf_counter()
        good &= CHECKS[name](given.operations, given.seed)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
