"""Latency over the number of experts, and what fetching ahead gains: simulated, for the paper only plots it.

Batches of eight uniform requests, 20 tokens, with the fitted times; DGX takes the printed ratios of them.
Waiting begins at the first expert that does not fit in HBM, and a machine ends where its far memory is full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..sim.cost import coe
from .rows import Row

COUNTS = (10, 30, 38, 39, 45, 46, 60, 100, 150, 300, 850)
"""Of experts."""
BATCH, BATCHES = 8, 400
EXPERTS = 150
"""Where fetching ahead is compared."""
SOURCE = "figures 12 and 13 are plotted, not printed; simulated"
EXTENSION = "an extension of ours, not in the paper"


@dataclass(frozen=True)
class Service:
    """A machine with experts on it: what it is, its HBM's slots, and what a batch costs."""

    node: coe.Node
    slots: int
    work: coe.Workload

    def serve(self, experts: int, ahead: int = 0) -> coe.Served | None:
        """Serve all batches; None where the experts do not fit in the far memory."""
        if experts > self.node.stored(self.work.expert.bytes):
            return None
        requests = coe.batches_of(experts, BATCH, BATCHES)
        warm = range(min(experts, self.slots))
        return coe.serve(requests, self.work, self.node, self.slots, ahead=ahead, warm=warm)


def serving_rows(services: Mapping[str, Service]) -> list[Row]:
    """Rows of every machine."""
    return [row for name, service in services.items() for row in _rows(name, service)]


def _rows(name: str, service: Service) -> Iterator[Row]:
    for count in COUNTS:
        found = service.serve(count)
        note = "" if found else f"{service.node.far} holds fewer"
        seconds = found.seconds / BATCHES if found else None
        beside = {"hit_rate": found.hit_rate if found else None}
        yield Row(f"coe/batch_s/{name}/{count}", seconds, None, "s for eight prompts", SOURCE, beside, note)
    serial = service.serve(min(EXPERTS, service.node.stored(service.work.expert.bytes)))
    ahead = service.serve(min(EXPERTS, service.node.stored(service.work.expert.bytes)), ahead=1)
    gain = serial.seconds / ahead.seconds if serial and ahead else None
    share = serial.switching_share if serial else None
    yield Row(f"coe/prefetch_gain/{name}", gain, None, "×", EXTENSION, {"switching_share": share})
