"""Runs of pcu_main.cpp: configurations of a PCU with their operands, and what the oracle makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.sim.rtl.sn40l_pcu.oracle import Stream, run
from penstock.sim.rtl.sn40l_pcu.registers import Configuration

Words = NDArray[np.uint32]
UNCHECKED = 0xFFFFFFFF
OFTEN = 65536


@dataclass(frozen=True)
class Pace:
    """How a run is fed and drained.

    Attributes:
        gap: part of the cycles in which a source waits.
        closed: part in which the sink is not ready.
        late: cycles at most until a credit comes back.
        withheld: no credit comes back before this cycle.
        reset: cycle of a reset, after which it begins anew.
        stop: cycle of a reset that ends it.
    """

    gap: float = 0.0
    closed: float = 0.0
    late: int = 0
    withheld: int = 0
    reset: int = 0
    stop: int = 0


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        configuration: of the PCU.
        operands: of each queue; None where it takes part in another's.
        pace: of its bench.
        seed: of the pauses.
        cycles: that it must take; 0: any.
        stats: what it adds to the counters; None: anything.
        depth: credits of the sources.
        extra: packets nobody takes: plane and flow.
    """

    configuration: Configuration
    operands: Sequence[Stream]
    pace: Pace = Pace()
    seed: int = 1
    cycles: int = 0
    stats: tuple[int | None, ...] = (None,) * 4
    depth: int = 32
    limit: int = 200_000
    extra: tuple[tuple[int, int], ...] = field(default=())

    def words(self) -> Words:
        """As the bench reads it."""
        it = self.configuration
        registers = [word for pair in it.words() for word in pair]
        sources: list[Words] = []
        seen: dict[tuple[int, int], int] = {}
        for at, queue in enumerate(it.queues):
            if queue is not None:
                key = (queue.plane, queue.flow)
                seen[key] = seen.get(key, 0) | 1 << at
        for (plane, flow), queues in seen.items():
            first = (queues & -queues).bit_length() - 1
            packets = _packets(self.operands[first])
            sources.append(np.append(np.uint32([plane, flow, queues, self.depth, len(packets)]), packets))
        for plane, flow in self.extra:
            sources.append(np.uint32([plane, flow, 0, self.depth, 1, *range(9)]))
        results = _packets(run(it, self.operands))
        pace = self.pace
        header = [self.seed, int(pace.gap * OFTEN), int(pace.closed * OFTEN), pace.late, pace.withheld]
        header += [pace.reset, pace.stop, self.cycles]
        header += [UNCHECKED if each is None else each for each in self.stats]
        header += [self.limit, len(registers) // 2, len(sources), len(results)]
        parts = [np.array(header, np.uint32), np.array(registers, np.uint32), *sources, results.ravel()]
        return np.concatenate([part.ravel() for part in parts])

    def at(self, pace: Pace, seed: int = 1) -> Run:
        """The same at another pace."""
        return replace(self, pace=pace, seed=seed)


def _packets(stream: Stream) -> Words:
    words = np.ascontiguousarray(stream.vectors, np.float32).view(np.uint32)
    return np.concatenate([stream.poison.astype(np.uint32)[:, None], words], axis=1)


def write(runs: Iterable[Run], path: Path) -> Path:
    """Runs, one after the other without a reset, to a file."""
    np.concatenate([each.words() for each in runs]).tofile(path)
    return path
