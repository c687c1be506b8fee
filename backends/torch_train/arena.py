"""Transient tensors of a block's programs at planned places of one arena.

All layers' forwards and backwards use the same places, so nothing is allocated and freed for them (MEMO,
SIGMOD 2025, arXiv 2407.12117, section 4.2). A call's result is placed where the call can write into given
memory; what it returns to the caller is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from ...ir.swap_plan import place
from .capture import Trace
from .program import WRITES_OUT, Program


@dataclass(frozen=True)
class Request:
    """A transient tensor: live in the half-open span of steps ``[start, end)`` of its program."""

    value: int
    start: int
    end: int
    bytes: int


Planner = Callable[[Sequence[Request]], tuple[Sequence[int], int]]
"""Offsets of requests, multiples of what `place` rounds to, and the bytes they need in all."""


def first_fit(requests: Sequence[Request]) -> tuple[list[int], int]:
    """The largest first, each at the lowest place free for its life."""
    offsets: dict[int, int] = {}
    for at in sorted(range(len(requests)), key=lambda each: -requests[each].bytes):
        own, low = requests[at], 0
        beside = sorted(
            (offsets[other], offsets[other] + requests[other].bytes)
            for other in offsets
            if requests[other].start < own.end and own.start < requests[other].end
        )
        for start, end in beside:
            if low + own.bytes <= start:
                break
            low = max(low, end)
        offsets[at] = low
    peak = max((offsets[at] + each.bytes for at, each in enumerate(requests)), default=0)
    return [offsets[at] for at in range(len(requests))], peak


def requests(program: Program, trace: Trace, elsewhere: Collection[int]) -> list[Request]:
    """A program's transient tensors that can be placed.

    Args:
        program: what is run.
        trace: what its values are numbered in.
        elsewhere: values whose memory is settled: skeletal ones, and the block's output.
    """
    settled = {trace.value(each).storage for each in (*elsewhere, *program.results) if trace.values[each]}
    made: dict[int, tuple[int, int]] = {}
    last: dict[int, int] = {}
    for at, step in enumerate(program.steps):
        for value in (*step.reads, *(each for each in step.results if each is not None)):
            if trace.values[value] is not None:
                last[trace.value(value).storage] = at
        value = step.results[0]
        if value is None or step.several or trace.values[value] is None:
            continue
        storage = trace.value(value).storage
        if storage not in made and storage not in settled and step.op in WRITES_OUT:
            made[storage] = (value, at)
    return [
        Request(value, at, last[storage] + 1, place(_bytes(trace, value)))
        for storage, (value, at) in made.items()
    ]


def _bytes(trace: Trace, value: int) -> int:
    form = trace.value(value)
    return prod(form.shape) * form.dtype.itemsize


class Arena:
    """One stretch of memory for all programs; they run one after the other.

    Attributes:
        bytes: its size, that of the program that needs most.
    """

    def __init__(self, planner: Planner = first_fit) -> None:
        self.bytes = 0
        self._planner = planner
        self._planned: list[tuple[dict[int, Tensor], Trace, list[Request], Sequence[int]]] = []

    def add(self, program: Program, trace: Trace, homes: dict[int, Tensor]) -> None:
        """Plan a program's transient tensors; `take` adds their places to the settled ones in `homes`."""
        wanted = requests(program, trace, homes)
        offsets, size = self._planner(wanted)
        self.bytes = max(self.bytes, size)
        self._planned.append((homes, trace, wanted, offsets))

    def take(self, device: torch.device) -> None:
        """Take the memory, and name the places in it."""
        memory = torch.empty(self.bytes, dtype=torch.uint8, device=device)
        for homes, trace, wanted, offsets in self._planned:
            for request, offset in zip(wanted, offsets, strict=True):
                form = trace.value(request.value)
                flat = memory[offset : offset + request.bytes].view(form.dtype)
                homes[request.value] = form.over(flat)
        self._planned.clear()
