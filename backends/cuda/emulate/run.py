"""A kernel's source compiled as C++ beside an emulated multiprocessor, and run on arrays.

Threads are fibers whose warps run in an order drawn anew every round; warp and warpgroup instructions,
copies by cp.async and TMA, mbarriers, named barriers and wgmma are carried out. Loads and stores of the
source itself come in through the hooks of ``-fsanitize=thread``, without its library: each is held to the
bounds and roles of the kernel's tensors, shared memory to what was written, and to happens-before between
warps.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....ir.dtypes import BY_MLIR
from ....ir.errors import InputError, PenstockError
from ..kernel import Buffer, Kernel
from .build import program
from .host import role

_LIMIT_S = 900


class EmulationError(PenstockError):
    """What a kernel does on the emulated machine that it must not do on a real one."""


def emulate(kernel: Kernel, arrays: Mapping[str, NDArray], *, seed: int = 0) -> dict[str, NDArray]:
    """Run a kernel; the arrays it writes, by name.

    Args:
        kernel: what to launch.
        arrays: contents of every tensor it reads, by name, in the tensors' dtypes (bf16 as its bits).
        seed: of the order of warps and copies.

    Raises:
        EmulationError: a race, an access out of bounds or to what nobody wrote, a deadlock.
        InputError: an array is missing, or has another shape or type.
        PassError: the source is no C++.
        ToolMissing: there is no C++ compiler.
    """
    binary = program(kernel)
    with tempfile.TemporaryDirectory(prefix="penstock-cuda-") as folder:
        for tensor in kernel.tensors():
            if role(tensor) in ("in", "update"):
                (Path(folder) / tensor.name).write_bytes(_laid(tensor, arrays))
        done = subprocess.run(
            [str(binary), folder, str(seed)], capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
        if done.returncode != 0:
            said = done.stderr.strip() or f"it ended with {done.returncode}"
            raise EmulationError(said, where=f"{kernel.name}, seed {seed}")
        return {
            tensor.name: _taken(tensor, (Path(folder) / tensor.name).read_bytes())
            for tensor in kernel.tensors()
            if role(tensor) in ("out", "update")
        }


def _laid(tensor: Buffer, arrays: Mapping[str, NDArray]) -> bytes:
    """The tensor's bytes in memory: zeros where a stride leaves holes."""
    kind = np.dtype(BY_MLIR[tensor.dtype].numpy)
    given = arrays.get(tensor.name)
    if tensor.role == "zeroed":
        given = np.zeros(tensor.shape, kind)
    if given is None:
        raise InputError("no array is given", where=tensor.name, accepted=f"{kind} {tensor.shape}")
    if given.shape != tensor.shape or given.dtype != kind:
        raise InputError(
            f"an array {given.dtype} {given.shape}", where=tensor.name, accepted=f"{kind} {tensor.shape}"
        )
    flat = np.zeros(tensor.bytes // kind.itemsize, kind)
    _strided(tensor, flat)[...] = given
    return flat.tobytes()


def _taken(tensor: Buffer, data: bytes) -> NDArray:
    return _strided(tensor, np.frombuffer(data, np.dtype(BY_MLIR[tensor.dtype].numpy))).copy()


def _strided(tensor: Buffer, flat: NDArray) -> NDArray:
    strides = [stride * flat.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides)
