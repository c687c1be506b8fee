"""A map over Path ORAM (Stefanov et al., arXiv 1202.5150), not recursive, with the same ciphers as the map.

The position map is trusted and free of charge, as the oblivious map's is; write counters give freshness. So
it is the leanest Path ORAM there is, and a fair peer.
"""

from __future__ import annotations

import ctypes
import functools
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ....ir.errors import FaultError, InputError
from ....ir.native import Native
from ..batches import Accesses, Answers
from ..config import BoltConfig, Op
from ..keys import Keys
from ..packet import Response, Status
from ..start import Records

_SOURCES = Native(
    "bolt/path_oram",
    "the compiled Path ORAM",
    Path(str(resources.files(__name__.rpartition(".")[0]))),
    sources=("path_oram.c", "../native/gcm.c", "../native/gcm_x86.c"),
    headers=("../native/gcm.h",),
    flags=("-std=c11", "-O3", "-fPIC", "-shared"),
    includes=("../native",),
)


class PathOram(Accesses):
    """A map of as many keys as its tree has leaves.

    Args:
        config: capacity and value size are taken.
        seed: of the keys.
        initial: records to begin with.

    Raises:
        InputError: records that do not fit, or no memory.
    """

    def __init__(self, config: BoltConfig, seed: int = 0, *, initial: Records | None = None) -> None:
        super().__init__(config)
        self._opened = None
        self._library = _library()
        size = self._library.pst_oram_bucket_bytes(config.value_bytes)
        self.image = np.zeros(2 * config.capacity * size, np.uint8)
        keys = Keys.from_seed(seed)
        self._opened = self._library.pst_oram_open(
            config.capacity, config.value_bytes, keys.page + keys.drbg, self.image.ctypes.data
        )
        if not self._opened:
            raise InputError("no memory for a tree of this size", where="PathOram", accepted="fewer keys")
        records = initial or Records(np.zeros(0, np.uint32), np.zeros((0, config.value_bytes), np.uint8))
        records.check(config)
        given, values = map(np.ascontiguousarray, (records.keys, records.values))
        filled = self._library.pst_oram_fill(self._opened, len(given), given.ctypes.data, values.ctypes.data)
        if filled < 0:
            raise InputError("no memory to fill the tree", where="PathOram", accepted="fewer keys")
        self._check(filled)

    def __del__(self) -> None:
        if getattr(self, "_opened", None):
            self._library.pst_oram_close(self._opened)
            self._opened = None

    @property
    def most_stashed(self) -> int:
        """The most blocks that an access left in the stash."""
        return self._library.pst_oram_most_stashed(self._opened)

    def access(self, op: Op, key: int = 0, value: bytes = b"") -> Response:
        """One access: a path read and written, whatever the operation."""
        self.check(op, key, value)
        data = np.frombuffer(value, np.uint8)[None] if value else None
        answers = self.run(op, np.array([key]), data)
        status = Status.FOUND if answers.found[0] else Status.ABSENT
        return Response(status, key, answers.values[0].tobytes())

    def run(self, ops: ArrayLike, keys: ArrayLike, values: ArrayLike | None = None) -> Answers:
        """Accesses in order; see `batches.Accesses.run`."""
        codes, numbers, data = self.batch(ops, keys, values)
        answers = self.no_answers(len(numbers))
        arrays = (codes, numbers, data if len(data) else None, answers.found, answers.values)
        places = [None if each is None else each.ctypes.data for each in arrays]
        self._check(self._library.pst_oram_run(self._opened, len(numbers), *places))
        return answers

    def _check(self, fault: int) -> None:
        if fault:
            raise FaultError("a bucket's tag does not match, or the stash is full", where="PathOram")


@functools.cache
def _library() -> ctypes.CDLL:
    loaded = _SOURCES.load()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    loaded.pst_oram_bucket_bytes.restype = ctypes.c_uint64
    loaded.pst_oram_bucket_bytes.argtypes = (ctypes.c_uint32,)
    loaded.pst_oram_open.restype = pointer
    loaded.pst_oram_open.argtypes = (ctypes.c_uint64, ctypes.c_uint32, ctypes.c_char_p, pointer)
    loaded.pst_oram_close.argtypes = (pointer,)
    loaded.pst_oram_fill.argtypes = (pointer, size, pointer, pointer)
    loaded.pst_oram_run.argtypes = (pointer, size, *[pointer] * 5)
    loaded.pst_oram_most_stashed.restype = ctypes.c_uint32
    loaded.pst_oram_most_stashed.argtypes = (pointer,)
    return loaded
