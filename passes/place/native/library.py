"""The game and the searches as a shared library: compiled at first use, in a second or two."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np

from ....ir.native import Native

NATIVE = Native(
    "place/game",
    "the compiled memory-mapping game",
    Path(str(resources.files(__name__.rpartition(".")[0]))),
    sources=("rules.c", "games.c", "board.c", "laying.c", "search.c", "sort.c"),
    headers=("tables.h", "rules.h", "games.h", "board.h", "laying.h", "search.h", "sort.h", "random.h"),
    # Products and sums are not fused: a plan is the same on every machine.
    flags=("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-shared"),
    libraries=("-lm",),
)

_AT, _INT, _SECONDS = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
_YES, _SEED = ctypes.c_int32, ctypes.c_uint32
_FUNCTIONS = {
    "pst_reach_back": (_INT, (_AT, _AT, _INT, _INT, _SECONDS, _AT)),
    "pst_best_gap": (_INT, (_AT, _AT, _INT, _INT, _INT)),
    "pst_is_clear": (_YES, (_AT, _AT, _INT, _INT, _INT, _INT)),
    "pst_begin": (None, (_AT, _AT)),
    "pst_settle": (_YES, (_AT, _AT)),
    "pst_step": (_SECONDS, (_AT, _AT, _INT)),
    "pst_latency_s": (_SECONDS, (_AT, _AT)),
    "pst_play_random": (_SECONDS, (_AT, _AT, _SEED)),
    "pst_play_greedy": (_SECONDS, (_AT, _AT)),
    "pst_play_admitted": (_SECONDS, (_AT, _AT, _AT)),
    "pst_insert_by_priority": (_SECONDS, (_AT, _AT, _AT, _INT, _AT, _AT)),
    "pst_copy_to": (None, (_AT, _AT, _AT)),
    "pst_saved_s": (_SECONDS, (_AT, _AT, _INT)),
    "pst_serve": (None, (_AT, _AT, _INT)),
    "pst_put": (_INT, (_AT, _AT, *[_INT] * 7)),
    "pst_clear_class": (None, (_AT, _AT, _AT, _INT)),
    "pst_price": (_SECONDS, (_AT, _AT, _AT)),
    "pst_furthest": (_INT, (_AT, _AT, _AT, _INT, _INT, _INT, _AT)),
    "pst_place_class": (None, (_AT, _AT, _AT, _INT, _SECONDS)),
    "pst_lay": (None, (_AT, _AT, _AT, _INT, _SECONDS, _SECONDS, _AT)),
    "pst_evolve": (_YES, (*[_AT] * 5, _INT, _INT, _AT, _AT, _YES, _SEED, _INT, _AT)),
    "pst_ruin_and_recreate": (_YES, (*[_AT] * 5, _INT, _AT, _AT, _AT, _SEED, _INT, _AT)),
}
"""What each returns and takes; the headers say what it does."""


def declared(loaded: ctypes.CDLL, names: Iterable[str] = tuple(_FUNCTIONS)) -> ctypes.CDLL:
    """A library with the types of its functions."""
    for name in names:
        function = getattr(loaded, name)
        function.restype, function.argtypes = _FUNCTIONS[name]
    return loaded


@functools.cache
def library() -> ctypes.CDLL:
    """The game.

    Raises:
        ToolMissing: it is not in the cache and there is no C compiler.
        InputError: the cache cannot be written.
    """
    return declared(NATIVE.load())


def addresses(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Where arrays lie, in their order: what C takes for a struct of pointers to them. They must outlive it.

    Raises:
        ValueError: an array that is not in one piece.
    """
    kept = tuple(arrays)
    if not all(array.flags.c_contiguous for array in kept):
        raise ValueError("an array in parts")
    return np.array([array.ctypes.data for array in kept], np.uintp)
