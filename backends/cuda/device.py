"""The CUDA driver as the loader uses it: one device, its errors as ours, argument blocks of launches.

Nothing of torch and nothing of the toolkit is needed, only cuda-bindings and the driver of the GPU.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from ...ir.errors import PenstockError, TargetError, ToolMissing
from .driver import ADVICE, release
from .kernel import Buffer, Kernel, Scalar
from .nvrtc import EXTRA
from .tensor_map import MAP_ALIGNMENT, encoded

_SCALARS = {"i32": "<i", "i64": "<q", "f32": "<f", "f64": "<d"}
_API_VERSION = 12000
"""Of the driver's functions that are called by their address: tensor maps came with it."""


_UNREADABLE = (200, 209, 222)
"""CUDA_ERROR_INVALID_IMAGE, _NO_BINARY_FOR_GPU, _UNSUPPORTED_PTX_VERSION: what too new a cubin gives."""


class DeviceError(PenstockError):
    """A call of the CUDA driver that failed."""


class Device:
    """A GPU in this process.

    Args:
        api: the driver's functions; those of ``cuda.bindings.driver`` when None.
        ordinal: which of the machine's devices.

    Raises:
        ToolMissing: there are no bindings, no driver or no device.
    """

    def __init__(self, api: Any = None, ordinal: int = 0) -> None:
        self.api = api or _bindings()
        try:
            status, *_ = self.api.cuInit(0)
        except RuntimeError as error:  # the bindings look for the driver's library at the first call
            raise _no_driver(str(error)) from error
        if int(status) != 0:
            raise _no_driver(self._said(status))
        (count,) = self.call("cuDeviceGetCount")
        if count <= ordinal:
            raise _no_driver(f"{count} devices")
        (self.handle,) = self.call("cuDeviceGet", ordinal)
        (self.context,) = self.call("cuDevicePrimaryCtxRetain", self.handle)
        self.enter()

    def call(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """Call a driver function; what it gives beside its status.

        Raises:
            DeviceError: it fails.
        """
        status, *results = getattr(self.api, name)(*arguments)
        if int(status) != 0:
            raise DeviceError(self._said(status), where=name)
        return tuple(results)

    def _said(self, status: Any) -> str:
        found, text = self.api.cuGetErrorString(status)
        return text.decode() if int(found) == 0 and text else str(status)

    def enter(self) -> None:
        """Make the device's context this thread's."""
        self.call("cuCtxSetCurrent", self.context)

    @property
    def capability(self) -> tuple[int, int]:
        """Compute capability."""
        kinds = self.api.CUdevice_attribute
        major = self.call(
            "cuDeviceGetAttribute", kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self.handle
        )
        minor = self.call(
            "cuDeviceGetAttribute", kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self.handle
        )
        return int(major[0]), int(minor[0])

    def hold(self, arch: str, where: str) -> None:
        """Check that code for an architecture runs here.

        Raises:
            TargetError: it does not.
        """
        major, minor = self.capability
        wanted = arch.removeprefix("sm_")
        specific = wanted.endswith("a")
        needed = divmod(int(wanted.rstrip("a")), 10)
        fits = (major, minor) == needed if specific else major == needed[0] and minor >= needed[1]
        if not fits:
            raise TargetError(
                f"compiled for {arch}, this device has compute capability {major}.{minor}",
                where=where,
                accepted="a bundle compiled for a target with this device's architecture",
            )

    def function(self, cubin: bytes, kernel: Kernel) -> tuple[Any, Any]:
        """Load a kernel; its module, which must live as long, and the function.

        Raises:
            DeviceError: the driver does not take the cubin, as one older than its compiler, or a call fails.
        """
        status, module = self.api.cuModuleLoadData(cubin)
        if int(status) in _UNREADABLE:
            (version,) = self.call("cuDriverGetVersion")
            major, minor = release(int(version))
            said = f"{self._said(status)}; this driver is for CUDA {major}.{minor}"
            raise DeviceError(said, where=f"cuModuleLoadData of {kernel.name}", accepted=ADVICE)
        self.hold_status(int(status), "cuModuleLoadData")
        (function,) = self.call("cuModuleGetFunction", module, kernel.name.encode())
        if kernel.shared_bytes:  # what the source declares counts too towards the 48 KiB that need no word
            attribute = self.api.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            self.call("cuFuncSetAttribute", function, attribute, kernel.shared_bytes)
        return module, function

    def launch(self, function: Any, kernel: Kernel, arguments: Arguments, stream: Any) -> None:
        """Launch a kernel."""
        if kernel.cluster == (1, 1, 1):
            self.call(
                "cuLaunchKernel",
                *(function, *kernel.grid, *kernel.block, kernel.shared_bytes, stream),
                *(arguments.address, 0),
            )
            return
        config = self.api.CUlaunchConfig()
        config.gridDimX, config.gridDimY, config.gridDimZ = kernel.grid
        config.blockDimX, config.blockDimY, config.blockDimZ = kernel.block
        config.sharedMemBytes, config.hStream = kernel.shared_bytes, stream
        attribute = self.api.CUlaunchAttribute()
        attribute.id = self.api.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
        cluster = attribute.value.clusterDim
        cluster.x, cluster.y, cluster.z = kernel.cluster
        config.attrs, config.numAttrs = [attribute], 1
        self.call("cuLaunchKernelEx", config, function, arguments.address, 0)

    def entry(self, name: str) -> int:
        """The address of a driver function in C."""
        address, _ = self.call("cuGetProcAddress", name.encode(), _API_VERSION, 0)
        return int(address)

    def hold_status(self, status: int, where: str) -> None:
        """Check what a function called by its address gave.

        Raises:
            DeviceError: it failed.
        """
        if status != 0:
            raise DeviceError(self._said(self.api.CUresult(status)), where=where)


class Arguments:
    """A launch's argument block: values, and the array of pointers to them that the driver reads.

    Args:
        device: encodes tensor maps.
        kernel: whose arguments.
        places: per tensor its address.
    """

    def __init__(self, device: Device, kernel: Kernel, places: Mapping[str, int]) -> None:
        values = list(self._values(device, kernel, places))
        sizes = [-(-len(value) // MAP_ALIGNMENT) * MAP_ALIGNMENT for value in values]
        self._block = ctypes.create_string_buffer(sum(sizes) + MAP_ALIGNMENT)
        start = -(-ctypes.addressof(self._block) // MAP_ALIGNMENT) * MAP_ALIGNMENT
        pointers = []
        for value, size in zip(values, sizes, strict=True):
            ctypes.memmove(start, value, len(value))
            pointers.append(start)
            start += size
        self._pointers = (ctypes.c_void_p * max(1, len(pointers)))(*pointers)

    @staticmethod
    def _values(device: Device, kernel: Kernel, places: Mapping[str, int]) -> Iterable[bytes]:
        for argument in kernel.arguments:
            if isinstance(argument, Buffer):
                yield struct.pack("<Q", places[argument.name])
            elif isinstance(argument, Scalar):
                whole = argument.dtype.startswith("i")
                value = int(argument.value) if whole else argument.value
                yield struct.pack(_SCALARS[argument.dtype], value)
            else:
                yield encoded(device, argument, places[argument.tensor.name])

    @property
    def address(self) -> int:
        """Of the array of pointers."""
        return ctypes.addressof(self._pointers)


def _bindings() -> Any:
    try:
        return import_module("cuda.bindings.driver")
    except ImportError as error:
        raise ToolMissing("cuda-bindings is not installed", where="CUDA", accepted=EXTRA) from error


def _no_driver(reason: str) -> ToolMissing:
    return ToolMissing(
        f"no NVIDIA GPU can be used here: {reason}",
        where="CUDA",
        accepted="a machine with an NVIDIA GPU and its driver; or compile with --target cpu",
    )
