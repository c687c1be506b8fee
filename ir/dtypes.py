"""Element types of tensors, one row each: how MLIR, NumPy, safetensors and C write them, and their size."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InputError


@dataclass(frozen=True)
class DType:
    """One element type.

    Attributes:
        mlir: as in ``tensor<4xf32>``.
        numpy: name of the NumPy dtype; of bf16, which NumPy lacks, that of its bits (`bfloat16`).
        safetensors: its code in a safetensors header.
        c: the C type of one element in memory.
        size: bytes of one element in memory; a truth value takes one byte.
    """

    mlir: str
    numpy: str
    safetensors: str
    c: str
    size: int


_DTYPES = (
    DType("f64", "float64", "F64", "double", 8),
    DType("f32", "float32", "F32", "float", 4),
    DType("f16", "float16", "F16", "_Float16", 2),
    DType("bf16", "uint16", "BF16", "uint16_t", 2),
    DType("i64", "int64", "I64", "int64_t", 8),
    DType("i32", "int32", "I32", "int32_t", 4),
    DType("i16", "int16", "I16", "int16_t", 2),
    DType("i8", "int8", "I8", "int8_t", 1),
    DType("ui8", "uint8", "U8", "uint8_t", 1),
    DType("i1", "bool", "BOOL", "uint8_t", 1),
)

BY_MLIR: dict[str, DType] = {dtype.mlir: dtype for dtype in _DTYPES}
BY_NUMPY: dict[str, DType] = {dtype.numpy: dtype for dtype in _DTYPES}
BY_SAFETENSORS: dict[str, DType] = {dtype.safetensors: dtype for dtype in _DTYPES}


def lookup(table: dict[str, DType], name: str) -> DType:
    """The row of one of the tables above.

    Raises:
        InputError: no such element type.
    """
    if name not in table:
        raise InputError(f"element type '{name}' has no place in memory", accepted=", ".join(table))
    return table[name]
