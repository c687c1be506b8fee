"""CUDA C++ to cubins by NVRTC, NVIDIA's compiler as a library from PyPI: no toolkit, no driver, no GPU."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module, metadata, resources
from pathlib import Path
from types import ModuleType

from ...ir.errors import PassError, ToolMissing
from ...ir.user_cache import user_cache
from .resources import Resources, read_report

EXTRA = "pip install 'penstock[cuda]'"
_PACKAGE = "nvidia-cuda-nvrtc"
OPTIONS = ("--std=c++17", "--ptxas-options=-v", "--extra-device-vectorization")


@dataclass(frozen=True)
class Compiled:
    """One source compiled for one architecture.

    Attributes:
        cubin: the machine code.
        resources: of every kernel in it, by name.
    """

    cubin: bytes
    resources: Mapping[str, Resources]


def headers() -> dict[str, str]:
    """The headers that sources may include, by name."""
    folder = resources.files(__package__ or "").joinpath("include")
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".cuh")]
    return {entry.name: entry.read_text(encoding="utf-8") for entry in sorted(found, key=lambda e: e.name)}


@lru_cache(maxsize=1)
def library() -> ModuleType:
    """NVRTC, loaded.

    Raises:
        ToolMissing: the bindings or the library are not installed.
    """
    try:
        nvrtc = import_module("cuda.bindings.nvrtc")
    except ImportError as error:
        raise ToolMissing("cuda-bindings is not installed", where="NVRTC", accepted=EXTRA) from error
    try:
        files = metadata.distribution(_PACKAGE).files or []
    except metadata.PackageNotFoundError as error:
        raise ToolMissing(f"{_PACKAGE} is not installed", where="NVRTC", accepted=EXTRA) from error
    for file in files:
        if file.name.startswith("libnvrtc.so"):
            # The bindings look in few places; what is in the process already they find in any environment.
            ctypes.CDLL(str(file.locate()))
    return nvrtc


def version() -> str:
    """NVRTC's version, such as ``13.5``."""
    nvrtc = library()
    _, major, minor = nvrtc.nvrtcVersion()
    return f"{major}.{minor}"


def compile_source(name: str, source: str, arch: str) -> Compiled:
    """Compile one source; the result is kept in the user's cache.

    Args:
        name: of the file in messages.
        source: CUDA C++ that includes `headers` only.
        arch: ``sm_90a`` and the like.

    Raises:
        ToolMissing: NVRTC is not installed.
        PassError: the source does not compile, or not without warnings.
    """
    given = headers()
    used = {key: text for key, text in given.items() if _includes(key, source, given)}
    state = json.dumps([source, used, arch, OPTIONS, metadata.version(_PACKAGE) if _installed() else ""])
    place = user_cache() / "cuda" / hashlib.sha256(state.encode()).hexdigest()
    kept = _kept(place)
    if kept is not None:
        return kept
    cubin, log = _compile(name, source, arch, used)
    # The assembler calls it information when it has products wait for each other.
    warned = [line for line in log.splitlines() if re.search("warning|performance loss", line, re.I)]
    if warned:
        raise PassError("compiles with warnings:\n" + "\n".join(warned), where=f"{name} for {arch}")
    _keep(place, cubin, log)
    return Compiled(cubin, read_report(log))


def _installed() -> bool:
    try:
        metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        return False
    return True


def _includes(header: str, source: str, given: Mapping[str, str]) -> bool:
    """Whether a source includes a header, by itself or through another."""
    wanted = f'#include "{header}"'
    if wanted in source:
        return True
    return any(
        wanted in text and _includes(other, source, given) for other, text in given.items() if other != header
    )


def _compile(name: str, source: str, arch: str, used: Mapping[str, str]) -> tuple[bytes, str]:
    nvrtc = library()
    texts = [text.encode() for text in used.values()]
    names = [key.encode() for key in used]
    error, program = nvrtc.nvrtcCreateProgram(
        source.encode(), f"{name}.cu".encode(), len(texts), texts, names
    )
    _check(nvrtc, error, name)
    try:
        options = [option.encode() for option in (f"--gpu-architecture={arch}", *OPTIONS)]
        (error,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        _, size = nvrtc.nvrtcGetProgramLogSize(program)
        buffer = b" " * size
        nvrtc.nvrtcGetProgramLog(program, buffer)
        log = buffer.rstrip(b"\0 ").decode(errors="replace")
        if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise PassError(f"does not compile:\n{log}", where=f"{name} for {arch}")
        _, size = nvrtc.nvrtcGetCUBINSize(program)
        cubin = b" " * size
        nvrtc.nvrtcGetCUBIN(program, cubin)
        return cubin, log
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _check(nvrtc: ModuleType, error: object, name: str) -> None:
    if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise PassError(f"NVRTC: {error}", where=name)


def _kept(place: Path) -> Compiled | None:
    try:
        cubin = place.with_suffix(".cubin").read_bytes()
        return Compiled(cubin, read_report(place.with_suffix(".log").read_text(encoding="utf-8")))
    except OSError:
        return None


def _keep(place: Path, cubin: bytes, log: str) -> None:
    """Keep a result; a cache that cannot be written to is none."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for suffix, data in ((".log", log.encode()), (".cubin", cubin)):
            partial = place.with_suffix(f"{suffix}.{os.getpid()}")
            partial.write_bytes(data)
            partial.rename(place.with_suffix(suffix))
    except OSError:
        return
