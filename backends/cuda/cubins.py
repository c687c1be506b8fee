"""CUDA C++ to cubins by one of two compilers: results are kept in the user's cache, warnings are errors."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from ...ir.errors import PassError
from ...ir.user_cache import user_cache
from .nvrtc import Nvrtc
from .resources import Resources, read_report

OPTIONS = ("--std=c++17", "--ptxas-options=-v", "--extra-device-vectorization")
"""What both compilers are told beside the architecture."""


class Compiler(Protocol):
    """What makes a cubin of a source."""

    @property
    def name(self) -> str:
        """As the manifest has it."""
        ...

    @property
    def version(self) -> str:
        """Such as ``13.5.37``; whatever changes the code it makes changes this."""
        ...

    def compile(
        self, name: str, source: str, headers: Mapping[str, str], options: tuple[str, ...]
    ) -> tuple[bytes, str]:
        """A cubin, and what was said in making it.

        Args:
            name: of the file in messages, without ``.cu``.
            source: CUDA C++.
            headers: what it includes, by name.
            options: the architecture among them.

        Raises:
            PassError: the source does not compile.
        """
        ...


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


def compile_source(name: str, source: str, arch: str, compiler: Compiler | None = None) -> Compiled:
    """Compile one source; the result is kept in the user's cache.

    Args:
        name: of the file in messages.
        source: CUDA C++ that includes `headers` only.
        arch: ``sm_90a`` and the like.
        compiler: NVRTC when None.

    Raises:
        ToolMissing: the compiler is not installed.
        PassError: the source does not compile, or not without warnings.
    """
    by = compiler or Nvrtc()
    given = headers()
    used = {key: text for key, text in given.items() if _includes(key, source, given)}
    state = json.dumps([source, used, arch, OPTIONS, by.name, by.version])
    place = user_cache() / "cuda" / hashlib.sha256(state.encode()).hexdigest()
    kept = _kept(place)
    if kept is not None:
        return kept
    cubin, log = by.compile(name, source, used, (f"--gpu-architecture={arch}", *OPTIONS))
    # The assembler calls it information when it has products wait for each other.
    warned = [line for line in log.splitlines() if re.search("warning|performance loss", line, re.I)]
    if warned:
        raise PassError("compiles with warnings:\n" + "\n".join(warned), where=f"{name} for {arch}")
    _keep(place, cubin, log)
    return Compiled(cubin, read_report(log))


def _includes(header: str, source: str, given: Mapping[str, str]) -> bool:
    """Whether a source includes a header, by itself or through another."""
    wanted = f'#include "{header}"'
    if wanted in source:
        return True
    return any(
        wanted in text and _includes(other, source, given) for other, text in given.items() if other != header
    )


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
