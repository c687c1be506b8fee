"""Runs a Composition of Experts: images mapped from files are the far memory, a machine's slots the near one.

A table of experts, least recently used first, says who is in a slot (SN40L, MICRO 2024, section V-B). The
router names an expert for every prompt of a batch; an expert that is not in a slot is copied into one, and
run. While it runs, those named next are copied by another thread, as many as asked for.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from ...ir.bundle import open_bundle
from ...ir.errors import BundleError, InputError
from ...ir.weights import Weights, map_weights
from ...sim.cost.coe import ExpertCache
from .loader import Program, load

BACKEND = "coe"
ROUTER, SHAPE = "router", "expert"
"""Folders of the bundles of the router and of the program that runs every expert."""
IMAGE = "experts/{:04d}.safetensors"
INPUT = "input_ids"
CHOICE = "expert"
"""Who answers a prompt, where that is to be private."""


@dataclass
class Counters:
    """What happened so far: counts, bytes, and seconds spent running, copying and waiting for copies."""

    requests: int = 0
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    copied_bytes: int = 0
    written_back_bytes: int = 0
    router_s: float = 0.0
    run_s: float = 0.0
    copy_s: float = 0.0
    wait_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The counters as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """One prompt's expert, and what it said: logits [1, s, vocabulary]."""

    expert: int
    logits: np.ndarray


class Runner(Protocol):
    """A program that may be given other weights than its own, by their address."""

    def run(
        self, inputs: Mapping[str, Any], *, threads: int | None = None, weights: int | None = None
    ) -> dict[str, Any]:
        """Outputs by name."""
        ...


class Slots(Protocol):
    """Places for images in the near memory."""

    def address(self, slot: int) -> int:
        """Where a program finds a slot's image."""
        ...

    def copy(self, slot: int, image: np.ndarray) -> None:
        """Bring an image into a slot; returns when it is there. Any thread may call it."""
        ...


class Machine(Protocol):
    """What runs a composition."""

    def load(self, path: Path) -> Runner:
        """A bundle's program."""
        ...

    def slots(self, count: int, size: int) -> Slots:
        """Room for ``count`` images of ``size`` bytes."""
        ...


class HostSlots:
    """Places for images in main memory, on pages of their own."""

    def __init__(self, count: int, size: int) -> None:
        self.places = [np.frombuffer(mmap.mmap(-1, size), np.uint8) for _ in range(count)]

    def address(self, slot: int) -> int:
        """See `Slots`."""
        return self.places[slot].ctypes.data

    def copy(self, slot: int, image: np.ndarray) -> None:
        """See `Slots`."""
        np.copyto(self.places[slot], image)


class Host:
    """This machine's CPU."""

    def load(self, path: Path) -> Program:
        """See `Machine`."""
        return load(path)

    def slots(self, count: int, size: int) -> HostSlots:
        """See `Machine`."""
        return HostSlots(count, size)


class Composition:
    """An opened composition. A context manager: leaving it ends the copying thread.

    Args:
        path: the bundle.
        slots: experts the near memory holds.
        ahead: of a batch's next experts, how many are copied while one runs.
        threads: of a run; as many as the process may use when None.
        machine: what it was compiled for; this machine's CPU when None.

    Raises:
        BundleError: the bundle is missing, corrupt, or no composition.
        InputError: no slot, or a negative number ahead.
    """

    def __init__(
        self,
        path: str | Path,
        slots: int,
        *,
        ahead: int = 0,
        threads: int | None = None,
        machine: Machine | None = None,
    ) -> None:
        if ahead < 0:
            raise InputError(f"{ahead} experts ahead", accepted="0 or more")
        files = open_bundle(path)
        facts = files.manifest["backends"].get(BACKEND)
        if facts is None:
            raise BundleError("holds no experts", where=str(path), accepted="a bundle of zoo:coe")
        self.count: int = facts["experts"]
        self.length: int = facts["length"]
        self.private: tuple[str, ...] = tuple(facts.get("private", ()))
        machine = machine or Host()
        self.router, self.program = machine.load(files.path / ROUTER), machine.load(files.path / SHAPE)
        self.images: list[Weights] = [map_weights(files.file(IMAGE.format(n))) for n in range(self.count)]
        self.ahead, self.threads = ahead, threads
        self.cache = ExpertCache(slots)
        self.counters = Counters()
        near = min(slots, self.count)
        self._slots = machine.slots(near, self.image_bytes)
        self._free = list(range(near))
        self._slot_of: dict[int, int] = {}
        self._coming: dict[int, Future[float]] = {}
        self._copier = ThreadPoolExecutor(1, "copy")

    @property
    def image_bytes(self) -> int:
        """Bytes of one expert's image."""
        return len(self.images[0].data)

    def __enter__(self) -> Composition:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._copier.shutdown()

    def route(self, prompts: np.ndarray) -> list[int]:
        """The expert the router names for each prompt [b, s].

        Raises:
            InputError: prompts of another length or type.
        """
        self.check(prompts)
        begin = time.perf_counter()
        named = [int(np.argmax(_only(self._ask(self.router, prompt)))) for prompt in prompts]
        self.counters.router_s += time.perf_counter() - begin
        return named

    def run(self, prompts: np.ndarray, experts: Sequence[int] | None = None) -> list[Answer]:
        """Answer a batch of prompts [b, s], one after another.

        Args:
            prompts: int64 tokens.
            experts: who answers each; the router's choice when None.

        Raises:
            InputError: prompts of another length or type, no such expert, or a choice that is private.
        """
        self.check(prompts)
        if self.private:
            told = "PrivateExperts"
            raise InputError("who is in a slot shows a choice that is private", accepted=told)
        named = self.route(prompts) if experts is None else list(experts)
        if len(named) != len(prompts) or not all(0 <= each < self.count for each in named):
            raise InputError(f"experts {named}", accepted=f"one for each prompt, from 0 to {self.count - 1}")
        self.counters.requests += len(named)
        answers, fetched = [], 0
        for at, expert in enumerate(named):
            if fetched == at:
                self._activate(expert, self._copy_now)
                fetched += 1
            address = self._arrived(expert)
            while fetched < min(len(named), at + 1 + self.ahead):
                if not self._activate(named[fetched], self._copy_beside):
                    break
                fetched += 1
            begin = time.perf_counter()
            logits = _only(self._ask(self.program, prompts[at], address))
            self.counters.run_s += time.perf_counter() - begin
            self.cache.unpin(expert)
            answers.append(Answer(expert, logits))
        return answers

    def _ask(self, program: Runner, prompt: np.ndarray, weights: int | None = None) -> dict[str, Any]:
        return program.run({INPUT: prompt[None]}, threads=self.threads, weights=weights)

    def check(self, prompts: np.ndarray) -> None:
        """Raise `InputError` for prompts of another length or type."""
        if prompts.ndim != 2 or prompts.shape[1] != self.length or prompts.dtype != np.int64:
            raise InputError(
                f"prompts of shape {list(prompts.shape)} and type {prompts.dtype}",
                accepted=f"int64 tokens [b, {self.length}]",
            )

    def _activate(self, expert: int, copy: Callable[[int, int], None]) -> bool:
        """Have an expert copied near, unless it is, and pin it; False where it must wait for a slot."""
        found = self.cache.activate(expert)
        if found is None:
            return False
        self.cache.pin(expert)
        if found.hit:
            self.counters.hits += 1
            return True
        self.counters.misses += 1
        if found.evicted is None:
            slot = self._free.pop()
        else:
            self.counters.evictions += 1
            slot = self._slot_of.pop(int(str(found.evicted)))
        self._slot_of[expert] = slot
        self.counters.copied_bytes += self.image_bytes
        copy(expert, slot)
        return True

    def _copy_now(self, expert: int, slot: int) -> None:
        """Copy on this thread: nobody runs meanwhile."""
        took = self._copy(expert, slot)
        self.counters.copy_s += took
        self.counters.wait_s += took

    def _copy_beside(self, expert: int, slot: int) -> None:
        """Copy on the other thread, one after another."""
        self._coming[expert] = self._copier.submit(self._copy, expert, slot)

    def _arrived(self, expert: int) -> int:
        """Wait until an expert is near; the address of its weights."""
        begin = time.perf_counter()
        coming = self._coming.pop(expert, None)
        if coming is not None:
            self.counters.copy_s += coming.result()
            self.counters.wait_s += time.perf_counter() - begin
        return self._slots.address(self._slot_of[expert])

    def _copy(self, expert: int, slot: int) -> float:
        """Copy an expert's image into a slot; the seconds it took."""
        begin = time.perf_counter()
        self._slots.copy(slot, self.images[expert].data)
        return time.perf_counter() - begin


def _only(outputs: dict[str, Any]) -> np.ndarray:
    """The one output of a program."""
    (value,) = outputs.values()
    return value
