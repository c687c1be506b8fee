"""The rules of MMG-1 on flat arrays, in C: which moves an access has, what each does, drop-backup.

MMG-1 is a single-player game after mallocGame (Wang et al., arXiv 2305.07440), whose published text leaves
rules open. Accesses are decided in execution order: *drop* (served from slow memory), *keep* (no copy: it
stays in fast memory, or is made there) or *copy* (brought in for this use, or made in fast memory and
written back). The rules pick offset and time.

Where a rule could be read two ways, here it is so:

- A copy in walks back from the instruction before its use and stops after the last instruction at whose
  end its slow bytes became valid; its rectangle starts at the earliest instruction it took time from, or
  at the use itself. Where no rectangle fits that span the move is illegal: the walk is not shortened.
- A tensor whose rectangle covers the use has nothing to copy in: that copy is illegal.
- A write-back takes idle time after its instruction, earliest first; what is left at the end of the program
  stalls after the last instruction. Its rectangle lasts as long as it does.
- *extend* holds a rectangle to its use, *reserve* to the tensor's last one. Decisions follow the program, so
  no rectangle begins after the instruction being decided: a gap that fits to a use fits to every later one,
  and "the furthest use that fits", which matters when tensors are placed in another order, is the last.
- A class of two or more members is decided once: its first decision fixes slow memory, or fast memory and
  the offset, for every access of every member. A lone tensor may lie here now and there later.
- The gap for a class is sought for its largest member. Members overlap freely, at their one offset.
- After a dead end the state before the class's first decision is restored by playing the moves again.

Idle slow time grows as accesses move to fast memory, so time once charged stays within it.
"""

from __future__ import annotations

import ctypes
import math
from typing import NamedTuple, Protocol

import numpy as np

from ...ir.errors import PlanError
from .native import library

DROP, KEEP, COPY = 0, 1, 2
EXTEND, RESERVE = 0, 1
UNDECIDED, SLOW, FAST = 0, 1, 2
POINTER, RECTANGLES, BACKUPS = 0, 1, 2
TINY_S = 1e-15
"""Idle time that rounding leaves behind is not worth touching, seconds."""


class Tables(NamedTuple):
    """A problem on a machine: ``pst_tables`` of native/tables.h. A: accesses, N: instructions, X: tensors."""

    instruction: np.ndarray  # [A]
    tensor: np.ndarray  # [A]
    output: np.ndarray  # [A]
    slow_s: np.ndarray  # [A] time of the access in slow memory
    fast_s: np.ndarray  # [A] … in fast memory
    compute_s: np.ndarray  # [N]
    traffic_s: np.ndarray  # [N] all accesses in slow memory
    height: np.ndarray  # [X] size, rounded up to the alignment
    need: np.ndarray  # [X] largest height in its class
    demand_s: np.ndarray  # [X] time to copy the tensor
    movable: np.ndarray  # [X] its class may lie in fast memory
    param: np.ndarray  # [X]
    result: np.ndarray  # [X]
    group: np.ndarray  # [X] alias class
    shared: np.ndarray  # [X] that class has other members
    final: np.ndarray  # [X] instruction of its last access
    machine: np.ndarray  # [5] capacity rounded down to the alignment, variant, A, N, X
    at: np.ndarray  # [17] addresses of the others


class State(NamedTuple):
    """Where a game stands: ``pst_state`` of native/tables.h; it is saved and restored by copying arrays."""

    head: np.ndarray  # [3] access to decide, rectangles, backups
    slow_s: np.ndarray  # [N] time of what slow memory serves
    fast_s: np.ndarray  # [N]
    charged_s: np.ndarray  # [N] idle slow time used by copies
    r_offset: np.ndarray  # [A] rectangles, by offset
    r_top: np.ndarray  # [A]
    r_first: np.ndarray  # [A]
    r_last: np.ndarray  # [A]
    r_tensor: np.ndarray  # [A]
    score_s: np.ndarray  # [1] latency saved so far
    moves: np.ndarray  # [A] decided
    stall_s: np.ndarray  # [N]
    slow_ready: np.ndarray  # [X] instruction at whose end slow memory holds the tensor; 1 << 60: never
    cur_offset: np.ndarray  # [X] its current rectangle
    cur_first: np.ndarray  # [X] -1: none
    cur_last: np.ndarray  # [X]
    group_memory: np.ndarray  # [X] by class
    group_offset: np.ndarray  # [X]
    group_first: np.ndarray  # [X] access that decided the class first; -1
    forced: np.ndarray  # [X] classes that drop-backup keeps in slow memory
    log: np.ndarray  # [X, 2] backups: access of the dead end, class
    legal: np.ndarray  # [3] moves of the access to decide, and what each would do:
    o_offset: np.ndarray  # [3]
    o_first: np.ndarray  # [3]
    o_last: np.ndarray  # [3]
    o_ready: np.ndarray  # [3]
    o_stall_s: np.ndarray  # [3]
    o_gain_s: np.ndarray  # [3] latency it saves, stall deducted
    at: np.ndarray  # [28] addresses of the others


class Memory(Protocol):
    """What a `State` and a `board.Board` begin with."""

    @property
    def at(self) -> np.ndarray:
        """Addresses of its arrays."""
        ...


def reach_back(T: Tables, M: Memory, start: int, stop: int, demand: float) -> tuple[int, float]:
    """(earliest instruction touched, time left over) of a copy walking from start back to stop."""
    left = ctypes.c_double()
    first = library().pst_reach_back(T.at.ctypes, M.at.ctypes, start, stop, demand, ctypes.byref(left))
    return first, left.value


def best_gap(T: Tables, M: Memory, x: int, first: int, last: int) -> int:
    """Offset of the smallest gap over a span that takes the tensor's class, ties low; -1 if none."""
    return library().pst_best_gap(T.at.ctypes, M.at.ctypes, x, first, last)


def is_clear(T: Tables, M: Memory, x: int, offset: int, first: int, last: int) -> bool:
    """Whether the tensor's bytes at an offset are free over a span, its shared class apart."""
    return bool(library().pst_is_clear(T.at.ctypes, M.at.ctypes, x, offset, first, last))


def begin(T: Tables, S: State) -> None:
    """The start of the program; forced classes and the log of backups stay."""
    library().pst_begin(T.at.ctypes, S.at.ctypes)


def settle(T: Tables, S: State) -> None:
    """Find the moves of the access to decide; back up while it has none.

    Raises:
        PlanError: it backs up more often than there are classes, which is a mistake of ours.
    """
    sound(1.0 if library().pst_settle(T.at.ctypes, S.at.ctypes) else math.nan)


def step(T: Tables, S: State, move: int) -> float:
    """Do a legal move; the reward is the change of the score, backups included.

    Raises:
        PlanError: as `settle`.
    """
    return sound(library().pst_step(T.at.ctypes, S.at.ctypes, move))


def latency_s(T: Tables, S: State) -> float:
    """Time of the whole program as decided so far, the rest served from slow memory."""
    return library().pst_latency_s(T.at.ctypes, S.at.ctypes)


def sound(seconds: float) -> float:
    """What a game returned.

    Raises:
        PlanError: it is no number: the rules ran into what they exclude.
    """
    if math.isnan(seconds):
        raise PlanError("a game that backs up more often than it has classes", where="MMG-1")
    return seconds
