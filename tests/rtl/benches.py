"""Test benches of the BitMoD design without Python in the loop: what they build and what they are given.

Coverage and mutation runs share them. Every expected value comes from NumPy, the integer oracle or the cost
model, and is written before the simulation begins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from accel_script import AccelScript
from bench import Bench, Job
from layer_operands import Layer
from linear_bench import LINEAR, ODD, THIN, TILED, WIDE, linear_jobs
from vectors import Vectors, element_vectors, unit_vectors

from penstock.sim.cost.bitmod import linear_cycles


def _stream(name: str, vectors: Vectors, folder: Path) -> Job:
    given, out = folder / f"{name}.in", folder / f"{name}.out"
    vectors.given.tofile(given)
    return Job((given, out), vectors)


def _unit_jobs(folder: Path) -> list[Job]:
    return [_stream("units", unit_vectors(5, 4000), folder)]


def _element_jobs(folder: Path) -> list[Job]:
    return [
        _stream("elements-short", element_vectors(2, 2), folder),
        _stream("elements", element_vectors(1, 24), folder),
    ]


# bitmod_accel

ACCEL_PARAMETERS = {"Rows": 2, "Cols": 3, "MaxTokens": 4, "MaxGroups": 2, "MaxBurst": 16, "QueueDepth": 64}
NARROW_PARAMETERS = {"Rows": 1, "Cols": 2, "MaxTokens": 3, "MaxGroups": 2, "MaxBurst": 1, "QueueDepth": 1}
NOT_RESET = (1 << 64) - 1
CHAIN = [(5, 7, 200), (3, 4, 129), (9, 3, 256), (2, 5, 17)]


def reset_values(parameters: dict[str, int]) -> dict[str, int]:
    """Registers of bitmod_accel that do not begin with zero: end of the name → value."""
    fetch = max(parameters["MaxBurst"], 8)
    return {
        "gen_reader[0].i_dma.room_q": fetch,
        "gen_reader__BRA__0__KET__.i_dma.room_q": fetch,
        "i_dma.room_q": parameters["QueueDepth"],
        "i_sequencer.room_q": 2 * parameters["Rows"],
        "i_weight_buffer.header_q": 1,
        "mode_q": 1,
        "i_column.totals_q": NOT_RESET,
    }


def _accel_jobs(folder: Path) -> list[Job]:
    short = AccelScript(ACCEL_PARAMETERS, reset_values(ACCEL_PARAMETERS))
    short.do("n", 6)
    short.begin([(2, 3, 128), (3, 4, 129)], 70)
    short.set(0x1C, 3)
    short.good_run()
    registers = AccelScript(ACCEL_PARAMETERS, reset_values(ACCEL_PARAMETERS))
    registers.registers()
    registers.do("p", 500, 3)
    registers.registers()
    registers.do("p", 0, 3)
    registers.begin([(1, 1, 128)], 71)
    registers.long_counts()
    registers.interrupts()
    registers.starts_refused()
    registers.begin([(2, 3, 128), (1, 1, 128)], 30)
    registers.bad_descriptors()
    chains = AccelScript(ACCEL_PARAMETERS, reset_values(ACCEL_PARAMETERS))
    chains.set(0x1C, 3)
    _chains(chains)
    trouble = AccelScript(ACCEL_PARAMETERS, reset_values(ACCEL_PARAMETERS))
    trouble.set(0x1C, 3)
    trouble.begin([(5, 4, 129), (2, 3, 128)], 20)
    trouble.errors()
    trouble.begin([(2, 3, 128)], 50)
    trouble.far_addresses()
    trouble.huge_shapes()
    trouble.begin([(5, 4, 129), (2, 3, 128)], 40)
    trouble.interruptions((1, 20, 90, 300, 700, 1500))
    scripts = {"short": short, "registers": registers, "chains": chains, "trouble": trouble}
    return [Job(script.write(folder, f"accel-{name}")) for name, script in scripts.items()]


def _chains(script: AccelScript) -> None:
    script.begin(CHAIN)
    script.good_run()
    script.do("T", 0x30, 8)
    least = sum(
        linear_cycles(LINEAR.array, *shape, mode=layer.weights.format.mode).total
        for shape, (layer, *_) in zip(CHAIN, script.layers, strict=True)
    )
    script.do("C", 0x38, least)
    script.do("T", 0x38, 100 * len(CHAIN))
    script.begin([(4, 13, 256), (1, 1, 128), (1, 2, 129)])
    script.fences()
    script.begin(CHAIN, 10)
    for seed, stall in enumerate((200, 600)):
        script.do("p", stall, seed)
        script.good_run()
    script.do("p", 0, 0)
    script.begin([])
    poisoned = Layer(3, 4, 129, 60)
    poisoned.acts[1, 3] = np.inf
    script.add(poisoned)
    script.add(Layer(1, 3, 128, 61))
    script.good_run(2 | 8)


def _narrow_jobs(folder: Path) -> list[Job]:
    script = AccelScript(NARROW_PARAMETERS, reset_values(NARROW_PARAMETERS))
    script.registers()
    script.set(0x1C, 3)
    script.begin([(2, 3, 128), (1, 1, 128), (4, 5, 140)], 80)
    script.good_run()
    script.do("p", 400, 5)
    script.good_run()
    script.do("p", 0, 5)
    script.interruptions((30, 200))
    return [Job(script.write(folder, "narrow"))]


# The AXI4 engines


def _dma_jobs(burst: int, depth: int) -> Callable[[Path], list[Job]]:
    def jobs(folder: Path) -> list[Job]:
        numbers = np.random.default_rng(burst)
        lines = [f"q {depth:x} room_q", "x"]
        for words in (1, 2, 3, 4, 31, 32, 33, 34, 257, 1100):
            for offset in (0, 4):
                for stall in (0, 400):
                    lines.append(f"p {stall:x} {words:x}")
                    target = (
                        0x8000
                        + 0x1000 * int(numbers.integers(1, 6))
                        - 8 * int(numbers.integers(0, 8))
                        + offset
                    )
                    lines.append(f"k {8 * int(numbers.integers(0, 2048)):x} {target:x} {words:x}")
        lines += ["x", "p 12c 9", "j 100 8004 b", "j 1ff8 9000 40", "j 2000 a004 1"]
        for stall in (0, 300):
            lines += [f"p {stall:x} 7", "b r 108 118", "e 2 0 100 4000 10", "b r 0 0", "b w 5000 5008"]
            lines += [
                "e 0 1 100 5000 10",
                "b w 0 0",
                "b w 5008 5010",
                "e 0 1 100 5004 2",
                "b w 0 0",
                "k 100 5000 21",
            ]
        for cycle in range(1, 60, 3):
            lines += [f"p 12c {cycle:x}", f"f 100 5004 2bc {cycle:x}", "k 2000 6004 b"]
        lines += ["p 0 1", "f 100 5004 2bc 400", "x", "k 2000 6004 b"]
        # The most words that a command can ask for.
        lines += ["p 0 1", "k 100 20004 ffff"] if burst == 256 else []
        # The last word: an answer, a burst and a word at the end of everything.
        lines += [f"M {min(burst, 256):x} {min(burst, 256):x}"]
        script, image = folder / f"dma{burst}.txt", folder / f"dma{burst}.bin"
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        image.write_bytes(numbers.bytes(1 << 19))
        return [Job((script, image))]

    return jobs


def _dma(burst: int, depth: int) -> Bench:
    parameters = {"MaxBurst": burst, "Depth": depth}
    return Bench(
        f"dma{burst}", "dma_harness", "dma_main.cpp", _dma_jobs(burst, depth), parameters, registers=True
    )


BENCHES = {
    bench.name: bench
    for bench in (
        Bench("units", "units_harness", "stream_main.cpp", _unit_jobs),
        Bench("elements", "pe_harness", "stream_main.cpp", _element_jobs),
        Bench("linear", "bitmod_linear", "linear_main.cpp", linear_jobs, LINEAR.parameters, harness=False),
        ODD.bench("odd", ((7, 11, 384), (3, 5, 130), (13, 6, 256), (1, 16, 384))),
        TILED.bench(
            "tiled", ((4, 6, 128), (11, 13, 256), (1, 1, 17), (3, 20, 200), (8, 7, 256), (17, 2, 130))
        ),
        WIDE.bench("wide", ((4, 6, 128), (7, 13, 256), (1, 1, 17), (3, 20, 200))),
        THIN.bench("thin", ((4, 6, 128), (7, 5, 100), (1, 1, 17), (13, 3, 128))),
        Bench("accel", "accel_harness", "accel_main.cpp", _accel_jobs, ACCEL_PARAMETERS, registers=True),
        Bench("narrow", "accel_harness", "accel_main.cpp", _narrow_jobs, NARROW_PARAMETERS, registers=True),
        *(_dma(burst, depth) for burst, depth in ((16, 32), (256, 256), (1, 1))),
    )
}
