"""The engine as a shared library: compiled by the C compiler at first use, kept in the user's cache."""

from __future__ import annotations

import ctypes
import functools
from importlib import resources
from pathlib import Path

from ....ir.native import Native

ENGINE = Native(
    "bolt/map",
    "the compiled oblivious map",
    Path(str(resources.files(__name__.rpartition(".")[0]))),
    sources=("map.c", "access.c", "start.c", "gcm.c", "gcm_x86.c"),
    headers=("map.h", "gcm.h"),
    flags=("-std=c11", "-O3", "-fPIC", "-shared"),
)
FAULTS = {
    1: "the page's tag does not match",
    2: "all frames are in use",
    3: "all entries of the overflow stash are in use",
    4: "both buckets and the CAM are full",
    5: "the tag of a page of records does not match",
    6: "a pass keeps more records than its frames hold",
}
"""``pst_fault`` of map.h in words."""
TOLD = 7
"""A fault found outside the engine."""


class Sizes(ctypes.Structure):
    """``pst_sizes`` of map.h."""

    _fields_ = [
        ("base", ctypes.c_uint64),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "bins",
                "hbm_bins",
                "slots",
                "value_bytes",
                "frames",
                "buckets",
                "page_bytes",
                "fast",
            )
        ),
    ]


@functools.cache
def library() -> ctypes.CDLL:
    """The engine.

    Raises:
        ToolMissing: it is not in the cache and there is no C compiler.
        InputError: the cache cannot be written.
    """
    loaded = ENGINE.load()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    loaded.pst_bolt_open.restype = pointer
    loaded.pst_bolt_open.argtypes = (pointer, ctypes.c_char_p, pointer)
    loaded.pst_bolt_close.argtypes = (pointer,)
    loaded.pst_bolt_stop.argtypes = (pointer, ctypes.c_int, ctypes.c_uint32)
    loaded.pst_bolt_empty.argtypes = (pointer, pointer)
    loaded.pst_bolt_lay.argtypes = (pointer, ctypes.c_uint64, size, pointer, pointer)
    loaded.pst_bolt_stream.argtypes = (
        pointer,
        ctypes.c_uint64,
        size,
        size,
        pointer,
        ctypes.c_uint64,
        pointer,
        pointer,
    )
    loaded.pst_bolt_run.argtypes = (pointer, size, *[pointer] * 9)
    loaded.pst_bolt_secrets.restype = size
    loaded.pst_bolt_secrets.argtypes = (pointer, pointer)
    loaded.pst_bolt_state.argtypes = (pointer,) * 3
    loaded.pst_bolt_bins.argtypes = (pointer,) * 3
    return loaded
