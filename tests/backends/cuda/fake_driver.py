"""A driver without a GPU: it checks every call of the loader, and carries launches out in the emulator.

Its functions have the names and results of ``cuda.bindings.driver``. Memory is a NumPy array behind made-up
addresses; a graph is the list of what was captured, each with what it waits for by streams and events, which
are held to what capture allows: with a seed it is carried out in any order that these give. A capture is its
thread's, as the loader asks for; others go on meanwhile, on streams of their own.
"""

from __future__ import annotations

import ctypes
import re
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from penstock.backends.cuda.kernel import Buffer, Kernel, Scalar, TensorMap
from penstock.backends.cuda.tensor_map import ENCODE
from penstock.ir.dtypes import BY_MLIR

from .fake_graph import Recorded, drawn

OK, BASE = 0, 0x7F0000000000
_STATIC = re.compile(r"(?<!extern )__shared__ (\w+|long long) \w+\[(\d+)\];")
_SIZES = {"float": 4, "int": 4, "double": 8, "long long": 8}
Execute = Callable[[Kernel, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def declared_bytes(source: str) -> int:
    """Shared memory that a source declares itself: it counts beside what a launch asks for."""
    return sum(_SIZES[kind] * int(count) for kind, count in _STATIC.findall(source))


class Misuse(AssertionError):
    """A call that a real driver would refuse, or worse, carry out."""


@dataclass
class FakeDriver:
    """The driver of one made-up device.

    Attributes:
        kernels: what may be launched, with sources, by name.
        execute: carries one launch out; launches are only checked when None.
        capability: of the device.
        seed: of the order in which a graph is carried out; as captured when None.
    """

    kernels: Mapping[str, Kernel]
    execute: Execute | None = None
    capability: tuple[int, int] = (9, 0)
    seed: int | None = None
    calls: list[str] = field(default_factory=list)
    live: dict[int, str] = field(default_factory=dict)
    launches: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.entered: set[int] = set()  # threads
        self.capturing: int | None = None
        self.capturer = 0  # its thread
        self.captured: list[Recorded] = []
        self.joined: set[int] = set()
        self.graphs: dict[int, list[Recorded]] = {}
        self.functions: dict[int, Kernel] = {}
        self.shared: dict[int, int] = {}
        self.maps: dict[bytes, SimpleNamespace] = {}
        self.encode = ENCODE(self._encode)
        self.recorded: dict[int, int] = {}  # event → stream
        self.tails: dict[int, frozenset[int]] = {}  # stream, event → what has ended when it has
        self.pinned: dict[int, Any] = {}
        self.next = 100
        self.CUdevice_attribute = SimpleNamespace(
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR=75, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR=76
        )
        self.CUfunction_attribute = SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8)
        self.CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
        self.CUevent_flags = SimpleNamespace(CU_EVENT_DEFAULT=0, CU_EVENT_DISABLE_TIMING=2)
        self.CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)
        self.CUtensorMapInterleave = SimpleNamespace(CU_TENSOR_MAP_INTERLEAVE_NONE=0)
        self.CUtensorMapSwizzle = SimpleNamespace(
            CU_TENSOR_MAP_SWIZZLE_NONE=0,
            CU_TENSOR_MAP_SWIZZLE_32B=32,
            CU_TENSOR_MAP_SWIZZLE_64B=64,
            CU_TENSOR_MAP_SWIZZLE_128B=128,
        )
        self.CUtensorMapL2promotion = SimpleNamespace(CU_TENSOR_MAP_L2_PROMOTION_L2_256B=3)
        self.CUtensorMapFloatOOBfill = SimpleNamespace(CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE=0)
        types = ("BFLOAT16", "FLOAT16", "FLOAT32", "INT32", "INT64", "UINT16", "UINT8")
        self.CUtensorMapDataType = SimpleNamespace(
            **{f"CU_TENSOR_MAP_DATA_TYPE_{name}": number for number, name in enumerate(types)}
        )
        self.CUresult = int

    # The device.

    def _new(self, kind: str) -> int:
        self.next += 1
        self.live[self.next] = kind
        return self.next

    def _drop(self, handle: int, kind: str) -> tuple[int]:
        if self.live.pop(handle, None) != kind:
            raise Misuse(f"{handle} is no {kind} that is alive")
        return (OK,)

    def _need(self, handle: int, kind: str) -> None:
        if threading.get_ident() not in self.entered:
            raise Misuse("no context is this thread's")
        if self.live.get(handle) != kind:
            raise Misuse(f"{handle} is no {kind} that is alive")

    def cuInit(self, flags: int) -> tuple[int]:
        return (OK,)

    def cuGetErrorString(self, status: int) -> tuple[int, bytes]:
        return OK, b"made up"

    def cuDeviceGetCount(self) -> tuple[int, int]:
        return OK, 1

    def cuDeviceGet(self, ordinal: int) -> tuple[int, int]:
        return OK, ordinal

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[int, int]:
        return OK, 7

    def cuCtxSetCurrent(self, context: int) -> tuple[int]:
        assert context == 7
        self.entered.add(threading.get_ident())
        return (OK,)

    def cuDeviceGetAttribute(self, kind: int, device: int) -> tuple[int, int]:
        return OK, self.capability[kind - 75]

    # Memory.

    def cuMemAlloc(self, size: int) -> tuple[int, int]:
        if self.memory.size:
            raise Misuse("a second allocation")
        self.memory = np.full(size, 0xCD, np.uint8)
        self.live[BASE] = "memory"
        return OK, BASE

    def cuMemFree(self, address: int) -> tuple[int]:
        return self._drop(address, "memory")

    def _bytes(self, address: int, size: int) -> np.ndarray:
        self._need(BASE, "memory")
        start = address - BASE
        if start < 0 or start + size > self.memory.size:
            raise Misuse(f"bytes {start} to {start + size} of {self.memory.size}")
        return self.memory[start : start + size]

    def cuMemAllocHost(self, size: int) -> tuple[int, int]:
        held = ctypes.create_string_buffer(size)
        self.pinned[ctypes.addressof(held)] = held
        return OK, ctypes.addressof(held)

    def cuMemFreeHost(self, address: int) -> tuple[int]:
        del self.pinned[address]
        return (OK,)

    def cuMemcpyHtoDAsync(self, to: int, source: int, size: int, stream: int) -> tuple[int]:
        if any(start <= source <= start + len(held) - size for start, held in self.pinned.items()):
            target = self._bytes(to, size)  # read when it is carried out, not now
            return self._do("fetch", stream, lambda: ctypes.memmove(_address(target), source, size))
        held, target = ctypes.string_at(source, size), self._bytes(to, size)
        return self._do(
            "upload", stream, lambda: target.__setitem__(slice(None), np.frombuffer(held, np.uint8))
        )

    def cuMemcpyDtoHAsync(self, to: int, source: int, size: int, stream: int) -> tuple[int]:
        held = self._bytes(source, size)
        return self._do("download", stream, lambda: ctypes.memmove(to, held.tobytes(), size))

    def cuMemcpyDtoDAsync(self, to: int, source: int, size: int, stream: int) -> tuple[int]:
        target, held = self._bytes(to, size), self._bytes(source, size)
        return self._do("copy", stream, lambda: target.__setitem__(slice(None), held.copy()))

    def cuMemsetD8Async(self, to: int, value: int, size: int, stream: int) -> tuple[int]:
        target = self._bytes(to, size)
        return self._do("clear", stream, lambda: target.__setitem__(slice(None), value))

    # Code.

    def cuModuleLoadData(self, image: bytes) -> tuple[int, int]:
        if image[:4] != b"\x7fELF":
            raise Misuse("no cubin")
        return OK, self._new("module")

    def cuModuleUnload(self, module: int) -> tuple[int]:
        return self._drop(module, "module")

    def cuModuleGetFunction(self, module: int, name: bytes) -> tuple[int, int]:
        self._need(module, "module")
        function = self._new("function")
        self.functions[function] = self.kernels[name.decode()]
        return OK, function

    def cuFuncSetAttribute(self, function: int, kind: int, value: int) -> tuple[int]:
        self._need(function, "function")
        self.shared[function] = value
        return (OK,)

    def cuGetProcAddress(self, name: bytes, version: int, flags: int) -> tuple[int, int, int]:
        if name != b"cuTensorMapEncodeTiled":
            raise Misuse(f"no function {name!r}")
        address = ctypes.cast(self.encode, ctypes.c_void_p).value
        assert address is not None
        return OK, address, 0

    def _encode(self, place: int, *given: Any) -> int:
        """A tensor map as 128 bytes: the address, and which map it is; 1 for what the driver refuses."""
        _, rank, address, extents, strides, box, steps, _, swizzle, _, _ = given
        dims, sides = extents[:rank], box[:rank]
        apart = strides[: rank - 1]
        refused = (
            place % 64,
            address % 16,
            any(stride % 16 or not 0 < stride < 1 << 40 for stride in apart),
            any(not 0 < extent <= 1 << 32 for extent in dims),
            any(not 0 < side <= 256 for side in sides),
            steps[:rank] != [1] * rank,
        )
        if any(refused):
            return 1
        text = struct.pack("<QQ", address, len(self.maps)).ljust(128, b"\0")
        self.maps[text] = SimpleNamespace(dims=dims, strides=apart, box=sides, swizzle=swizzle)
        ctypes.memmove(place, text, 128)
        return 0

    # Streams, events, graphs.

    def _captures(self, stream: int) -> bool:
        """Whether a call of this thread, on a stream, is one during a capture."""
        if self.capturing is None:
            return False
        own = self.capturer == threading.get_ident()
        if stream in self.joined and not own:
            raise Misuse("another thread's call on a stream that is captured")
        return own

    def cuStreamCreate(self, flags: int) -> tuple[int, int]:
        return OK, self._new("stream")

    def cuStreamDestroy(self, stream: int) -> tuple[int]:
        return self._drop(stream, "stream")

    def cuStreamSynchronize(self, stream: int) -> tuple[int]:
        self._need(stream, "stream")
        if self._captures(stream):
            raise Misuse("waits while it captures")
        return (OK,)

    def cuEventCreate(self, flags: int) -> tuple[int, int]:
        return OK, self._new("event")

    def cuEventDestroy(self, event: int) -> tuple[int]:
        return self._drop(event, "event")

    def cuEventElapsedTime(self, first: int, second: int) -> tuple[int, float]:
        return OK, 0.5

    def cuEventRecord(self, event: int, stream: int) -> tuple[int]:
        self._need(event, "event")
        self._need(stream, "stream")
        if self._captures(stream) and stream not in self.joined:
            raise Misuse("an event on a stream that is not part of the capture")
        self.recorded[event] = stream
        self.tails[event] = self.tails.get(stream, frozenset())
        return (OK,)

    def cuStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[int]:
        self._need(event, "event")
        self._need(stream, "stream")
        if event not in self.recorded:
            raise Misuse("waits for an event that was never recorded")
        if self._captures(stream) and self.recorded[event] in self.joined:
            self.joined.add(stream)
            self.tails[stream] = self.tails.get(stream, frozenset()) | self.tails[event]
            if stream == self.capturing:
                self.returned.add(self.recorded[event])
        return (OK,)

    def cuStreamBeginCapture(self, stream: int, mode: int) -> tuple[int]:
        self._need(stream, "stream")
        if self.capturing is not None:
            raise Misuse("a second capture")
        self.capturing, self.captured, self.joined = stream, [], {stream}
        self.tails = {}
        self.capturer = threading.get_ident()
        self.returned: set[int] = {stream}
        return (OK,)

    def cuStreamEndCapture(self, stream: int) -> tuple[int, int]:
        if self.capturing != stream or self.capturer != threading.get_ident():
            raise Misuse("ends a capture that it did not begin")
        if self.joined - self.returned:
            raise Misuse(f"streams {self.joined - self.returned} never come back to the captured one")
        self.capturing = None
        graph = self._new("graph")
        self.graphs[graph] = self.captured
        return OK, graph

    def cuGraphInstantiate(self, graph: int, flags: int) -> tuple[int, int]:
        self._need(graph, "graph")
        made = self._new("executable graph")
        self.graphs[made] = self.graphs[graph]
        return OK, made

    def cuGraphDestroy(self, graph: int) -> tuple[int]:
        return self._drop(graph, "graph")

    def cuGraphExecDestroy(self, graph: int) -> tuple[int]:
        return self._drop(graph, "executable graph")

    def cuGraphLaunch(self, graph: int, stream: int) -> tuple[int]:
        self._need(graph, "executable graph")
        self._need(stream, "stream")
        listed = self.graphs[graph]
        for number in drawn(listed, self.seed):
            self.launches.append(listed[number].name)
            listed[number].run()
        return (OK,)

    def _do(self, name: str, stream: int, run: Callable[[], Any]) -> tuple[int]:
        self._need(stream, "stream")
        if not self._captures(stream):
            run()
        elif stream in self.joined:
            if name in ("upload", "download"):
                raise Misuse("a copy of the caller's memory in a graph")
            self.captured.append(Recorded(name, stream, run, self.tails.get(stream, frozenset())))
            self.tails[stream] = frozenset({len(self.captured) - 1})
        else:
            raise Misuse(f"{name} on a stream that is not part of the capture")
        return (OK,)

    def cuLaunchKernel(self, function: int, *given: int) -> tuple[int]:
        self._need(function, "function")
        kernel = self.functions[function]
        *dims, shared, stream, pointers, extra = given
        if tuple(dims) != (*kernel.grid, *kernel.block) or shared != kernel.shared_bytes or extra:
            raise Misuse(f"{kernel.name} is launched as {dims} with {shared} bytes")
        if shared > max(48 * 1024 - declared_bytes(kernel.source), self.shared.get(function, 0)):
            raise Misuse(f"{kernel.name} takes {shared} bytes of shared memory without having said so")
        places = self._places(kernel, pointers)
        return self._do(kernel.name, stream, lambda: self._carry_out(kernel, places))

    def _places(self, kernel: Kernel, pointers: int) -> dict[str, int]:
        """Addresses of the kernel's tensors, read from its argument block."""
        listed = ctypes.cast(pointers, ctypes.POINTER(ctypes.c_void_p))
        places: dict[str, int] = {}
        for number, argument in enumerate(kernel.arguments):
            at = listed[number]
            assert at is not None
            if isinstance(argument, Buffer):
                (places[argument.name],) = struct.unpack("<Q", ctypes.string_at(at, 8))
            elif isinstance(argument, TensorMap):
                if at % 64:
                    raise Misuse("a tensor map that is not on 64 bytes")
                text = ctypes.string_at(at, 128)
                described: Any = self.maps[text]
                tensor = argument.tensor
                size = BY_MLIR[tensor.dtype].size
                assert described.dims == list(reversed(tensor.shape))
                assert described.strides == [stride * size for stride in reversed(tensor.strides[:-1])]
                assert described.box == list(reversed(argument.box))
                assert described.swizzle == argument.swizzle
                (places[tensor.name],) = struct.unpack("<Q", text[:8])
            else:
                assert isinstance(argument, Scalar)
        for tensor in kernel.tensors():
            size = BY_MLIR[tensor.dtype].size
            if places[tensor.name] % size:
                raise Misuse(f"{tensor.name} of {kernel.name} is not aligned")
            self._bytes(places[tensor.name], tensor.bytes)
        return places

    def _carry_out(self, kernel: Kernel, places: Mapping[str, int]) -> None:
        if self.execute is None:
            return
        arrays = {
            tensor.name: self._view(tensor, places[tensor.name])
            for tensor in kernel.tensors()
            if tensor.role in ("in", "update", "zeroed")
        }
        written = self.execute(kernel, arrays)
        for tensor in kernel.tensors():
            if tensor.name in written:
                self._view(tensor, places[tensor.name])[...] = written[tensor.name]

    def _view(self, tensor: Buffer, address: int) -> np.ndarray:
        kind = np.dtype(BY_MLIR[tensor.dtype].numpy)
        flat = self._bytes(address, tensor.bytes).view(kind)
        strides = [stride * kind.itemsize for stride in tensor.strides]
        return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]
