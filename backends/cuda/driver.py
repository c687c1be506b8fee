"""Which NVIDIA driver cubins want, and which one is here, asked without a GPU and without the bindings."""

from __future__ import annotations

import ctypes
import ctypes.util

NEEDED = (13, 0)
"""CUDA release of the oldest driver that takes cubins of NVRTC 13: a major release's run on its first driver.

Source: CUDA Compatibility, *Minor Version Compatibility*.
"""
ADVICE = (
    "a driver of branch 580 (CUDA 13.0) or newer, which cubins of NVRTC 13 want; "
    "or penstock compile --nvcc with a toolkit no newer than the driver"
)


def release(version: int) -> tuple[int, int]:
    """Major and minor of the driver's number, 1000 major + 10 minor."""
    return version // 1000, version % 1000 // 10


def present() -> tuple[str, tuple[int, int] | None] | None:
    """The driver's library and the CUDA release it is of (None where it does not say); None without one."""
    name = ctypes.util.find_library("cuda")
    if name is None:
        return None
    version = ctypes.c_int()
    try:
        status = ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):  # a stub, or no library for this machine
        return name, None
    return name, release(version.value) if status == 0 and version.value else None
