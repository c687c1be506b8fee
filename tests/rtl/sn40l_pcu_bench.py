"""Benches of the PCU without Python in the loop: pcu_main.cpp, and the runs it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench import Bench, Job
from layer_operands import SCHEMES, Layer, hard_activations
from sn40l_pcu_programs import add_norm, gemm, simd, softmax, vectors
from sn40l_pcu_runs import Pace, Run, write
from yosys_sources import needed

from penstock import rtl
from penstock.ir.fabric import LANES
from penstock.sim.rtl.sn40l_pcu.oracle import Stream
from penstock.sim.rtl.sn40l_pcu.registers import (
    Configuration,
    Credit,
    Instruction,
    Mode,
    Op,
    Queue,
    Source,
)
from penstock.sim.rtl.sn40l_pcu.tail import NAN

TOP = "sn40l_pcu"
FULL_SPEED = Pace()
PACES = (
    Pace(gap=0.3, closed=0.3, late=15),
    Pace(gap=0.02, closed=0.8, late=60, reset=90),
    Pace(gap=0.8, late=5),
    Pace(gap=0.1, closed=0.1, late=3, withheld=300),
    Pace(gap=0.1, closed=0.1, late=3, stop=70),
)


def texts(*bodies: str) -> dict[str, str]:
    """Sources of the PCU, of bodies in other folders, and assertions: file name → text, packages first."""
    folders = ("common", "sn40l", *bodies)
    found = {**rtl.sources(*folders), **rtl.properties(*folders)}
    design = {name: text for name, text in found.items() if not name.endswith("_props.sv")}
    mine = needed(design, TOP)
    properties = [
        name for name in found if name.removesuffix("_props.sv") + ".sv" in mine and name not in mine
    ]
    return {name: found[name] for name in (*mine, *properties)}


def alone(it: Configuration) -> Configuration | None:
    """The same where nothing stalls it: a plane for each queue, no credits; None for more queues."""
    used = [at for at, queue in enumerate(it.queues) if queue]
    if len(used) > 2:
        return None
    queues = tuple(Queue(queue.flow, used.index(at)) if queue else None for at, queue in enumerate(it.queues))
    return replace(it, queues=queues, credits=())


def random_runs(seed: int, count: int, *, tiles: int = 4, sets: int = 2) -> Iterator[Run]:
    """Tiles and programs in turn, at full speed and at each pace."""
    for at in range(count):
        random = np.random.default_rng([seed, at])
        it, operands = gemm(random, tiles=tiles) if at % 2 else simd(random)
        yield Run(it, operands, sets=sets)
        pace = PACES[at // 2 % len(PACES)]
        yield Run(it, operands, pace=pace, seed=seed + at, sets=sets)
        if (free := alone(it)) is not None:
            yield Run(free, operands, exact=True, sets=sets)


def _column(random: np.random.Generator, *counts: int, **kind: object) -> list[Stream]:
    return [vectors(random, count, **kind) for count in counts]  # pyright: ignore[reportArgumentType]


def directed_runs() -> Iterator[Run]:
    """Every operation with every tail on hard operands; a block's programs; faults of senders; sharing."""
    random = np.random.default_rng(3)
    yield from _bare_runs(random)
    hard = vectors(random, 96, "hard"), vectors(random, 96, "hard")
    for op in Op:
        for tail in range(5):
            each = Instruction(op=op, tail=tail, y_source=Source.QUEUE, y_index=1, to_output=1, count=47)
            it = Configuration(Mode.SIMD, 1, 2, 96, program=(each,), queues=(Queue(5), Queue(7, 1)), flow=63)
            operands = list(hard) if each.binary else [hard[0], Stream.clean(hard[1].vectors[:0])]
            yield Run(it, operands, exact=True)
    yield Run(softmax(4, 3, 2), _column(random, 24), exact=True)
    yield Run(softmax(5, 2, 2, lanes=3), _column(random, 20, kind="hard", poison=0.1), exact=True)
    norm = add_norm(12, 2, 2, 2)
    yield Run(norm, _column(random, 48, 48, 24))
    yield Run(add_norm(3, 4, 1, 4), _column(random, 12, 12, 12, 12, 6), pace=PACES[0])
    # Nothing but -inf in the lanes that count.
    lowest = Stream.clean(np.full((4, 8), -np.inf, np.float32))
    yield Run(softmax(1, 2, 2, lanes=3), [lowest])
    # Registers with all bits and none.
    for constant, specials in ((-1.9999999, 0xFFFFFFFF), (0.0, 0), (3.4028234e38, 0xFFFFFFFF), (0.0, 0)):
        each = Instruction(x_source=Source.CONSTANT, x_index=7, to_output=1)
        it = Configuration(Mode.SIMD, 1, 2, 2, program=(each,), constants=(constant,) * 8, specials=specials)
        yield Run(it, [], exact=True)
    # More tiles than leave in time: the body is blocked.
    tiles = Configuration(
        Mode.GEMM, 2, 4, 4 * 32, depth=3, tiles=4, rows=32, program=(Instruction(to_output=1),),
        queues=(Queue(1), Queue(2, 1)), flow=4, plane=1, seq=0xFFF0, credits=(Credit(255), Credit(255, True)),
    )  # fmt: skip
    yield Run(replace(tiles, credits=()), _column(random, 96, 24), exact=True)
    yield Run(tiles, _column(random, 96, 24), pace=Pace(closed=0.6, late=300))
    # One flow feeds two queues, so that a vector meets itself.
    square = Instruction(op=Op.MUL, y_source=Source.QUEUE, y_index=1, to_output=1, count=255)
    shared = Configuration(Mode.SIMD, 1, 1, 256, program=(square,), queues=(Queue(9), Queue(9)), flow=1)
    operand = vectors(random, 256)
    yield Run(shared, [operand, operand])
    # A sender without credit: the packet that finds no room is told of, and only that.
    copy = Configuration(Mode.SIMD, 1, 80, 80, program=(Instruction(to_output=1),), queues=(Queue(9, 1),))
    shut = Pace(closed=1.0, stop=150)
    yield Run(copy, _column(random, 80), pace=shut)
    yield Run(copy, _column(random, 80), pace=shut, depth=40, lost=True)
    yield Run(copy, _column(random, 80), extra=((0, 9),), lost=True)
    yield Run(copy, _column(random, 80), pace=Pace(stop=9))


def _bare_runs(random: np.random.Generator) -> Iterator[Run]:
    """First of all and after a reset: what is not written is 0."""
    copy = Instruction(to_output=1, ragged=1, count=3)
    plain = Configuration(Mode.SIMD, 1, 1, 4, program=(copy,), lanes=0, queues=(Queue(0),))
    yield Run(plain, _column(random, 4), sparse=True)
    add = Instruction(op=Op.ADD, y_source=Source.CONSTANT, y_index=3, to_output=1, count=3)
    shifted = replace(plain, program=(add, replace(add, count=2)), packets=7)
    yield Run(shifted, _column(random, 7), pace=Pace(closed=0.5, reset=12), sparse=True)
    tile = replace(plain, mode=Mode.GEMM, depth=2, tiles=1, rows=4, program=(Instruction(to_output=1),))
    tile = replace(tile, queues=(Queue(0), Queue(1)))
    yield Run(tile, _column(random, 2, 2), pace=Pace(closed=0.5, reset=9), sparse=True)


def _long_runs(random: np.random.Generator) -> Iterator[Run]:
    """A unit whose packets' numbers use all bits."""
    copy = Instruction(to_output=1, count=249)
    it = Configuration(Mode.SIMD, 1, 262, 65500, program=(copy,), queues=(Queue(3),), flow=5)
    yield Run(it, _column(random, 65500), limit=80_000)


def jobs(folder: Path, *, seed: int = 1, count: int = 120, tiles: int = 4, sets: int = 2) -> list[Job]:
    """Files of runs, the cheapest first."""
    files = {
        "directed": list(directed_runs()) if (tiles, sets) == (4, 2) else [],
        "random": list(random_runs(seed, count, tiles=tiles, sets=sets)),
        "long": list(_long_runs(np.random.default_rng(seed))) if (tiles, sets) == (4, 2) else [],
    }
    return [Job((write(runs, folder / f"{name}.bin"),)) for name, runs in files.items() if runs]


def _small(folder: Path) -> list[Job]:
    return jobs(folder, seed=2, count=30, tiles=1, sets=1)


def finer(halves: np.ndarray, seed: int) -> np.ndarray:
    """Single precision that rounds to these: what they hold beyond half precision is random."""
    random = np.random.default_rng(seed)
    whole = halves.astype(np.float32)
    step = np.ldexp(np.float32(1), np.where(whole == 0, -24, np.maximum(np.frexp(whole)[1] - 11, -24)))
    found = whole + step * random.uniform(-0.2, 0.2, whole.shape).astype(np.float32)
    found = np.where(np.isinf(whole), np.copysign(np.float32(1e9), whole), found)
    with np.errstate(over="ignore"):
        assert np.array_equal(found.astype(np.float16), halves)
    return found


def quantized_run(
    layers: list[Layer], pace: Pace, seed: int, poisoned: int | None = None, unit: int = 0
) -> Run:
    """Layers of one shape and scheme, as units of a BitMoD body, all drained through a product with 0.5.

    A vector with poison, the first of an operand's unit, poisons this unit and no other.
    """
    first = layers[0]
    tiles = first.channels // LANES
    half = Instruction(op=Op.MUL, y_source=Source.CONSTANT, to_output=1)
    it = Configuration(
        Mode.GEMM, len(layers), tiles, tiles * first.tokens, depth=first.groups, rows=first.tokens,
        tiles=first.inputs // LANES % 16,
        program=(half,), constants=(0.5,), queues=(Queue(1), Queue(2, 1)), flow=3, credits=(Credit(1, True),),
        weights=first.mode, specials=first.specials,
    )  # fmt: skip

    rows = [
        each.expected.view(np.float32).reshape(each.tokens, tiles, LANES).swapaxes(0, 1).reshape(-1, LANES)
        for each in layers
    ]
    left = np.concatenate(rows) * np.float32(0.5)
    left = np.where(np.isnan(left), NAN, left)
    words = np.concatenate([each.weight_words() for each in layers]).astype(np.uint64)
    operands = [
        Stream.clean(np.concatenate([finer(each.acts, seed) for each in layers]).reshape(-1, LANES)),
        Stream.clean(words.view(np.float32).reshape(-1, LANES)),
    ]
    results = Stream.clean(left)
    if poisoned is not None:
        operands[poisoned].poison[len(operands[poisoned].poison) // len(layers) * unit] = True
        results.poison[tiles * first.tokens * unit : tiles * first.tokens * (unit + 1)] = True
    return Run(it, operands, pace=pace, seed=seed, results=results)


def quantized_jobs(folder: Path) -> list[Job]:
    """Layers of every kind of weight, ragged tokens, hard activations, pauses, a reset."""
    runs = []
    for seed, scheme in enumerate(SCHEMES):
        layers = [
            Layer(5 + 4 * seed, 16, WIDTHS[seed], 10 * seed + unit, scheme)
            for unit in range(1 + (seed + 1) % 3)
        ]
        hard_activations(layers[-1], seed)
        layers[0].acts[-1, seed] = np.inf  # in single precision, what is beyond half precision
        slow = quantized_run(layers, replace(PACES[0], reset=300), seed, seed % 2)
        free = quantized_run(layers, FULL_SPEED, seed)
        runs += [replace(free, configuration=replace(free.configuration, credits=()), exact=True), slow]
    # One result more than the output's queue holds, so that a unit's last waits for room; a reset in the
    # second unit; poison at the head of the queue while the unit before is at work.
    layers = [Layer(11, 24, 128, 60 + unit) for unit in range(3)]
    runs += [
        quantized_run(layers, Pace(withheld=4000), 7),
        quantized_run(layers, Pace(reset=1100), 8),
        quantized_run(layers, FULL_SPEED, 9, 0, unit=1),
    ]
    return [Job((write(runs, folder / "quantized.bin"),))]


BENCHES = {
    bench.name: bench
    for bench in (
        Bench("pcu", TOP, "pcu_main.cpp", jobs, harness=False),
        Bench("pcu1", TOP, "pcu_main.cpp", _small, {"AccTiles": 1, "AccSets": 1}, harness=False),
    )
}

WIDTHS = (104, 128, 200, 8, 384)
"""Inputs of quantized layers: of each, how much of the last group comes differs."""

QUANTIZED = Bench("pcu_bitmod", TOP, "pcu_main.cpp", quantized_jobs, {"Bitmod": 1}, harness=False)
