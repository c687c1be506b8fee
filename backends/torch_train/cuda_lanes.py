"""Lanes on a GPU: the caller's stream computes, and two streams of our own copy.

The compute stream is taken before any of ours is made current: inside ``torch.cuda.stream(ours)`` the current
stream is ours, and a wait for it would be none (torchtitan #2581).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...ir.errors import InputError
from .lanes import COMPUTE, D2H, H2D, Copy, Event


class CudaLanes:
    """`lanes.Lanes` on CUDA's streams.

    Buffers and slab live as long as the lanes do, so no memory has to be told of the streams that use it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._streams: dict[str, torch.cuda.Stream] = {
            COMPUTE: torch.cuda.current_stream(device),
            D2H: torch.cuda.Stream(device),
            H2D: torch.cuda.Stream(device),
        }

    def begin(self) -> None:
        """See `Lanes`."""
        current = torch.cuda.current_stream(self.device)
        if current in (self._streams[D2H], self._streams[H2D]):
            raise InputError("a step begins on a copying stream", accepted="the caller's own stream")
        if current != self._streams[COMPUTE]:
            current.wait_stream(self._streams[COMPUTE])  # the last step's work on buffers and slab
            self._streams[COMPUTE] = current

    def record(self, lane: str, event: Event) -> None:
        """See `Lanes`."""
        if event.mark is None:
            event.mark = torch.cuda.Event()
        event.mark.record(self._streams[lane])

    def wait(self, lane: str, event: Event) -> None:
        """See `Lanes`."""
        if event.mark is not None:
            self._streams[lane].wait_event(event.mark)

    def copy(self, lane: str, copies: Sequence[Copy]) -> None:
        """See `Lanes`."""
        with torch.cuda.stream(self._streams[lane]):
            for target, source in copies:
                target.copy_(source, non_blocking=True)

    def touch(self, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
        """See `Lanes`."""

    def finish(self) -> None:
        """See `Lanes`."""
        for stream in self._streams.values():
            stream.synchronize()

    def close(self) -> None:
        """See `Lanes`."""
        self.finish()
