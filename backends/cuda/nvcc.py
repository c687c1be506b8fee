"""nvcc, the compiler of a CUDA toolkit, where somebody asks for theirs."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ...ir.errors import PassError, ToolMissing

Asked = bool | str | Path
"""Whether nvcc is to be used, or the program itself."""

_OLDEST = {"sm_80": (12, 0), "sm_90a": (12, 0), "sm_100a": (12, 8)}
"""Releases that know the architecture and every instruction that kernels for it use."""
_TOOLKIT = Path("/usr/local/cuda/bin/nvcc")
_PACKAGE = "nvidia-cuda-nvcc"
_GET = "a CUDA toolkit with nvcc on PATH, --nvcc PATH, or no --nvcc: NVRTC from penstock[cuda]"


class Nvcc:
    """A toolkit's compiler.

    Args:
        asked: the program; True: the one on PATH, of a toolkit in its usual place, or of PyPI's package.
        arch: what it must know.

    Raises:
        ToolMissing: there is none, what is there is no nvcc, or it is too old.
    """

    name = "nvcc"

    def __init__(self, asked: Asked, arch: str) -> None:
        self._program = _found() if asked is True else _given(asked)
        self.version = _version(self._program)
        major, minor = map(int, self.version.split(".")[:2])
        if (major, minor) < _OLDEST[arch]:
            wanted = ".".join(map(str, _OLDEST[arch]))
            raise ToolMissing(
                f"nvcc {self.version} is too old for {arch}",
                where=self._program,
                accepted=f"{wanted} or newer; or no --nvcc: NVRTC from penstock[cuda]",
            )

    def compile(
        self, name: str, source: str, headers: Mapping[str, str], options: tuple[str, ...]
    ) -> tuple[bytes, str]:
        """A cubin and what nvcc said; see `cubins.Compiler`."""
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            place = Path(folder)
            for file, text in {f"{name}.cu": source, **headers}.items():
                (place / file).write_text(text, encoding="utf-8")
            command = [self._program, "--cubin", *options, "-o", f"{name}.cubin", f"{name}.cu"]
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
            log = done.stdout + done.stderr
            if done.returncode != 0:
                raise PassError(f"does not compile:\n{log.strip()}", where=f"{name}, {options[0]}")
            return (place / f"{name}.cubin").read_bytes(), log


def _found() -> str:
    """The first nvcc of those places where one usually is."""
    on_path = shutil.which("nvcc")
    if on_path:
        return on_path
    if _TOOLKIT.exists():
        return str(_TOOLKIT)
    try:
        files = metadata.distribution(_PACKAGE).files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nvcc":
            return str(file.locate())
    raise ToolMissing("no nvcc", where="--nvcc", accepted=_GET)


def _given(asked: Asked) -> str:
    """The program by its path, or by its name on PATH: it is run in another folder than this."""
    return str(Path(shutil.which(str(asked)) or str(asked)).absolute())


def _version(program: str) -> str:
    """Such as ``13.0.88``."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolMissing(
            f"cannot be run: {error.strerror}", where=f"--nvcc {program}", accepted=_GET
        ) from error
    found = re.search(r"release \d+\.\d+, V(\d+\.\d+\.\d+)", done.stdout)
    if found is None:
        raise ToolMissing("says no version as nvcc does", where=f"--nvcc {program}", accepted=_GET)
    return found[1]
