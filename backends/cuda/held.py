"""What is held of a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .device import Device


@dataclass
class Held:
    """Memory, streams, events, code and graphs of a device, let go of together, the last first."""

    device: Device
    lets: list[Callable[[], Any]] = field(default_factory=list)

    def allocate(self, size: int) -> int:
        """Device memory; its address."""
        (address,) = self.device.call("cuMemAlloc", max(size, 1))
        self._later("cuMemFree", address)
        return int(address)

    def pinned(self, size: int) -> int:
        """Host memory that copies need not stage; its address."""
        (address,) = self.device.call("cuMemAllocHost", size)
        self._later("cuMemFreeHost", address)
        return int(address)

    def stream(self) -> Any:
        """A stream."""
        kinds = self.device.api.CUstream_flags
        (stream,) = self.device.call("cuStreamCreate", kinds.CU_STREAM_NON_BLOCKING)
        self._later("cuStreamDestroy", stream)
        return stream

    def event(self) -> Any:
        """An event that takes no time."""
        kinds = self.device.api.CUevent_flags
        (event,) = self.device.call("cuEventCreate", kinds.CU_EVENT_DISABLE_TIMING)
        self._later("cuEventDestroy", event)
        return event

    def function(self, cubin: bytes, kernel: Any) -> Any:
        """A kernel of a cubin."""
        module, function = self.device.function(cubin, kernel)
        self._later("cuModuleUnload", module)
        return function

    def graph(self, enqueue: Callable[[], None], stream: Any) -> Any:
        """What is enqueued by a function, starting and ending on a stream, as a graph to launch."""
        mode = self.device.api.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self.device.call("cuStreamBeginCapture", stream, mode)
        try:
            enqueue()
        finally:
            (captured,) = self.device.call("cuStreamEndCapture", stream)
        (graph,) = self.device.call("cuGraphInstantiate", captured, 0)
        self.device.call("cuGraphDestroy", captured)
        self._later("cuGraphExecDestroy", graph)
        return graph

    def _later(self, name: str, handle: Any) -> None:
        self.lets.append(lambda: self.device.call(name, handle))

    def release(self) -> None:
        """Let go of everything."""
        if self.lets:
            self.device.enter()
        while self.lets:
            self.lets.pop()()
