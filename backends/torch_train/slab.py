"""One slab of host memory for what is swapped, taken once: pinned for a GPU, or a mapped file.

Pinned memory is taken as it is and then registered: torch's own pinned allocator rounds up to powers of two
(pytorch #171662). A mapped file is no part of the process's data segment, and the kernel may write it back.
"""

from __future__ import annotations

import mmap
import tempfile
import weakref
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...ir.errors import PlanError


def slab(size_bytes: int, device: torch.device, folder: Path | None) -> Tensor:
    """Bytes of host memory, ``[size_bytes]`` uint8, given back when the tensor goes.

    Args:
        size_bytes: how many.
        device: whose copies it serves; for a GPU it is pinned.
        folder: where a file is to be mapped; None for memory of the process.

    Raises:
        PlanError: it cannot be had.
    """
    try:
        if folder is not None:
            return _mapped(size_bytes, folder)
        made = torch.empty(size_bytes, dtype=torch.uint8)
    except (OSError, RuntimeError) as error:
        raise PlanError(
            f"{size_bytes} bytes of host memory cannot be had: {str(error).partition(chr(10))[0]}",
            where="slab",
            accepted="a plan with a smaller alpha",
        ) from error
    if device.type == "cuda" and size_bytes:
        _pin(made)
    return made


def _mapped(size_bytes: int, folder: Path) -> Tensor:
    if not size_bytes:
        return torch.empty(0, dtype=torch.uint8)
    with tempfile.TemporaryFile(dir=folder, prefix="penstock-slab-") as file:
        file.truncate(size_bytes)
        mapping = mmap.mmap(file.fileno(), size_bytes)
    return torch.frombuffer(mapping, dtype=torch.uint8)


def _pin(memory: Tensor) -> None:
    runtime: Any = torch.cuda.cudart()
    status = runtime.cudaHostRegister(memory.data_ptr(), memory.nbytes, 0)
    if int(status) != 0:
        raise PlanError(
            f"{memory.nbytes} bytes cannot be pinned: {runtime.cudaGetErrorString(status)}",
            where="slab",
            accepted="a plan with a smaller alpha, or a larger limit on locked memory",
        )
    weakref.finalize(memory, runtime.cudaHostUnregister, memory.data_ptr())
