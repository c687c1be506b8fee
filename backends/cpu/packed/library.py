"""The kernels as a shared library: compiled by the C compiler at first use, kept in the user's cache."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from ....ir.errors import InputError, PassError, TargetError, ToolMissing
from ....ir.user_cache import user_cache

ISAS = {"portable": 1, "avx2": 2, "avx512": 3}
"""Variants of the kernels and their numbers in bitmod.h; ``avx512`` needs VBMI and VNNI."""

KERNELS = ("linear.c", "portable.c", "avx2.c", "avx512.c")
SOURCES = (*KERNELS, "../runtime/team.c", "../runtime/observe.c")
HEADERS = ("bitmod.h", "digits.h", "levels.h")
# Contraction fuses multiplications with additions where the machine can: the variants would differ.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-shared", "-pthread")


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
    folder = Path(str(resources.files(__name__.rpartition(".")[0])))
    content = b"".join((folder / name).read_bytes() for name in (*SOURCES, *HEADERS, "../runtime/runtime.h"))
    digest = hashlib.sha256(" ".join(FLAGS).encode() + content).hexdigest()[:16]
    path = user_cache() / "packed" / f"bitmod-{digest}.so"
    if not path.exists():
        _compile(folder, path)
    loaded = ctypes.CDLL(str(path))
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


def _compile(folder: Path, path: Path) -> None:
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise ToolMissing("no C compiler (cc, gcc or clang) is on PATH", accepted="apt install gcc libc6-dev")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(dir=path.parent)
    except OSError as error:
        raise InputError(
            f"cannot keep compiled kernels here: {error.strerror}",
            where=str(path.parent),
            accepted="a writable folder in PENSTOCK_CACHE_DIR",
        ) from error
    with place as temporary:
        built = Path(temporary) / path.name
        command = [compiler, *FLAGS, f"-I{folder / '../runtime'}", "-o", str(built)]
        command += [*(str(folder / name) for name in SOURCES), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PassError(f"the C compiler failed: {done.stderr.strip()[:2000]}", where=compiler)
        os.replace(built, path)
