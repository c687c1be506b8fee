"""Serving requests: a router, then the experts it picked one after another, each copied near if it is not.

The time of a batch is that of SN40L's section VI-C: the router once, a copy for each expert that is not near,
a run for each prompt. Fetching ahead is an extension of ours: while an expert runs, those picked next are
copied through the same link. Copies, one after another, never overwrite who runs or waits to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ....ir.errors import InputError
from .cache import ExpertCache
from .machine import Node
from .model import Expert, popularity


@dataclass(frozen=True)
class Workload:
    """What every request costs.

    Attributes:
        expert: sizes; all experts are alike.
        router_s: of a whole batch.
        run_s: of one prompt on its expert, all its tokens.
    """

    expert: Expert
    router_s: float
    run_s: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(each) and each >= 0 for each in (self.router_s, self.run_s)):
            raise InputError(f"times of {self.router_s} and {self.run_s} s", accepted="finite, 0 s or more")


@dataclass(frozen=True)
class Served:
    """What serving took.

    Attributes:
        requests, batches: how many.
        seconds: until the last prompt is done.
        router_s, run_s: spent in routers and in runs.
        wait_s: spent waiting for an expert; the three add up to `seconds`.
        hits, misses: requests that found their expert near, and that did not.
        evictions: experts that made room.
        copied_bytes, written_back_bytes: moved far to near, and near to far.
    """

    requests: int
    batches: int
    seconds: float
    router_s: float
    run_s: float
    wait_s: float
    hits: int
    misses: int
    evictions: int
    copied_bytes: int
    written_back_bytes: int

    @property
    def hit_rate(self) -> float:
        """Share of requests that found their expert near; 0 where there were none."""
        return self.hits / self.requests if self.requests else 0.0

    @property
    def switching_share(self) -> float:
        """Share of the time spent waiting for experts."""
        return self.wait_s / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return {**asdict(self), "hit_rate": self.hit_rate, "switching_share": self.switching_share}


def batches_of(
    experts: int, batch: int, batches: int, *, exponent: float = 0.0, seed: int = 0
) -> list[list[int]]:
    """Batches of independent requests, by expert number: uniform, or Zipf's with an exponent.

    Raises:
        InputError: no experts, an exponent below 0, or fewer batches or prompts than one.
    """
    if batch < 1 or batches < 1:
        raise InputError(f"{batches} batches of {batch}", accepted="one or more of one or more")
    generator = np.random.default_rng(seed)
    drawn = generator.choice(experts, size=(batches, batch), p=popularity(experts, exponent))
    return drawn.tolist()


def serve(
    requests: Iterable[Sequence[int]],
    work: Workload,
    node: Node,
    slots: int,
    *,
    ahead: int = 0,
    warm: Iterable[int] = (),
) -> Served:
    """Serve batches of requests one after another.

    Args:
        requests: expert numbers, batch by batch.
        work: what each costs.
        node: the machine.
        slots: experts its near memory holds.
        ahead: how many of a batch's next experts are fetched while one runs; 0: the paper's order.
        warm: experts near at the start.

    Raises:
        InputError: no slot, or a negative number to fetch ahead.
    """
    if ahead < 0:
        raise InputError(f"{ahead} experts ahead", accepted="0 or more")
    desk = _Desk(work, node, ExpertCache(slots), ahead)
    for expert in warm:
        desk.cache.activate(expert)
    for batch in requests:
        desk.run(batch)
    return desk.served()


class _Desk:
    """The state of a service: the cache, the clock, and when each copy under way ends."""

    def __init__(self, work: Workload, node: Node, cache: ExpertCache, ahead: int) -> None:
        self.work, self.node, self.cache, self.ahead = work, node, cache, ahead
        self.now = self.link_free = self.wait = 0.0
        self.ready: dict[int, float] = {}
        self.batches = self.requests = self.misses = self.evictions = self.written = 0

    def run(self, batch: Sequence[int]) -> None:
        """One batch: the router, then its prompts in order."""
        self.batches += 1
        self.requests += len(batch)
        self.now += self.work.router_s
        fetched = 0  # prompts of this batch whose experts are near, or on their way, and pinned
        for at, expert in enumerate(batch):
            if fetched == at:
                self._fetch(expert)
                fetched += 1
            start = max(self.now, self.ready.pop(expert, 0.0))
            self.wait += start - self.now
            self.now = start
            while fetched < min(len(batch), at + 1 + self.ahead) and self._fetch(batch[fetched]):
                fetched += 1
            self.now += self.work.run_s
            if self.work.expert.writable_bytes:
                self.cache.write(expert)
            self.cache.unpin(expert)

    def _fetch(self, expert: int) -> bool:
        """Start to bring an expert near and pin it; False where it must wait for a slot."""
        found = self.cache.activate(expert)
        if found is None:
            return False
        self.cache.pin(expert)
        if found.hit:
            return True
        self.misses += 1
        self.evictions += found.evicted is not None
        begin = max(self.now, self.link_free)
        if found.write_back:
            self.written += self.work.expert.writable_bytes
            begin += self.node.write_back_s(self.work.expert.writable_bytes)
        self.link_free = self.ready[expert] = begin + self.node.copy_s(self.work.expert.bytes)
        return True

    def served(self) -> Served:
        """What it came to."""
        return Served(
            requests=self.requests,
            batches=self.batches,
            seconds=self.now,
            router_s=self.batches * self.work.router_s,
            run_s=self.requests * self.work.run_s,
            wait_s=self.wait,
            hits=self.requests - self.misses,
            misses=self.misses,
            evictions=self.evictions,
            copied_bytes=self.misses * self.work.expert.bytes,
            written_back_bytes=self.written,
        )
