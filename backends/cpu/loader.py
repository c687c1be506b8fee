"""Runs a CPU bundle: the library by ctypes, the weights mapped. Needs neither torch nor MLIR.

A program takes its inputs by name, picks the smallest entry they fit in, fills them up with the pad values
of the manifest and cuts the outputs back. All memory between steps is one arena, made once.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.bfloat16 import decode
from ...ir.bundle import BundleFiles, open_bundle
from ...ir.errors import BundleError, InputError, TargetError
from ...ir.memory import block
from ...ir.signature import Entry
from ...ir.targets.host import detect
from ...ir.weights import ALIGN, Weights
from .call import Call
from .inputs import Placed, address, choose_entry, cut, fill
from .keep import Keep
from .state import State

if TYPE_CHECKING:
    from .rows import Rows

BACKEND = "cpu"
PROFILE = "__profile__"
_WIDTHS = ("portable", "avx2", "avx512", "avx512bf16")

_PROBE = ctypes.CFUNCTYPE(
    None,
    ctypes.c_int32,
    ctypes.c_int32,
    ctypes.POINTER(ctypes.c_int32),
    ctypes.c_int32,
    ctypes.POINTER(ctypes.c_void_p),
)


class _Record(ctypes.Structure):
    """``pst_record`` of runtime.h."""

    _fields_ = [("step", ctypes.c_int32), ("call", ctypes.c_int32), ("nanoseconds", ctypes.c_int64)]


@dataclass(frozen=True)
class Step:
    """What a probe is told about the step it looks at.

    Attributes:
        number: of the step in ``cpu/program.json``.
        function: the model's function it is in.
        kernel: symbol of its kernel.
        name: of its group.
        nodes: per output the graph node it computes, or ``""``.
        instance: path of the layer it runs in, outermost first; empty outside of layers.
    """

    number: int
    function: str
    kernel: str
    name: str
    nodes: tuple[str, ...]
    instance: tuple[str, ...]


Probe = Callable[[Step, list[np.ndarray]], None]
"""Called after every step with its outputs, which are valid only during the call; bf16 ones as float32."""

_loaded: dict[tuple[str, str], Program] = {}
_loading = threading.Lock()


def load(path: str | Path) -> Program:
    """The program of a bundle; the same object for the same bundle within a process.

    Raises:
        BundleError: the bundle is missing, corrupt, or holds no CPU code.
        TargetError: it is compiled for instructions this machine does not have.
    """
    with _loading:
        bundle = open_bundle(path)
        key = (str(bundle.path.resolve()), bundle.manifest["seal"])
        if key not in _loaded:
            _loaded[key] = Program(bundle)
        return _loaded[key]


def aligned_array(shape: Sequence[int], dtype: str) -> np.ndarray:
    """A new array on a cache line, its contents undefined."""
    return _placed(shape, dtype)[0]


def _placed(shape: Sequence[int], dtype: str) -> Placed:
    kind = np.dtype(dtype)
    raw = np.empty(math.prod(shape) * kind.itemsize + ALIGN, np.uint8)
    place = address(raw)
    start = -place % ALIGN
    return np.ndarray(shape, kind, raw, start), place + start


class Program:
    """A compiled model in this process. Use `load`.

    Attributes:
        probed: whether runs call a probe after every step.
    """

    probed = True

    def __init__(self, bundle: BundleFiles) -> None:
        self.bundle = bundle
        self.entries: dict[str, Entry] = bundle.entries
        facts = bundle.manifest["backends"].get(BACKEND)
        if facts is None:
            raise BundleError(
                "holds no CPU code", where=str(bundle.path), accepted="a bundle compiled with --target cpu"
            )
        _check_machine(facts["isa"], bundle.path)
        self.isa: str = facts["isa"]
        self.tables: dict[str, Any] = bundle.json(facts["program"])
        streamed = self.tables.get("packed", False) or any(entry.states for entry in self.entries.values())
        self.weights: Weights = bundle.weights_in_memory() if streamed else bundle.weights()
        self._library = _library(bundle.file(facts["library"]))
        self._entries: Mapping[str, Mapping[str, Any]] = facts["entries"]
        self._arena = _Arena()
        self._rows: Rows | None = None
        self._functions: dict[tuple[str, int], tuple[Any, int]] = {}  # with the arena's bytes
        self._lock = threading.Lock()

    def run(
        self,
        inputs: Mapping[str, Any],
        entry: str | None = None,
        threads: int | None = None,
        probe: Probe | None = None,
        profile: bool = False,
        state: State | None = None,
        weights: int | None = None,
    ) -> dict[str, Any]:
        """Run the model.

        Args:
            inputs: arrays by name; ragged axes may be shorter than the entry's.
            entry: entry point; the smallest that fits when None.
            threads: as many as the process may use when None.
            probe: called after every step, on this thread.
            profile: adds the time of every step under ``__profile__``: rows of ``step`` (name), ``kernel``,
                ``instance`` and ``ms``.
            state: what earlier runs left, of `new_state`; updated. Zeros, and forgotten, when None.
            weights: address of the data of another image of the same arrays (`images.Images`); the bundle's
                own when None. On a cache line.

        Returns:
            Outputs by name, new arrays at every call.

        Raises:
            InputError: inputs that no entry takes; the message lists what is accepted.
        """
        chosen, arrays, extents = choose_entry(self.entries, inputs, entry)
        count = _thread_count(threads)
        given = [fill(spec, arrays[spec.name], aligned_array) for spec in chosen.inputs]
        if chosen.states:
            kept = state or self.new_state()
            given += [(kept.arrays[spec.name], address(kept.arrays[spec.name])) for spec in chosen.states]
        outputs = [_placed(spec.shape, spec.dtype) for spec in chosen.outputs]
        sources, targets = (_pointers([place for _, place in placed]) for placed in (given, outputs))
        watch = None
        if probe is not None or profile:
            watch = _Watch(self, probe, profile, int(self._entries[chosen.name]["steps"]))
        with self._lock, watch or _UNWATCHED:
            self._enter(chosen.name, sources, targets, count, weights)
        results: dict[str, Any] = {
            spec.name: cut(spec, array, extents)
            for spec, (array, _) in zip(chosen.outputs, outputs, strict=True)
        }
        if watch is not None and profile:
            results[PROFILE] = watch.rows()
        return results

    @property
    def rows(self) -> Rows | None:
        """Who answers look-ups by private indices; None where there are none. Made when first used."""
        if self._rows is None and "lookups" in self.tables:
            from .rows import Rows  # here, since few programs need a map and its ciphers

            self.look_up_by(Rows(self.tables, self.weights.arrays))
        return self._rows

    @contextmanager
    def answered_by(self, rows: Rows) -> Iterator[None]:
        """Another map answers inside the context."""
        before = self._rows
        self.look_up_by(rows)
        try:
            yield
        finally:
            self._rows = before
            if before is not None:
                self.look_up_by(before)

    def look_up_by(self, rows: Rows) -> None:
        """Let another map answer the look-ups."""
        self._rows = rows
        self._library.penstock_look_up_by(rows.client)

    def new_state(self) -> State:
        """The states as they are at first: zeros."""
        return State(next(iter(self.entries.values())).states)

    def bind(self, entry: str, state: State, threads: int | None = None) -> Call:
        """An entry with arrays of its own, for runs too short to make them each time."""
        chosen, count = self.entries[entry], _thread_count(threads)
        inputs = {spec.name: aligned_array(spec.shape, spec.dtype) for spec in chosen.inputs}
        outputs = {spec.name: aligned_array(spec.shape, spec.dtype) for spec in chosen.outputs}
        held = [*inputs.values(), *(state.arrays[spec.name] for spec in chosen.states)]
        given = _pointers([*map(address, held)])
        results = _pointers([*map(address, outputs.values())])

        def run() -> None:
            with self._lock:
                self._enter(entry, given, results, count)

        return Call(inputs, outputs, run)

    def arena_bytes(self, entry: str, threads: int | None = None) -> int:
        """Bytes of the arena of one entry: its frame and the workspaces of the threads."""
        size = getattr(self._library, self._entries[entry]["arena_bytes"])
        size.restype = ctypes.c_int64
        return int(size(ctypes.c_int(_thread_count(threads))))

    def _enter(self, name: str, inputs: Any, outputs: Any, threads: int, weights: int | None = None) -> None:
        """Call an entry's C function."""
        if (name, threads) not in self._functions:
            run = getattr(self._library, self._entries[name]["run"])
            run.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int]
            self._functions[name, threads] = run, self.arena_bytes(name, threads)
        rows = self.rows
        run, size = self._functions[name, threads]
        place = self.weights.address if weights is None else weights
        status = run(inputs, outputs, place, self._arena.address(size), threads)
        if rows is not None:
            rows.settle()
        if status:
            raise InputError(
                f"{threads} threads cannot be started: {os.strerror(status)}", accepted="fewer threads"
            )


class _Arena:
    """One block of memory for everything between steps, kept from run to run."""

    def __init__(self) -> None:
        self._block: mmap.mmap | None = None
        self._address = 0

    def address(self, size: int) -> int:
        """Where a block of at least that many bytes is; it starts on a page."""
        if self._block is None or len(self._block) < size:
            self._block = block(size)
            self._address = np.frombuffer(self._block, np.uint8).ctypes.data
        return self._address


_UNWATCHED = nullcontext()


@dataclass
class _Watch:
    """Looks at the run inside its context: hands steps to a probe, keeps the times of a profile."""

    program: Program
    probe: Probe | None
    profile: bool
    steps: int
    kept: Keep = field(default_factory=Keep)
    records: Any = None
    recorded: int = 0
    _callback: Any = field(default=None, repr=False)

    def __enter__(self) -> None:
        """Make the library call us during its next run."""
        library = self.program._library
        self._callback = _PROBE(self._seen) if self.probe is not None else _PROBE()
        self.records = (_Record * self.steps)() if self.profile else None
        library.penstock_observe(self._callback, self.records, ctypes.c_int64(self.steps))

    def __exit__(self, *_: object) -> None:
        """Collect, and leave the library unobserved; an error of the probe is raised here."""
        library = self.program._library
        self.recorded = library.penstock_recorded()
        library.penstock_observe(None, None, ctypes.c_int64(0))
        self.kept.settle()

    def _seen(self, number: int, depth: int, calls: Any, count: int, outputs: Any) -> None:
        if self.kept.error is None and self.probe is not None:
            with self.kept:
                self.probe(*self._view(number, calls[:depth], outputs[:count]))

    def _view(self, number: int, calls: list[int], outputs: list[int]) -> tuple[Step, list[np.ndarray]]:
        row = self.program.tables["steps"][number]
        names = self.program.tables["calls"]
        nodes = tuple(output["node"] for output in row["outputs"])
        instance = tuple(names[call] for call in calls)
        step = Step(number, row["function"], row["kernel"], row["name"], nodes, instance)
        return step, [_array_at(at, out) for at, out in zip(outputs, row["outputs"], strict=True)]

    def rows(self) -> list[dict[str, Any]]:
        """The profile: one row per step run, in order."""
        steps, calls = self.program.tables["steps"], self.program.tables["calls"]
        return [
            {
                "step": steps[record.step]["name"],
                "kernel": steps[record.step]["kernel"],
                "instance": calls[record.call] if record.call >= 0 else "",
                "ms": record.nanoseconds / 1e6,
            }
            for record in self.records[: self.recorded]
        ]


def _array_at(address: int, output: Mapping[str, Any]) -> np.ndarray:
    kind = np.dtype(output["dtype"])
    size = int(np.prod(output["shape"], dtype=np.int64)) * kind.itemsize
    raw = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
    array = raw.view(kind).reshape(output["shape"])
    return decode(array) if kind == np.uint16 else array  # NumPy's uint16 is bf16 in a module (ir/dtypes.py)


def _pointers(addresses: Sequence[int]) -> Any:
    return (ctypes.c_void_p * max(len(addresses), 1))(*addresses)


def _library(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise BundleError(
            f"the library does not load: {error}", where=str(path), accepted="compile again on this machine"
        ) from error


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return min(len(os.sched_getaffinity(0)), 255)
    if not 1 <= threads <= 255:
        raise InputError(f"{threads} threads", accepted="1 to 255")
    return threads


def _check_machine(isa: str, where: Path) -> None:
    here = detect().isa
    if isa not in _WIDTHS or _WIDTHS.index(isa) > _WIDTHS.index(here):
        raise TargetError(
            f"the bundle needs {isa} instructions, this machine has {here}",
            where=str(where),
            accepted=f"a bundle compiled for {here}",
        )
