"""Loads of a map under patterns of access, some 10^7 accesses a second: `simulate.c` from Python."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from ....ir.errors import InputError
from ....ir.native import Native
from ..config import BoltConfig

PATTERNS = ("uniform", "round-robin", "sweep", "half", "hot", "zipf", "stride", "single")
"""Which keys are accessed, numbered as in `simulate.c`: any; in turn; in turn and back; any of one half; nine
times in ten one in a hundred; by Zipf's law; a multiplicative stride; always the same."""
_LOADS = 65
_SIMULATE = Native(
    "bolt/bounds",
    "the compiled simulation of loads",
    Path(str(resources.files(__name__.rpartition(".")[0]))),
    sources=("simulate.c",),
    headers=(),
    flags=("-std=c11", "-O3", "-fPIC", "-shared"),
    libraries=("-lm",),
)


@dataclass(frozen=True)
class Loads:
    """What was held, at most.

    Attributes:
        accesses: made, those that filled the map left out.
        max_load: of any bin, ever.
        max_h: keys in HBM bins.
        max_q: keys awaiting their flush.
        stashed: times that the chosen bin was full.
        touches: host bins touched.
        bins_by_load: bins of each load at the end.
    """

    accesses: int
    max_load: int
    max_h: int
    max_q: int
    stashed: int
    touches: int
    bins_by_load: tuple[int, ...]

    @property
    def final_load(self) -> int:
        """Of the fullest bin at the end: what the artifact's closing scan reports."""
        return len(self.bins_by_load) - 1


@functools.cache
def _library() -> ctypes.CDLL:
    loaded = _SIMULATE.load()
    loaded.pst_bounds_open.restype = ctypes.c_void_p
    loaded.pst_bounds_open.argtypes = [ctypes.c_uint64] * 5
    loaded.pst_bounds_close.argtypes = [ctypes.c_void_p]
    loaded.pst_bounds_run.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int]
    loaded.pst_bounds_read.argtypes = [ctypes.c_void_p] * 3
    return loaded


def simulate(config: BoltConfig, pattern: str, accesses: int, seed: int = 0) -> Loads:
    """Fill a map, access it, and report.

    Args:
        config: sizes.
        pattern: one of `PATTERNS`.
        accesses: after filling.
        seed: of the simulation's generator.

    Raises:
        InputError: an unknown pattern, or too little memory.
        ToolMissing: no C compiler.
    """
    if pattern not in PATTERNS:
        raise InputError(f"no pattern {pattern!r}", where="simulated loads", accepted=", ".join(PATTERNS))
    library = _library()
    opened = library.pst_bounds_open(config.capacity, config.bins, config.hbm_bins, config.slots, seed)
    if not opened:
        raise InputError(f"no memory for {config.capacity} keys", where="simulated loads")
    try:
        library.pst_bounds_run(opened, accesses, PATTERNS.index(pattern))
        found, loads = np.zeros(5, np.uint64), np.zeros(_LOADS, np.uint64)
        library.pst_bounds_read(opened, found.ctypes.data, loads.ctypes.data)
    finally:
        library.pst_bounds_close(opened)
    load, h, q, stashed, touches = found.tolist()
    return Loads(accesses, load, h, q, stashed, touches, tuple(np.trim_zeros(loads, "b").tolist()))
