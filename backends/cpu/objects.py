"""Kernels to object files, on several cores.

MLIR holds Python's lock while it lowers, so processes share the work. Run as a module, this is the worker:
kernel text on standard input, an object file on standard output.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from .isa import Isa, isa_named
from .kernels import lower

# About a second's work: less is not worth a process, which takes half a second to start.
_SHARE_BYTES = 150_000


@dataclass
class _Share:
    """The kernels one process lowers; no process means this one does."""

    texts: list[str]
    process: subprocess.Popen[bytes] | None = None


class Lowering:
    """Lowers kernels, begun in the background when made, ended by `finish`.

    Args:
        texts: ``func.func`` operations, as `Kernel.mlir` has them.
        isa: instruction set.
    """

    def __init__(self, texts: Sequence[str], isa: Isa) -> None:
        self._isa = isa
        count = min(len(os.sched_getaffinity(0)), sum(map(len, texts)) // _SHARE_BYTES)
        self._shares = [_Share(part) for part in _parts(texts, max(count, 1))]
        for share in self._shares[1:]:
            share.process = _start(share.texts, isa)

    def finish(self) -> list[bytes]:
        """The object files.

        Raises:
            PassError: a kernel does not lower.
        """
        if not self._shares[0].texts:  # a model that only copies has no kernel
            return []
        objects = [lower(self._shares[0].texts, self._isa)]
        for share in self._shares[1:]:
            assert share.process is not None
            code, _ = share.process.communicate()
            # What a worker could not do is done here, and raises the error here if there is one.
            objects.append(code if share.process.returncode == 0 else lower(share.texts, self._isa))
        return objects

    def __enter__(self) -> Lowering:
        return self

    def __exit__(self, *error: object) -> None:
        for share in self._shares:
            process = share.process
            if process is not None and process.stdout is not None and not process.stdout.closed:
                process.kill()
                process.communicate()


def _parts(texts: Sequence[str], count: int) -> list[list[str]]:
    """The texts in that many parts of about the same length."""
    parts: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for text in sorted(texts, key=len, reverse=True):
        least = sizes.index(min(sizes))
        parts[least].append(text)
        sizes[least] += len(text)
    return parts


def _start(texts: Sequence[str], isa: Isa) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as given:
        given.write("\n".join(texts).encode())
        given.seek(0)
        command = [sys.executable, "-m", __name__, isa.name]
        return subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def main() -> None:
    """The worker."""
    text = sys.stdin.buffer.read().decode()
    sys.stdout.buffer.write(lower([text], isa_named(sys.argv[1])))


if __name__ == "__main__":
    main()
