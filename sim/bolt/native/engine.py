"""The oblivious map at native speed: `model.BoltMap`'s responses, trace and image, bit for bit.

AES and carry-less products by the machine's instructions where it has them. It computes what the accelerator
computes; it does not hide its own memory accesses from a machine it shares.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ....ir.errors import FaultError, InputError
from ..batches import Accesses, Answers
from ..config import BoltConfig, Op
from ..counters import Counters
from ..keys import Keys
from ..memory import EVENT, HostMemory
from ..packet import Response, Status
from ..start import Records, input_address, input_pages, memory_bytes, pass_frames, ranges
from ..tape import Tape
from .library import FAULTS, TOLD, Sizes, library

_STEP = 1 << 16
"""Accesses of a call into C, so that a long batch can be interrupted."""
_EVENTS_PER_ACCESS = 4


@dataclass(frozen=True)
class Snapshot:
    """What the engine holds, for tests.

    Attributes:
        loads: ``[bins]`` keys of each bin.
        write_counters: ``[host bins]``.
        frames_used, hbm, queued: frames in use, H and Q.
    """

    loads: np.ndarray
    write_counters: np.ndarray
    frames_used: int
    hbm: int
    queued: int


class NativeMap(Accesses):
    """A map of 32-bit keys to values of a fixed size, its pages in memory that an adversary owns.

    Args:
        config: sizes.
        seed: of the keys, when none are given.
        keys: the secrets.
        memory: for the pages; a new bytearray by default. Its `read` and `write` are not called.
        tape: words in place of the generator's.
        initial: records to begin with, streamed into the image instead of put one by one.
        portable: leave the machine's cipher instructions alone.

    Raises:
        InputError: memory that is too small, or cannot be had.
        FaultError: a bound overflowed with the initial records.
    """

    def __init__(
        self,
        config: BoltConfig,
        seed: int = 0,
        *,
        keys: Keys | None = None,
        memory: HostMemory | None = None,
        tape: Tape | None = None,
        initial: Records | None = None,
        portable: bool = False,
    ) -> None:
        super().__init__(config)
        self._opened = None
        self._told: FaultError | None = None
        keys = keys or Keys.from_seed(seed)
        wanted = memory_bytes(config, initial)
        self.memory = memory or HostMemory.of(wanted)
        if len(self.memory.data) < wanted:
            raise InputError(
                f"{len(self.memory.data)} bytes", where="host memory", accepted=f"{wanted} bytes at least"
            )
        self._tape = tape
        self._library = library()
        sizes = Sizes(
            config.base,
            config.bins,
            config.hbm_bins,
            config.slots,
            config.value_bytes,
            config.frames,
            config.buckets,
            config.page_bytes,
            not portable,
        )
        # Kept, so that the bytes stay where they are for as long as the engine may touch them.
        self._image = (ctypes.c_char * len(self.memory.data)).from_buffer(self.memory.data)
        secrets = keys.page + keys.prf + keys.drbg + keys.input
        self._opened = self._library.pst_bolt_open(ctypes.byref(sizes), secrets, ctypes.byref(self._image))
        if not self._opened:
            raise InputError("no memory for a map of this size", where="NativeMap", accepted="a smaller one")
        self._begin(initial)

    def __del__(self) -> None:
        if getattr(self, "_opened", None):
            self._library.pst_bolt_close(self._opened)
            self._opened = None

    @property
    def fault(self) -> FaultError | None:
        """What stopped the map for good."""
        state = self._state()[0]
        if not state[0] or self._told is not None:
            return self._told
        where = f"host bin {state[1]}" if state[0] == 1 else "the oblivious map"
        return FaultError(FAULTS[int(state[0])], where=where)

    def stop(self, error: FaultError) -> None:
        """Stop for good, as for a fault of its own."""
        if self.fault is None:
            self._told = error
            self._library.pst_bolt_stop(self._opened, TOLD, 0)

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        return Counters(*map(int, self._state()[1]))

    def snapshot(self) -> Snapshot:
        """What the engine holds."""
        state = self._state()[0]
        loads = np.zeros(self.config.bins, np.uint8)
        written = np.zeros(self.config.host_bins, np.uint64)
        self._library.pst_bolt_bins(self._opened, _at(loads), _at(written))
        return Snapshot(loads, written, *map(int, state[3:]))

    def secrets(self) -> bytes:
        """The page cipher's state and the frames' values: zeros after a fault."""
        held = ctypes.create_string_buffer(self._library.pst_bolt_secrets(self._opened, None))
        self._library.pst_bolt_secrets(self._opened, held)
        return held.raw

    def access(self, op: Op, key: int = 0, value: bytes = b"") -> Response:
        """One access; see `model.BoltMap.access`."""
        self.check(op, key, value)
        data = np.frombuffer(value, np.uint8)[None] if value else None
        answers = self.run(op, np.array([key]), data)
        status = Status.FOUND if answers.found[0] else Status.ABSENT
        return Response(status, key, answers.values[0].tobytes())

    def run(self, ops: ArrayLike, keys: ArrayLike, values: ArrayLike | None = None) -> Answers:
        """Accesses in order; see `batches.Accesses.run`."""
        codes, numbers, data = self.batch(ops, keys, values)
        if (stopped := self.fault) is not None:
            raise stopped
        answers = self.no_answers(len(numbers))
        first = int(self._state()[1][0])
        for start in range(0, len(numbers), _STEP):
            part = slice(start, min(start + _STEP, len(numbers)))
            self._run(codes[part], numbers[part], data[part], first + start, answers, part)
        return answers

    def _run(
        self,
        codes: np.ndarray,
        numbers: np.ndarray,
        data: np.ndarray,
        first: int,
        answers: Answers,
        part: slice,
    ) -> None:
        count = len(numbers)
        tape = None
        if self._tape is not None:
            tape = np.array([self._tape(first + at) for at in range(count)], np.uint64)
        trace = self._events(_EVENTS_PER_ACCESS * count)
        traced, done = ctypes.c_size_t(), ctypes.c_size_t()
        found, values = answers.found[part], answers.values[part]
        fault = self._library.pst_bolt_run(
            self._opened,
            count,
            *map(_at, (codes, numbers, data if len(data) else None, tape, found, values, trace)),
            ctypes.byref(traced),
            ctypes.byref(done),
        )
        self._note(trace, traced.value)
        if fault and (stopped := self.fault) is not None:
            raise stopped

    def _begin(self, initial: Records | None) -> None:
        config = self.config
        if initial is None:
            trace = self._events(config.host_bins)
            self._library.pst_bolt_empty(self._opened, _at(trace))
            self._note(trace, config.host_bins)
            return
        initial.check(config)
        keys, values = map(np.ascontiguousarray, (initial.keys, initial.values))
        address = input_address(config)
        self._library.pst_bolt_lay(self._opened, address, len(keys), _at(keys), _at(values))
        parts = ranges(config)
        ends = np.array([config.hbm_bins, *(part.stop for part in parts)], np.uint32)
        trace = self._events(config.host_bins + len(parts) * input_pages(config, initial))
        traced = ctypes.c_size_t()
        fault = self._library.pst_bolt_stream(
            self._opened,
            address,
            len(keys),
            len(parts),
            _at(ends),
            pass_frames(config),
            _at(trace),
            ctypes.byref(traced),
        )
        if fault < 0:
            raise InputError("no memory for a pass", where="NativeMap", accepted="a smaller map")
        self._note(trace, traced.value)
        if fault and (stopped := self.fault) is not None:
            raise stopped

    def _events(self, count: int) -> np.ndarray | None:
        return None if self.memory.trace is None else np.zeros(count, EVENT)

    def _note(self, trace: np.ndarray | None, count: int) -> None:
        if trace is not None and self.memory.trace is not None:
            self.memory.trace.extend(trace[:count])

    def _state(self) -> tuple[np.ndarray, np.ndarray]:
        state, count = np.zeros(6, np.uint64), np.zeros(9, np.uint64)
        self._library.pst_bolt_state(self._opened, _at(state), _at(count))
        return state, count


def _at(array: np.ndarray | None) -> int | None:
    """Where an array's bytes begin."""
    return None if array is None else array.ctypes.data
