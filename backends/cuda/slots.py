"""Slots for images in a GPU's memory: a Composition of Experts' near tier; the host's files are the far one.

An image goes through two pinned buffers: while one is on its way by a stream of the slots' own, the other is
filled. Kernels run on another stream meanwhile. See SN40L, MICRO 2024, section V-B.
"""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path

import numpy as np

from .device import Device
from .held import Held
from .loader import Program, load
from .plan import aligned

STAGE_BYTES = 16 << 20
"""Of each pinned buffer: long enough for the link's full rate."""


class GpuMachine:
    """A GPU that runs a composition: its programs, and slots in its memory.

    Args:
        device: which; the machine's first when None.

    Raises:
        ToolMissing: there is no GPU or no driver.
    """

    def __init__(self, device: Device | None = None) -> None:
        self.device = device or Device()

    def load(self, path: Path) -> Program:
        """A bundle's program on the device."""
        return load(path, self.device)

    def slots(self, count: int, size: int) -> GpuSlots:
        """Room for images."""
        return GpuSlots(self.device, count, size)


class GpuSlots:
    """Room for ``count`` images of ``size`` bytes, in one allocation.

    Raises:
        DeviceError: there is no such room.
    """

    def __init__(self, device: Device, count: int, size: int, stage: int = STAGE_BYTES) -> None:
        self.device, self.pitch, self.stage = device, aligned(size), stage
        held = Held(device)
        weakref.finalize(self, held.release)
        self.base = held.allocate(count * self.pitch)
        self._stream = held.stream()
        self._stages = [held.pinned(stage) for _ in range(2)]
        self._left = [held.event() for _ in self._stages]

    def address(self, slot: int) -> int:
        """Where a slot's image begins in the device's memory."""
        return self.base + slot * self.pitch

    def copy(self, slot: int, image: np.ndarray) -> None:
        """Bring an image of bytes into a slot; returns when it is there.

        Raises:
            DeviceError: a call of the driver failed.
        """
        call, source = self.device.call, image.__array_interface__["data"][0]
        self.device.enter()  # it may be another thread's call
        for number, start in enumerate(range(0, image.nbytes, self.stage)):
            stage, left = self._stages[number % 2], self._left[number % 2]
            if number >= 2:
                call("cuEventSynchronize", left)
            length = min(self.stage, image.nbytes - start)
            ctypes.memmove(stage, source + start, length)
            call("cuMemcpyHtoDAsync", self.address(slot) + start, stage, length, self._stream)
            call("cuEventRecord", left, self._stream)
        call("cuStreamSynchronize", self._stream)
