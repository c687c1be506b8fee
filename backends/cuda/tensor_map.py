"""TMA descriptors as the driver encodes them.

The driver wants 64-byte alignment of what it writes to (CUDA driver API, *Tensor Map Object Management*). The
object that cuda-bindings 13 hand it lies wherever Python's allocator put it, on 16 bytes; so the function is
called by its address, with memory of our own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, Protocol

from ...ir.dtypes import BY_MLIR
from .kernel import TensorMap

MAP_BYTES, MAP_ALIGNMENT = 128, 64
_NAME = "cuTensorMapEncodeTiled"
_TYPES = {
    "bf16": "BFLOAT16",
    "f16": "FLOAT16",
    "f32": "FLOAT32",
    "i32": "INT32",
    "i64": "INT64",
    "i16": "UINT16",
    "ui8": "UINT8",
    "i8": "UINT8",
}
ENCODE = ctypes.CFUNCTYPE(
    ctypes.c_int,  # status
    ctypes.c_void_p,  # the map
    *(ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p),  # element type, rank, address
    *(ctypes.POINTER(ctypes.c_uint64),) * 2,  # extents; strides in bytes, the innermost left out
    *(ctypes.POINTER(ctypes.c_uint32),) * 2,  # box; steps within it
    *(ctypes.c_int,) * 4,  # interleave, swizzle, promotion, fill
)
"""``cuTensorMapEncodeTiled`` in C."""


class Driver(Protocol):
    """What is needed of a device."""

    @property
    def api(self) -> Any:
        """The driver's names."""
        ...

    def entry(self, name: str) -> int:
        """The address of a function."""
        ...

    def hold_status(self, status: int, where: str) -> None:
        """Raise where a call failed."""
        ...


def encoded(device: Driver, argument: TensorMap, address: int) -> bytes:
    """The descriptor of a tensor at an address.

    Raises:
        DeviceError: the driver refuses it.
    """
    api, tensor, rank = device.api, argument.tensor, len(argument.box)
    size = BY_MLIR[tensor.dtype].size
    swizzle = f"{argument.swizzle}B" if argument.swizzle else "NONE"
    room = ctypes.create_string_buffer(MAP_BYTES + MAP_ALIGNMENT)
    start = -(-ctypes.addressof(room) // MAP_ALIGNMENT) * MAP_ALIGNMENT
    status = ENCODE(device.entry(_NAME))(
        start,
        int(getattr(api.CUtensorMapDataType, f"CU_TENSOR_MAP_DATA_TYPE_{_TYPES[tensor.dtype]}")),
        rank,
        address,
        _array(ctypes.c_uint64, reversed(tensor.shape)),
        _array(ctypes.c_uint64, (stride * size for stride in reversed(tensor.strides[:-1]))),
        _array(ctypes.c_uint32, reversed(argument.box)),
        _array(ctypes.c_uint32, [1] * rank),
        int(api.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE),
        int(getattr(api.CUtensorMapSwizzle, f"CU_TENSOR_MAP_SWIZZLE_{swizzle}")),
        int(api.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B),
        int(api.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
    )
    device.hold_status(status, _NAME)
    return ctypes.string_at(start, MAP_BYTES)


def _array(kind: Any, values: Iterable[int]) -> Any:
    listed = list(values)
    return (kind * max(1, len(listed)))(*listed)
