"""NVRTC, NVIDIA's compiler as a library from PyPI: no toolkit, no driver, no GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module, metadata
from types import ModuleType

from ...ir.errors import PassError, ToolMissing

EXTRA = "pip install 'penstock[cuda]'"
_PACKAGE = "nvidia-cuda-nvrtc"


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


class Nvrtc:
    """The library as a compiler of sources.

    Raises:
        ToolMissing: it is not installed.
    """

    name = "nvrtc"

    def __init__(self) -> None:
        self._library = library()
        self.version = metadata.version(_PACKAGE)

    def compile(
        self, name: str, source: str, headers: Mapping[str, str], options: tuple[str, ...]
    ) -> tuple[bytes, str]:
        """A cubin and the log; see `cubins.Compiler`."""
        nvrtc = self._library
        texts = [text.encode() for text in headers.values()]
        names = [key.encode() for key in headers]
        error, program = nvrtc.nvrtcCreateProgram(
            source.encode(), f"{name}.cu".encode(), len(texts), texts, names
        )
        if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise PassError(f"NVRTC: {error}", where=name)
        try:
            (error,) = nvrtc.nvrtcCompileProgram(program, len(options), [each.encode() for each in options])
            _, size = nvrtc.nvrtcGetProgramLogSize(program)
            buffer = b" " * size
            nvrtc.nvrtcGetProgramLog(program, buffer)
            log = buffer.rstrip(b"\0 ").decode(errors="replace")
            if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
                raise PassError(f"does not compile:\n{log}", where=f"{name}, {options[0]}")
            _, size = nvrtc.nvrtcGetCUBINSize(program)
            cubin = b" " * size
            nvrtc.nvrtcGetCUBIN(program, cubin)
            return cubin, log
        finally:
            nvrtc.nvrtcDestroyProgram(program)
