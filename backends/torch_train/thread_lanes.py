"""Lanes without a GPU: the caller's thread computes, one thread copies to the host and one copies back."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .lanes import COMPUTE, D2H, H2D, Copy, Event


class _Worker:
    """A thread that does what it is given, in order; what goes wrong is raised where it is waited for."""

    def __init__(self, name: str) -> None:
        self.jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.failed: list[BaseException] = []
        self.thread = threading.Thread(target=_work, args=(self.jobs, self.failed), name=name, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.jobs.put(None)
        self.thread.join()


def _work(jobs: queue.SimpleQueue[Callable[[], object] | None], failed: list[BaseException]) -> None:
    with torch.no_grad():
        while (job := jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - raised again where the lane is waited for
                failed.append(error)


class ThreadLanes:
    """`lanes.Lanes` on threads; the compute lane's work is done when the caller's calls return."""

    def __init__(self) -> None:
        self._workers = {lane: _Worker(f"penstock-{lane}") for lane in (D2H, H2D)}
        self._end = weakref.finalize(self, _end, tuple(self._workers.values()))

    def begin(self) -> None:
        """See `Lanes`."""

    def record(self, lane: str, event: Event) -> None:
        """See `Lanes`."""
        event.mark = mark = threading.Event()
        if lane == COMPUTE:
            mark.set()
        else:
            self._workers[lane].jobs.put(mark.set)

    def wait(self, lane: str, event: Event) -> None:
        """See `Lanes`."""
        mark = event.mark
        if mark is None:
            return
        if lane == COMPUTE:
            mark.wait()
            self._raise()
        else:
            self._workers[lane].jobs.put(mark.wait)

    def copy(self, lane: str, copies: Sequence[Copy]) -> None:
        """See `Lanes`."""
        for target, source in copies:
            self._workers[lane].jobs.put(lambda target=target, source=source: target.copy_(source))

    def touch(self, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
        """See `Lanes`."""

    def finish(self) -> None:
        """See `Lanes`."""
        for lane in self._workers:
            done = Event("finish", 0)
            self.record(lane, done)
            done.mark.wait()
        self._raise()

    def close(self) -> None:
        """See `Lanes`."""
        self._end()

    def _raise(self) -> None:
        for worker in self._workers.values():
            if worker.failed:
                raise worker.failed.pop()


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.end()
