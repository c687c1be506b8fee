"""The game's moves for compiled Python: calls of the same C that `rules` calls."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
from numba import njit, types

from ..native import library

for name in ("pst_begin", "pst_settle", "pst_step"):  # compiled code is kept, and finds them by name
    llvm.add_symbol(name, ctypes.cast(getattr(library(), name), ctypes.c_void_p).value)

_POINTER = types.voidptr
_begin = types.ExternalFunction("pst_begin", types.void(_POINTER, _POINTER))
_settle = types.ExternalFunction("pst_settle", types.int32(_POINTER, _POINTER))
_step = types.ExternalFunction("pst_step", types.float64(_POINTER, _POINTER, types.int64))


@njit(cache=True)
def begin(T, S):
    """As `rules.begin`."""
    _begin(T.at.ctypes, S.at.ctypes)


@njit(cache=True)
def settle(T, S):
    """As `rules.settle`, whose error does not happen."""
    _settle(T.at.ctypes, S.at.ctypes)


@njit(cache=True)
def step(T, S, move):
    """As `rules.step`."""
    return _step(T.at.ctypes, S.at.ctypes, move)
