"""C at first use: sources compiled to a shared library by the system's compiler, kept in the user's cache."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError, PassError, ToolMissing
from .user_cache import user_cache

COMPILERS = ("cc", "gcc", "clang")
_NO_SPACE = "No space left on device"


@dataclass(frozen=True)
class Native:
    """C sources that make one library.

    Attributes:
        name: the library's, and its folder's in the cache before the ``/``: ``offsets/search``.
        what: what people call it, for errors.
        folder: where the sources are.
        sources, headers: file names in the folder.
        flags: for the compiler.
        includes: folders of headers, from the folder.
        libraries: to link, behind the sources.
    """

    name: str
    what: str
    folder: Path
    sources: tuple[str, ...]
    headers: tuple[str, ...]
    flags: tuple[str, ...]
    includes: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    def load(self) -> ctypes.CDLL:
        """The library, compiled if it is not in the cache as these sources and flags make it.

        Processes that need it at once may each compile it: what they build is renamed into place whole.

        Raises:
            ToolMissing: it is not in the cache and there is no C compiler.
            InputError: the cache cannot be written.
            PassError: the compiler refuses the sources.
        """
        content = b"".join((self.folder / name).read_bytes() for name in (*self.sources, *self.headers))
        digest = hashlib.sha256(" ".join((*self.flags, *self.libraries)).encode() + content).hexdigest()[:16]
        path = user_cache() / f"{self.name}-{digest}.so"
        if not path.exists():
            self._compile(path)
        return ctypes.CDLL(str(path))

    def _compile(self, path: Path) -> None:
        compiler = c_compiler()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            place = tempfile.TemporaryDirectory(dir=path.parent)
        except OSError as error:
            raise InputError(
                f"cannot keep {self.what} here: {error.strerror}",
                where=str(path.parent),
                accepted="a writable folder in PENSTOCK_CACHE_DIR",
            ) from error
        with place as temporary:
            built = Path(temporary) / path.name
            includes = [f"-I{self.folder / name}" for name in self.includes]
            sources = [str(self.folder / name) for name in self.sources]
            run_compiler([compiler, *self.flags, *includes, "-o", str(built), *sources, *self.libraries])
            os.replace(built, path)


def c_compiler() -> str:
    """The C compiler's path.

    Raises:
        ToolMissing: none is installed.
    """
    found = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    if found is None:
        raise ToolMissing("no C compiler (cc, gcc or clang) is on PATH", accepted="apt install gcc libc6-dev")
    return found


def run_compiler(command: Sequence[str], folder: Path | None = None) -> None:
    """Run a compiler, in a folder.

    Raises:
        OSError: the disk is full.
        PassError: it refuses what it is given.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if _NO_SPACE in done.stderr:
        raise OSError(errno.ENOSPC, _NO_SPACE)
    raise PassError(f"the C compiler failed: {done.stderr.strip()[:2000]}", where=command[0])
