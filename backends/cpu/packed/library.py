"""The kernels as a shared library: compiled by the C compiler at first use, kept in the user's cache."""

from __future__ import annotations

import ctypes
import functools
from importlib import resources
from pathlib import Path

from ....ir.errors import TargetError
from ....ir.native import Native

ISAS = {"portable": 1, "avx2": 2, "avx512": 3}
"""Variants of the kernels and their numbers in bitmod.h; ``avx512`` needs VBMI and VNNI."""

KERNELS = ("linear.c", "portable.c", "avx2.c", "avx512.c")
HEADERS = ("bitmod.h", "digits.h", "levels.h")
# Contraction fuses multiplications with additions where the machine can: the variants would differ.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-shared", "-pthread")
LIBRARY = Native(
    "packed/bitmod",
    "compiled kernels",
    Path(str(resources.files(__name__.rpartition(".")[0]))),
    sources=(*KERNELS, "../runtime/team.c", "../runtime/observe.c"),
    headers=(*HEADERS, "../runtime/runtime.h"),
    flags=FLAGS,
    includes=("../runtime",),
    libraries=("-lm",),
)


class Call(ctypes.Structure):
    """``pst_bitmod_call`` of bitmod.h."""

    _fields_ = [
        ("image", ctypes.c_void_p),
        ("x", ctypes.c_void_p),
        ("y", ctypes.c_void_p),
        ("shared", ctypes.c_void_p),
        ("tokens", ctypes.c_int64),
        ("digits", ctypes.c_int32),
        ("isa", ctypes.c_int32),
        ("bias", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
    ]


@functools.cache
def library() -> ctypes.CDLL:
    """The kernels.

    Raises:
        ToolMissing: they are not in the cache and there is no C compiler.
        InputError: the cache cannot be written.
    """
    loaded = LIBRARY.load()
    loaded.pst_bitmod_shared_bytes.restype = ctypes.c_int64
    loaded.pst_bitmod_shared_bytes.argtypes = (ctypes.c_int64, ctypes.c_int64, ctypes.c_int)
    loaded.penstock_bitmod_run.argtypes = (ctypes.c_int, ctypes.POINTER(Call))
    return loaded


def runnable() -> tuple[str, ...]:
    """The variants this machine runs, the slowest first."""
    return tuple(name for name, number in ISAS.items() if library().pst_bitmod_runs(number))


def isa_number(name: str | None) -> int:
    """What a variant is called in C; 0, the best, for None.

    Raises:
        TargetError: there is none of that name, or this machine does not run it.
    """
    if name is None:
        return 0
    if name not in runnable():
        raise TargetError(f"this machine runs no '{name}' kernels", accepted=", ".join(runnable()))
    return ISAS[name]
