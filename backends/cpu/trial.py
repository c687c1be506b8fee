"""Kernels run by themselves, to be timed side by side: lowered, linked with the team, on random tensors."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from ...ir.bfloat16 import encode
from ...ir.cascade import shape_of
from ...ir.dtypes import BY_MLIR, lookup
from ...ir.memory import block
from ...ir.mlir import ir
from ...ir.native import c_compiler, run_compiler
from ...ir.weights import aligned
from .isa import Isa
from .kernels import Kernel, Pack, lower, pack

_FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-pthread")
_BRIEF_S = 2e-3  # shorter runs are repeated until they take so long together
_MOST = 64  # repetitions


class Trial:
    """Several kernels of one group, on the same random tensors.

    Args:
        op: the group.
        kernels: of it, with symbols of their own.
        isa: what they are written for.
        threads: of the team.
        seed: of the tensors.
        folder: an empty one, for the library.

    Raises:
        PassError: a kernel does not lower.
        ToolMissing: there is no C compiler.
    """

    def __init__(
        self, op: ir.Operation, kernels: Sequence[Kernel], isa: Isa, threads: int, seed: int, folder: Path
    ) -> None:
        self.kernels, self.threads = kernels, threads
        self._library = _library(kernels, isa, folder)
        tensors = [*op.operands, *op.results]
        arrays = _arrays(op, seed)
        self._outputs = [_placed(np.zeros(shape_of(v), _dtype(v))) for v in tensors[len(arrays) :]]
        self._given = [
            [
                _placed(pack(array, spec)) if isinstance(spec, Pack) else array
                for array, spec in ((a, kernel.packs.get(n)) for n, a in enumerate(arrays))
            ]
            for kernel in kernels
        ]
        self._arena = np.frombuffer(block(max(map(self._space, kernels))), np.uint8)

    def outputs(self, number: int) -> list[np.ndarray]:
        """What one kernel computes."""
        for array in self._outputs:
            array.fill(0)
        self._run(number, 1)
        return [array.copy() for array in self._outputs]

    def seconds(self, rounds: int) -> list[float]:
        """The least time of one run of each kernel, which take turns."""
        repeats = [self._repeats(number) for number, _ in enumerate(self.kernels)]
        times = [[self._timed(n, count) for n, count in enumerate(repeats)] for _ in range(rounds)]
        return [min(column) for column in zip(*times, strict=True)]

    def _repeats(self, number: int) -> int:
        return max(1, min(_MOST, int(_BRIEF_S / max(self._timed(number, 1), 1e-9))))

    def _timed(self, number: int, repeats: int) -> float:
        start = time.perf_counter()
        self._run(number, repeats)
        return (time.perf_counter() - start) / repeats

    def _space(self, kernel: Kernel) -> int:
        return aligned(kernel.shared_bytes) + self.threads * aligned(kernel.scratch_bytes)

    def _run(self, number: int, repeats: int) -> None:
        kernel = self.kernels[number]
        tensors = [*self._given[number], *self._outputs]
        pointers = (ctypes.c_void_p * len(tensors))(*(array.ctypes.data for array in tensors))
        space = (ctypes.c_int64 * 2)(aligned(kernel.shared_bytes), aligned(kernel.scratch_bytes))
        run = getattr(self._library, f"try_{kernel.symbol}")
        if run(self.threads, repeats, pointers, ctypes.c_void_p(self._arena.ctypes.data), space):
            raise RuntimeError(f"{self.threads} threads cannot be started")


def _library(kernels: Sequence[Kernel], isa: Isa, folder: Path) -> ctypes.CDLL:
    (folder / "kernels.o").write_bytes(lower([kernel.mlir for kernel in kernels], isa))
    (folder / "trial.c").write_text("\n".join(['#include "runtime.h"', *map(_caller, kernels)]))
    runtime = Path(str(resources.files(__name__.rpartition(".")[0]))) / "runtime"
    sources = ["trial.c", str(runtime / "team.c"), str(runtime / "observe.c"), "kernels.o"]
    run_compiler([c_compiler(), *_FLAGS, f"-I{runtime}", "-o", "trial.so", *sources, "-lm"], folder)
    return ctypes.CDLL(str(folder / "trial.so"))


def _caller(kernel: Kernel) -> str:
    """C that runs a kernel on the team, `repeats` times."""
    tensors = [f"tensors[{number}]" for number, _ in enumerate(kernel.arguments)]
    call = f"{kernel.symbol}({', '.join([*tensors, *kernel.workspace])});"
    return f"""
{kernel.prototype()}
static void body_{kernel.symbol}(pst_thread *thread, void *argument) {{
    void *const *tensors = argument;
    {call}
}}
int try_{kernel.symbol}(int threads, int repeats, void *const *tensors, char *arena, const int64_t *space) {{
    int status = 0;
    for (int i = 0; i < repeats && !status; i++)
        status = pst_run(threads, body_{kernel.symbol}, (void *)tensors, NULL, arena,
                         (pst_workspace){{0, space[0], space[1]}});
    return status;
}}"""


def _dtype(value: ir.Value) -> np.dtype:
    return np.dtype(lookup(BY_MLIR, str(ir.RankedTensorType(value.type).element_type)).numpy)


def _arrays(op: ir.Operation, seed: int) -> list[np.ndarray]:
    """Normal floats; ones where the element is no float."""
    draw = np.random.default_rng(seed)
    arrays = []
    for value in op.operands:
        element, shape = str(ir.RankedTensorType(value.type).element_type), shape_of(value)
        if element == "bf16":
            arrays.append(_placed(encode(draw.standard_normal(shape, np.float32))))
        elif element in ("f32", "f64"):
            arrays.append(_placed(draw.standard_normal(shape, np.float32).astype(_dtype(value))))
        else:
            arrays.append(_placed(np.ones(shape, _dtype(value))))
    return arrays


def _placed(array: np.ndarray) -> np.ndarray:
    """The array on a page."""
    made = np.frombuffer(block(array.nbytes), array.dtype, array.size).reshape(array.shape)
    made[...] = array
    return made
