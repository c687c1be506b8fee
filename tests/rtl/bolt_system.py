"""BOLT's RTL as a whole: more than 20 000 accesses, and what an adversary learns of them (T1 to T4).

    python tests/rtl/bolt_system.py -o docs/rtl/bolt_system.md

Accesses of every pattern are held to a dict and to the software model: answers, host traffic, pages at the
end, frames and stash. T1: with chosen bins, all patterns give one trace, to the cycle, whatever HBM's
latencies. T2: an access's pages, spacing and number. T3: statistics of the bins it shows, in long runs too,
and variant A, which must fail them in as many accesses. T4: an access's time against what is hidden, and a
design whose flush ends early, which must fail T1 and T4. Then every attack.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bolt_attacks import trials, wrong
from bolt_device import Device, Modelled, colliding, commands_of, coupled, crowded, differences, early_exit
from bolt_timing import alone, effects, spread

from penstock.bolt_rtl import Command
from penstock.ir.errors import PenstockError
from penstock.sim.bolt import memory
from penstock.sim.bolt.adversary import (
    LIMIT,
    PATTERNS,
    Load,
    against_uniform,
    failing,
    first_difference,
    pattern,
    touched_by_access,
    two_sample,
    variant_a,
)
from penstock.sim.bolt.adversary.shape import page_counts
from penstock.sim.bolt.config import BoltConfig, Op
from penstock.sim.rtl.bolt import COMMAND, READ, RESPONSE, WRITE, BoltRun, Hardware, Host

ALL_HOST = Device(BoltConfig(capacity=256, alpha=0.0), Hardware(in_flight=1))
LONG = ("single", "hot", "uniform")
"""Patterns of long runs."""
CONTROLS = ("single", "hot")
"""Those that variant A must betray in as many accesses."""


@dataclass(frozen=True)
class Devices:
    """The map at two sizes.

    Attributes:
        large: of the sheer number of accesses.
        small: of attacks and times.
    """

    large: Device
    small: Device

    @classmethod
    def of(cls, in_flight: int, lane_pairs: int) -> Devices:
        """Both with so many pairs of lanes; so many accesses at a time in the large one."""
        return cls(
            Device(BoltConfig(), Hardware(in_flight, lane_pairs=lane_pairs)),
            Device(BoltConfig(capacity=256), Hardware(4, lane_pairs=lane_pairs, host_timeout=4000)),
        )


@dataclass(frozen=True)
class Result:
    """One line of the report.

    Attributes:
        name: what was asked.
        said: figures.
        wrong: what is not as it must be; nothing if all is well.
    """

    name: str
    said: str
    wrong: Sequence[str] = ()


def primed(load: Load) -> list[Command]:
    """A pattern's commands where each key's first GET is a PUT."""
    seen: set[int] = set()
    out: list[Command] = []
    for number, (op, key, value) in enumerate(commands_of(load)):
        if op is Op.GET and key not in seen:
            op, value = Op.PUT, load.values[number].tobytes()
        seen.add(key)
        out.append((op, key, value))
    return out


def sequences(device: Device, length: int, seed: int) -> dict[str, list[Command]]:
    """Every pattern, as many accesses each."""
    loads = {name: pattern(name, device.config, length, seed) for name in PATTERNS}
    found = {name: primed(load) for name, load in loads.items() if name != "absent"}
    found["absent"] = commands_of(loads["absent"])
    found["colliding"] = colliding(device.config, device.keys, length, seed)
    return found


def functional(device: Device, length: int) -> list[Result]:
    """All patterns with the map's own random bins, and a crowd that needs the stash."""
    results = []
    touched = {}
    for number, (name, commands) in enumerate(sequences(device, length, 11).items()):
        mine = replace(device, keys=type(device.keys).from_seed(100 + number))
        if name == "colliding":
            mine = device  # its keys were chosen for these secrets
        host = Host(hbm_seed=number + 1, stall=(0, 5, 9)[number % 3])
        done, told = mine.run(commands, host), mine.modelled(commands)
        bad = differences(mine, commands, done, told)
        rate = done.run.cycles_per_access()
        results.append(Result(f"{name}, {len(commands)} accesses", f"{rate:.1f} cycles an access", bad))
        if not bad:
            touched[name] = shown(mine, done.run, told, len(commands))
    commands, tape = crowded(device.config, 300, 12)
    done, told = device.run(commands, None, tape), device.modelled(commands, tape)
    said = f"{told.model.counters.max_stash} places of the stash at most"
    results.append(Result("crowded, 300 accesses", said, differences(device, commands, done, told)))
    return [*results, *([statistics(device, touched)] if touched else [])]


def shown(device: Device, run: BoltRun, told: Modelled, count: int) -> np.ndarray:
    """Host bins ``[n, 2]`` of each access in the RTL's trace; which access a read is of, the model says."""
    trace = told.trace.copy()
    reads = run.trace[run.trace["kind"] == READ]
    trace["address"][trace["direction"] == memory.READ] = reads["address"]
    return touched_by_access(device.config, trace, count)


def statistics(device: Device, touched: dict[str, np.ndarray]) -> Result:
    """T3: each pattern against chance, all against the first."""
    findings = {name: against_uniform(device.config, each) for name, each in touched.items()}
    first = next(iter(touched))
    for name in list(touched)[1:]:
        findings[name].append(two_sample(device.config, touched[first], touched[name], f"{first}, {name}"))
    everything = [each for group in findings.values() for each in group]
    worst = max(everything, key=lambda each: abs(each.z))
    bad = [f"{name}: {each.name} {each.z:.1f}" for name, group in findings.items() for each in failing(group)]
    count = sum(len(each) for each in touched.values())
    said = f"{len(everything)} tests, the largest |z| {abs(worst.z):.2f} ({worst.name}), limit {LIMIT}"
    return Result(f"T3: bins shown in {count} accesses of the RTL", said, bad)


def long_runs(device: Device, length: int) -> list[Result]:
    """Runs of many accesses each, and T3 on them; variant A with the same keys, which must fail."""
    results, touched, held = [], {}, {}
    for number, name in enumerate(LONG):
        load = pattern(name, device.config, length, 71 + number)
        mine = replace(device, keys=type(device.keys).from_seed(300 + number))
        commands = primed(load)
        done, told = mine.run(commands, Host(hbm_seed=number + 1)), mine.modelled(commands)
        bad = differences(mine, commands, done, told)
        rate = done.run.cycles_per_access()
        results.append(Result(f"{name}, {length} accesses in one run", f"{rate:.1f} cycles an access", bad))
        if not bad:
            touched[name] = shown(mine, done.run, told, length)
        held[name] = load.keys
    if touched:
        results.append(statistics(device, touched))
    for name in CONTROLS:
        leaks = failing(against_uniform(device.config, variant_a(device.config, held[name], 5)))
        most = max((abs(leak.z) for leak in leaks), default=0.0)
        passes = [] if leaks else ["variant A passes"]
        said = f"{len(leaks)} tests fail, |z| up to {most:.1f}"
        results.append(Result(f"T3: variant A (model), {name}, the same {length} accesses", said, passes))
    return results


def coupling(device: Device, length: int) -> list[Result]:
    """T1: every pattern on one tape, each with another seed of HBM."""
    todo = sequences(device, length, 21)
    runs = {
        name: device.run(commands, Host(hbm_seed=500 + number), coupled(device.config, commands, 5)).run
        for number, (name, commands) in enumerate(todo.items())
    }
    first = next(iter(runs.values()))
    bad = []
    for name, run in runs.items():
        if (apart := first_difference(first.trace, run.trace)) or run.fault:
            bad.append(f"{name}: {apart or run.fault}")
    said = f"{len(runs)} sequences, {len(first.trace)} events each, alike in cycle, kind, address and length"
    return [Result(f"T1: {length} accesses of each pattern", said if not bad else "traces differ", bad)]


def shape(device: Device, length: int) -> list[Result]:
    """T2: alpha 0, one at a time: R R W W at constant distances. Alpha 0.2: the number of pages by chance."""
    commands = primed(pattern("mixed", ALL_HOST.config, length, 31))
    times = alone(ALL_HOST, commands, 300)
    forms = {tuple(kind for kind, _ in each) for each in times}
    distances = {tuple(np.diff([cycle for _, cycle in each]).tolist()) for each in times}
    bad = []
    if forms != {(COMMAND, READ, READ, WRITE, WRITE, RESPONSE)}:
        bad.append(f"forms {forms}")
    if len(distances) != 1:
        bad.append(f"{len(distances)} spacings")
    at = np.cumsum((0, *next(iter(distances)))).tolist()
    said = f"command, R, R, W, W, response in cycles {at}, all alike"
    results = [Result(f"T2: alpha 0, {length} accesses, one at a time", said, bad)]
    many = 20 * length
    told = device.modelled(primed(pattern("mixed", device.config, many, 32)))
    finding = page_counts(device.config, touched_by_access(device.config, told.trace, many))
    leak = [f"z {finding.z:.1f}"] if finding.leaks else []
    results.append(Result("T2: alpha 0.2, pages an access, by chance", f"z {finding.z:.2f}", leak))
    return results


def timing(small: Device, length: int) -> list[Result]:
    """T4 on the design and on the one that ends its flush early; T1 on that one."""
    results = []
    early = replace(small, design=early_exit())
    commands = primed(pattern("overwrite", small.config, length // 2, 41))
    commands += primed(pattern("single", small.config, length - length // 2, 42))
    for name, device, leaks in (("the design", small, False), ("flush that ends early", early, True)):
        findings = effects(device, commands)
        said = ", ".join(f"{each.name} t {each.z:.1f}" for each in findings)
        said += f"; times with 0, 1, 2 pages: {spread(device, commands)}"
        bad = [] if bool(failing(findings)) == leaks else ["T4 fails" if not leaks else "T4 notices nothing"]
        results.append(Result(f"T4: {name}, {length} accesses, one at a time", said, bad))
    (told,) = coupling(early, 60)
    noticed = [] if told.wrong else ["T1 notices nothing"]
    results.append(Result("T1: flush that ends early", f"{len(told.wrong)} patterns differ", noticed))
    return results


def attacks(device: Device) -> list[Result]:
    """Every attack."""
    return [
        Result(f"attack: {name}", f"FAULT {trial.code} before access {trial.first}", wrong(device, trial))
        for name, trial in trials(device).items()
    ]


PARTS: dict[str, Callable[[Devices, int], list[Result]]] = {
    "attacks": lambda devices, length: attacks(devices.small),
    "timing": lambda devices, length: timing(devices.small, min(length, 300)),
    "shape": lambda devices, length: shape(devices.large, min(length, 200)),
    "coupling": lambda devices, length: coupling(devices.large, min(length, 500)),
    "accesses": lambda devices, length: functional(devices.large, length),
    "long": lambda devices, length: long_runs(devices.large, 14 * length),
}
"""By name, with the accesses of each pattern."""


def report(devices: Devices, results: Sequence[Result], command: str, seconds: float) -> str:
    """The page docs/rtl/bolt_system.md."""
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    lines = ["# BOLT's RTL as a whole", "", f"Made by `{command}` in {seconds:.0f} s.", "", about, ""]
    large, small = devices.large, devices.small
    lines.append(
        f"N = {large.config.capacity}, V = {large.config.value_bytes}, alpha 0.2, {large.hardware.in_flight} "
        f"accesses in flight, pairs of lanes: {large.hardware.lane_pairs}, host reads of 300 cycles; attacks "
        f"and T4 at N = {small.config.capacity} (T4 with reads of 20 cycles)."
    )
    lines += ["", "| what | figures | as it must be |", "|---|---|---|"]
    for each in results:
        lines.append(f"| {each.name} | {each.said} | {'yes' if not each.wrong else '; '.join(each.wrong)} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where all is as it must be, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--length", type=int, default=1500, help="accesses of each pattern (default 1500)")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this; may be repeated")
    parser.add_argument("-o", metavar="FILE", type=Path, help="write the report, Markdown")
    parser.add_argument("--in-flight", type=int, default=4, help="accesses at a time (default 4)")
    parser.add_argument("--lane-pairs", type=int, default=1, choices=(1, 2), help="default 1")
    options = parser.parse_args(arguments)
    devices = Devices.of(options.in_flight, options.lane_pairs)
    began, results = time.monotonic(), []
    for name in options.only or PARTS:
        try:
            found = PARTS[name](devices, options.length)
        except PenstockError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            return 2
        for each in found:
            print(f"{'ok  ' if not each.wrong else 'FAIL'} {each.name}: {each.said} {'; '.join(each.wrong)}")
        sys.stdout.flush()
        results += found
    if options.o:
        scratch = options.o.with_suffix(".tmp")
        command = " ".join(("python tests/rtl/bolt_system.py", *(arguments or sys.argv[1:])))
        command = command.partition(" -o ")[0]
        scratch.write_text(report(devices, results, command, time.monotonic() - began), encoding="utf-8")
        scratch.replace(options.o)
    return 1 if any(each.wrong for each in results) else 0


if __name__ == "__main__":
    sys.exit(main())
