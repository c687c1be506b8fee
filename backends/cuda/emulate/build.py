"""C++ of the emulator and of one kernel, compiled by the system's compiler and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from ....ir.errors import ToolMissing
from ....ir.native import run_compiler
from ....ir.user_cache import user_cache
from ..kernel import Kernel
from .host import host_text

COMPILERS = ("c++", "g++", "clang++")
_STANDARD = ("-std=c++17", "-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-unused-parameter")
_RUNTIME = ("-O2",)
# The hooks stand before every load and store that is left once a thread's own arrays are in registers.
_KERNEL = (
    "-O1",
    "-fno-strict-aliasing",
    "-fsanitize=thread",
    "--param=tsan-instrument-func-entry-exit=0",
    "-ffp-contract=fast",
    "-mfma",
)


def cpp_compiler() -> str:
    """The C++ compiler's path.

    Raises:
        ToolMissing: none is installed.
    """
    found = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    if found is None:
        raise ToolMissing("no C++ compiler is on PATH", where="emulator", accepted="apt install g++")
    return found


def program(kernel: Kernel) -> Path:
    """The program that runs a kernel, compiled if it is not in the cache.

    Raises:
        PassError: the compiler refuses the source.
        ToolMissing: there is none.
    """
    text = host_text(kernel)
    digest = _digest([text, *_KERNEL], [*_sources(_include()), *_sources(_device())])
    runtime = _runtime()
    path = user_cache() / "cuda" / f"emulated-{kernel.name}-{digest}-{runtime.name[-16:]}"
    if path.exists():
        return path
    with _workplace(path) as folder:
        source = Path(folder) / f"{kernel.name}.cpp"
        source.write_text(text, encoding="utf-8")
        headers = _headers(Path(folder) / "include")
        object_file = Path(folder) / "kernel.o"
        run_compiler(
            [cpp_compiler(), *_STANDARD, *_KERNEL, f"-I{headers}", "-c", str(source), "-o", str(object_file)]
        )
        built = Path(folder) / "program"
        objects = [str(each) for each in sorted(runtime.glob("*.o"))]
        run_compiler([cpp_compiler(), "-o", str(built), str(object_file), *objects])
        os.replace(built, path)
    return path


def _headers(folder: Path) -> Path:
    """One folder of all headers, the machine's own before the device's: they include each other there."""
    folder.mkdir()
    for header in {each.name: each for each in (*_sources(_device()), *_sources(_include()))}.values():
        (folder / header.name).symlink_to(header.resolve())
    return folder


def _runtime() -> Path:
    """The folder with the machine's objects."""
    sources = [each for each in _sources(_folder() / "runtime") if each.suffix == ".cpp"]
    digest = _digest(_RUNTIME, [*_sources(_folder() / "runtime"), _include() / "emulator.h"])
    path = user_cache() / "cuda" / f"emulator-{digest}"
    if path.exists():
        return path
    with _workplace(path) as folder:
        built = Path(folder) / "objects"
        built.mkdir()
        for source in sources:
            target = built / f"{source.stem}.o"
            run_compiler([cpp_compiler(), *_STANDARD, *_RUNTIME, "-c", str(source), "-o", str(target)])
        if not path.exists():  # another process may have been faster
            os.replace(built, path)
    return path


def _workplace(path: Path) -> tempfile.TemporaryDirectory[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=path.parent)


def _digest(texts: Sequence[str], files: Sequence[Path]) -> str:
    content = b"".join(each.read_bytes() for each in files)
    return hashlib.sha256("\n".join(texts).encode() + content).hexdigest()[:16]


def _sources(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_file())


def _folder() -> Path:
    return Path(str(resources.files(str(__package__))))


def _include() -> Path:
    return _folder() / "include"


def _device() -> Path:
    return _folder().parent / "include"
