"""The search as a shared library: compiled by the C compiler at first use, kept in the user's cache."""

from __future__ import annotations

import ctypes
import enum
import functools
from importlib import resources
from pathlib import Path

from ....ir.errors import InputError, ToolMissing
from ....ir.native import Native

SEARCH = Native(
    "offsets/search",
    "the compiled search",
    Path(str(resources.files(__name__.rpartition(".")[0]))),
    sources=("search.c", "greedy.c"),
    headers=("search.h", "greedy.h"),
    flags=("-std=c11", "-O3", "-fPIC", "-shared"),
)


class Problem(ctypes.Structure):
    """``pst_problem`` of search.h."""

    _fields_ = [
        ("count", ctypes.c_int32),
        ("sections", ctypes.c_int32),
        ("size", ctypes.c_void_p),
        ("align", ctypes.c_void_p),
        ("span_at", ctypes.c_void_p),
        ("spans", ctypes.c_void_p),
        ("neighbour_at", ctypes.c_void_p),
        ("neighbours", ctypes.c_void_p),
        ("twin", ctypes.c_void_p),
        ("pins", ctypes.c_int32),
        ("pin_bottom", ctypes.c_void_p),
        ("pin_top", ctypes.c_void_p),
        ("pin_span_at", ctypes.c_void_p),
        ("pin_spans", ctypes.c_void_p),
        ("fence_at", ctypes.c_void_p),
        ("fences", ctypes.c_void_p),
    ]


class Order(ctypes.Structure):
    """``pst_order`` of search.h."""

    _fields_ = [("keys", ctypes.c_int32), ("load_key", ctypes.c_int32), ("key", ctypes.c_void_p)]


class Status(enum.IntEnum):
    """How a run of the search ended."""

    FOUND = 0
    NONE = 1
    LIMIT = 2
    STOPPED = 3
    MEMORY = 4


def available() -> bool:
    """Whether the search can run here: compiled before, or a compiler and a cache to keep it in."""
    try:
        library()
    except (ToolMissing, InputError):
        return False
    return True


@functools.cache
def library() -> ctypes.CDLL:
    """The search.

    Raises:
        ToolMissing: it is not in the cache and there is no C compiler.
        InputError: the cache cannot be written.
    """
    loaded = SEARCH.load()
    pointer, int32 = ctypes.c_void_p, ctypes.c_int32
    loaded.pst_search_open.restype = pointer
    loaded.pst_search_open.argtypes = (pointer, pointer, int32, int32)
    loaded.pst_search_close.argtypes = (pointer,)
    loaded.pst_search_run.argtypes = (pointer, int32, pointer, ctypes.c_int64, pointer, pointer)
    loaded.pst_search_nodes.restype = ctypes.c_int64
    loaded.pst_search_nodes.argtypes = (pointer,)
    loaded.pst_greedy.argtypes = (int32, int32, *[pointer] * 6, int32, pointer, pointer)
    return loaded
