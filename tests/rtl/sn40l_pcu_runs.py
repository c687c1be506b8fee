"""Runs of pcu_main.cpp: configurations of a PCU with their operands, and what the oracle makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.sim.cost.fabric.pcu import activity
from penstock.sim.rtl.sn40l_pcu.oracle import Stream, run
from penstock.sim.rtl.sn40l_pcu.registers import Configuration

Words = NDArray[np.uint32]
UNCHECKED = 0xFFFFFFFF
LOST = 1 << 31
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
        exact: whether cycles and counters must be the model's, of a run without stalls.
        lost: whether a packet must have been lost since the reset.
        depth: credits of the sources.
        sets: of accumulators.
        limit: cycles at most.
        extra: packets nobody takes: plane and flow.
        results: that must leave; None: the oracle's.
        sparse: whether only registers that are not 0 are written, as after a reset.
    """

    configuration: Configuration
    operands: Sequence[Stream]
    pace: Pace = Pace()
    seed: int = 1
    exact: bool = False
    lost: bool = False
    depth: int = 32
    sets: int = 2
    limit: int = 30_000
    extra: tuple[tuple[int, int], ...] = ()
    sparse: bool = False
    results: Stream | None = None

    def words(self) -> Words:
        """As the bench reads it."""
        it = self.configuration
        registers = [word for pair in it.words() if pair[1] or not self.sparse for word in pair]
        sources: list[Words] = []
        seen: dict[tuple[int, int], int] = {}
        for at, queue in enumerate(it.queues):
            if queue is not None:
                key = (queue.plane, queue.flow)
                seen[key] = seen.get(key, 0) | 1 << at
        for (plane, flow), queues in seen.items():
            packets = _packets(self.operands[_first(queues)])
            sources.append(
                np.append(np.array([plane, flow, queues, self.depth, len(packets)], np.uint32), packets)
            )
        for plane, flow in self.extra:
            sources.append(np.array([plane, flow, 0, self.depth, 1, *range(9)], np.uint32))
        poisoned = sum(int(self.operands[_first(queues)].poison.sum()) for queues in seen.values())
        results = _packets(run(it, self.operands) if self.results is None else self.results)
        pace, told = self.pace, activity(it, sets=self.sets)
        header = [self.seed, int(pace.gap * OFTEN), int(pace.closed * OFTEN), pace.late, pace.withheld]
        header += [pace.reset, pace.stop, told.total if self.exact else 0]
        header += [told.works, told.starved, told.blocked] if self.exact else [UNCHECKED] * 3
        partly = pace.stop and poisoned  # how many have come by then is not known
        header += [UNCHECKED if partly else poisoned + (LOST if self.lost else 0), self.limit]
        header += [len(registers) // 2, len(sources), len(results)]
        parts = [np.array(header, np.uint32), np.array(registers, np.uint32), *sources, results.ravel()]
        return np.concatenate([part.ravel() for part in parts])

    def at(self, pace: Pace, seed: int = 1) -> Run:
        """The same at another pace."""
        return replace(self, pace=pace, seed=seed)


def _first(queues: int) -> int:
    """The lowest of a set of queues."""
    return (queues & -queues).bit_length() - 1


def _packets(stream: Stream) -> Words:
    words = np.ascontiguousarray(stream.vectors, np.float32).view(np.uint32)
    return np.concatenate([stream.poison.astype(np.uint32)[:, None], words], axis=1)


def write(runs: Iterable[Run], path: Path) -> Path:
    """Runs, one after the other without a reset, to a file."""
    np.concatenate([each.words() for each in runs]).tofile(path)
    return path
