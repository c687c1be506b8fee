"""Test benches of the BitMoD design without Python in the loop: what they build and what they are given.

Coverage and mutation runs share them. Every expected value comes from NumPy, the integer oracle or the cost
model, and is written before the simulation begins.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from accel_script import AccelScript
from layer_operands import SCHEMES, Layer, hard_activations
from numpy.typing import NDArray
from vectors import Vectors, element_vectors, unit_vectors

from penstock import rtl
from penstock.sim.cost.bitmod import BitmodArray, linear_cycles

HARNESS = Path(__file__).parent / "harness"
FOLDERS = ("common", "bitmod")
TIMEOUT_S = 60

PUBLIC = """\
`verilator_config
public_flat_rd -module "*" -var "*_q"
public_flat_rd -module "*" -var "*_nq"
public_flat_rd -module "bitmod_sequencer" -var "drain_*_o"
public_flat_rw -module "bitmod_accel_regs" -var "cycles_q"
public_flat_rw -module "bitmod_accel_regs" -var "core_cycles_q"
"""
"""Registers of the benches that check reset values, and those that are set to what no run counts up to."""


@dataclass(frozen=True)
class Job:
    """One run of a model: its arguments, and its output where that is compared here.

    Attributes:
        arguments: files, in the order the model takes them.
        vectors: what must be in the last of them afterwards; None where the model compares itself.
    """

    arguments: tuple[Path, ...]
    vectors: Vectors | None = None

    def fault(self, executable: Path, extra: Sequence[str] = ()) -> str | None:
        """What a run finds wrong with the design, or None."""
        command = [str(executable), *map(str, self.arguments), *extra]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=os.environ)
        except subprocess.TimeoutExpired:
            return "no end"
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            failed = [line for line in said if "FAIL" in line or "Assertion failed" in line]
            return (failed or said or [f"exit {done.returncode}"])[0]
        if self.vectors is not None:
            out = np.fromfile(self.arguments[-1], np.uint32).reshape(-1, 4)
            if wrong := self.vectors.wrong(out):
                return f"{wrong} cycles differ from the oracle"
        return None


@dataclass(frozen=True)
class Bench:
    """A Verilated top with its main program.

    Attributes:
        name: of the bench.
        top: the module simulated.
        main: the C++ file in harness/.
        jobs: makes the runs, cheapest first, in a folder.
        parameters: of the top module.
        harness: whether the top is a file in harness/.
        registers: whether registers are to be public.
    """

    name: str
    top: str
    main: str
    jobs: Callable[[Path], list[Job]]
    parameters: dict[str, int] = field(default_factory=dict)
    harness: bool = True
    registers: bool = False

    def defines(self) -> tuple[str, ...]:
        """Macros of the main program; the headers' digest keeps a model from outliving them."""
        headers = b"".join(path.read_bytes() for path in sorted(HARNESS.glob("*.h")))
        columns = self.parameters.get("Cols", 1) * self.parameters.get("ColTiles", 1)
        return (f"COLS={columns}", f"HEADERS=0x{hashlib.sha256(headers).hexdigest()[:15]}")

    def flags(self) -> tuple[str, ...]:
        """Verilator's parameter overrides."""
        return tuple(f"-G{name}={value}" for name, value in self.parameters.items())

    def sources(self, design: Sequence[Path], folder: Path) -> list[Path]:
        """The design with the harness, and the file that makes registers public."""
        found = [*design, *([HARNESS / f"{self.top}.sv"] if self.harness else [])]
        if self.registers:
            public = folder / "public.vlt"
            public.write_text(PUBLIC, encoding="utf-8")
            found.insert(0, public)
        return found


def design_texts() -> dict[str, str]:
    """Sources and assertions of the design: file name → text, packages first."""
    return {**rtl.sources(*FOLDERS), **rtl.properties(*FOLDERS)}


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


# bitmod_linear


@dataclass(frozen=True)
class Engine:
    """A size of bitmod_linear, and its element's rounding."""

    array: BitmodArray
    acc_width: int = 15
    truncate: bool = False

    @property
    def parameters(self) -> dict[str, int]:
        """As the RTL names them."""
        array = self.array
        return {
            **{
                "Rows": array.rows,
                "Cols": array.cols,
                "RowTiles": array.row_tiles,
                "ColTiles": array.col_tiles,
            },
            **{"Lanes": array.lanes, "MaxTokens": array.max_tokens, "MaxGroups": array.max_groups},
            **{"AccWidth": self.acc_width, "Truncate": int(self.truncate)},
        }

    def job(self, layer: Layer, *, stall: int = 0, seed: int = 0, stop: int = 0) -> NDArray[np.uint64]:
        """A layer as linear_main.cpp reads it: words."""
        array, shape = self.array, (layer.tokens, layer.channels, layer.inputs)
        chunks = -(-layer.tokens // array.max_tokens)
        acts, weights = layer.act_words(), np.tile(layer.weight_words(), chunks)
        expected = layer.expect(array.lanes, "truncate" if self.truncate else "nearest-even", self.acc_width)
        cycles = linear_cycles(array, *shape, mode=layer.weights.format.mode).total
        poisoned = bool((~np.isfinite(layer.acts)).any())
        results = []
        for chunk in range(0, layer.tokens, array.max_tokens):
            for channel in range(0, layer.channels, array.all_cols):
                for token in range(chunk, min(chunk + array.max_tokens, layer.tokens)):
                    row = expected[token, channel : channel + array.all_cols]
                    last = token == layer.tokens - 1 and channel + len(row) == layer.channels
                    results.append([*row, *[0] * (array.all_cols - len(row)), (1 << len(row)) - 1, last])
        header = [stop, layer.tokens, layer.channels, layer.groups, layer.mode, layer.specials, stall, seed]
        header += [0 if stall else cycles, poisoned, len(acts), len(weights), len(results)]
        return np.concatenate(
            [np.array(header, np.uint64), acts, weights, np.array(results, np.uint64).ravel()]
        )

    def huge_jobs(self) -> list[NDArray[np.uint64]]:
        """Layers with every bit of their shapes in use, broken off soon: nothing of them may be left."""
        numbers, jobs = np.random.default_rng(13), []
        for shape, stop in ((0xFFFF, 120), (0x5555, 700), (0xAAAA, 60)):
            words = numbers.integers(0, 2**62, 550, np.uint64)  # too few activations to begin
            header = [stop, shape, shape ^ 0x0F0F, self.array.max_groups, 1, 0x5A5A5A5A ^ shape, 100, 3]
            jobs.append(np.concatenate([np.array([*header, 0, 0, 100, 450, 0], np.uint64), words]))
        return jobs

    def small_jobs(self, name: str, shapes: Sequence[tuple[int, int, int]], folder: Path) -> list[Job]:
        """Layers of some shapes, at full speed and with pauses; one broken off; one with infinities."""
        jobs = []
        for seed, shape in enumerate(shapes):
            jobs.append(self.job(Layer(*shape, seed + 5, SCHEMES[seed % 5]), seed=seed))
            jobs.append(self.job(Layer(*shape, seed + 5, SCHEMES[seed % 5 - 2]), stall=300, seed=seed))
        jobs += self.huge_jobs()
        inputs = min(200, 128 * self.array.max_groups)
        jobs += [self.job(Layer(5, 7, inputs, 9), stop=stop, seed=stop) for stop in (30, 200, 500)]
        poisoned = Layer(7, 8, inputs, 10, "int8")
        poisoned.acts[2, 5] = poisoned.acts[6, inputs - 1] = np.inf
        hard = Layer(5, 6, inputs, 32)
        hard_activations(hard, 32)
        # All products of a sum positive: the accumulator is full.
        loud = Layer(4, 4, 128, 33, "int8")
        loud.acts = (np.sign(loud.weights.dequantize()) * 60000).astype(np.float16)
        more = [self.job(layer) for layer in (poisoned, hard, loud, Layer(2, 3, 128, 22))]
        return [_file(name, [*jobs, *more], folder)]

    def bench(self, name: str, shapes: Sequence[tuple[int, int, int]]) -> Bench:
        """A bench with small jobs."""
        jobs = partial(self.small_jobs, name, shapes)
        return Bench(name, "bitmod_linear", "linear_main.cpp", jobs, self.parameters, harness=False)


LINEAR = Engine(BitmodArray(rows=2, cols=3, max_tokens=4, max_groups=2))
ODD = Engine(BitmodArray(rows=3, cols=5, max_tokens=6, max_groups=3))
TILED = Engine(BitmodArray(rows=2, cols=2, max_tokens=8, max_groups=2, row_tiles=2, col_tiles=3))
WIDE = Engine(BitmodArray(rows=3, cols=2, max_tokens=6, max_groups=2, col_tiles=2, lanes=8), 18, True)
THIN = Engine(BitmodArray(rows=1, cols=2, max_tokens=6, max_groups=1, row_tiles=3, lanes=2), 12)
SHAPES = (
    *((1, 1, 1), (2, 3, 128), (3, 4, 129), (4, 6, 256), (5, 7, 200), (9, 3, 256), (4, 1, 128), (1, 13, 256)),
    *((6, 9, 17), (3, 5, 140), (33, 2, 128)),
)


def _linear_jobs(folder: Path) -> list[Job]:
    job = LINEAR.job
    short = [job(Layer(*shape, seed, SCHEMES[seed])) for seed, shape in enumerate(SHAPES[1:4])]
    many = []
    for seed, shape in enumerate(SHAPES):
        for scheme in (SCHEMES[seed % 5], SCHEMES[(seed // 2 + 1) % 5]):
            many.append(job(Layer(*shape, seed, scheme), seed=seed))
    for seed, stall in enumerate((100, 500, 900)):
        many.append(job(Layer(5, 7, 200, seed, SCHEMES[seed + 1]), stall=stall, seed=seed))
    many.append(job(Layer(4, 9, 128, 11), stall=970, seed=5))
    for cycle in (1, 3, 40, 150, 260, 300, 420, 700):
        many.append(job(Layer(4, 6, 256, cycle, SCHEMES[cycle % 5]), stall=50, seed=cycle, stop=cycle))
        many.append(job(Layer(3, 4, 129, cycle + 1, SCHEMES[(cycle + 2) % 5])))
    many += LINEAR.huge_jobs()
    for value in (np.inf, -np.inf, np.nan):
        layer = Layer(5, 4, 200, 21)
        layer.acts[1, 3] = layer.acts[4, 199] = value
        many += [job(layer, seed=1), job(Layer(2, 3, 128, 22))]
    for scheme in ("bitmod4", "int8"):
        layer = Layer(4, 6, 256, 31, scheme)
        hard_activations(layer, 31)
        many.append(job(layer))
    return [_file("linear-short", short, folder), _file("linear", many, folder)]


def _file(name: str, jobs: list[NDArray[np.uint64]], folder: Path) -> Job:
    path = folder / f"{name}.jobs"
    np.concatenate(jobs).tofile(path)
    return Job((path,))


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
        Bench("linear", "bitmod_linear", "linear_main.cpp", _linear_jobs, LINEAR.parameters, harness=False),
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
