"""Jobs of linear_main.cpp: layers for bitmod_linear of several sizes, with their results and cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from bench import Bench, Job
from layer_operands import SCHEMES, Layer, hard_activations
from numpy.typing import NDArray

from penstock.sim.cost.bitmod import BitmodArray, linear_cycles


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


def linear_jobs(folder: Path) -> list[Job]:
    """Layers of every kind on `LINEAR`."""
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
