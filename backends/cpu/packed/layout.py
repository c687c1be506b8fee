"""BitMoD weights as the kernels read them: one image, 4.08 or 3.08 bits a weight and an eight-byte channel.

Sixteen rows lie side by side in 64 bytes, four bytes a row, so that a vector register holds the same four
inputs of each row (rows and inputs are filled up with zero weights to multiples of 16 and 128). For each
group of 128 inputs:

- **FP4**: 16 × 64 bytes. A row's byte ``i`` of step ``s`` holds the codes of inputs ``8s + i`` (low
  nibble) and ``8s + 4 + i`` (high).
- **FP3**: 4 chunks of 32 inputs, three planes of 64 bytes each. With ``t`` for the input's place ``4t + i``
  in the chunk: the magnitudes (two bits) of ``t = 0..3`` in plane 0, of ``t = 4..7`` in plane 1, each at bit
  ``2(t mod 4)``; the signs in plane 2, at bit ``(2, 0, 3, 1, 6, 4, 7, 5)[t]``. So a nibble of plane 0 or 1
  and one of plane 2 make a table's index by a bit-wise selection, without each field being shifted.

An image is a header of eight int64 (magic, bits, rows, inputs, bytes in all, zeros) and, each at a multiple
of 64 bytes: channel scales and bias, float32 ``[blocks, 16]``; group scales, uint8 ``[blocks, groups, 16]``;
special indices, two bits a row, ``[blocks, groups, 4]``; the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....ir.bitmod_format import FORMATS, GROUP_SIZE, SCALE_MAX, BitmodFormat, BitmodWeights
from ....ir.errors import InputError
from ....ir.formats import QuantizedMatrix
from ....ir.formats import lookup as format_of
from ....ir.linear import IMAGE_ROWS
from ....ir.weights import ALIGN
from ..kernels.kernel import Image
from ..loader import aligned_array

ROWS = IMAGE_ROWS

MAGIC = int.from_bytes(b"PBITMOD1", "little")
_HEADER_BYTES = 64
_SIGN_BITS = (2, 0, 3, 1, 6, 4, 7, 5)
_FORMAT_OF_BITS = {form.bits: form for form in FORMATS.values()}


@dataclass(frozen=True)
class Shape:
    """What the sizes of an image's sections follow from."""

    form: BitmodFormat
    rows: int
    inputs: int

    @property
    def blocks(self) -> int:
        """Blocks of 16 rows, the last one filled up."""
        return -(-self.rows // ROWS)

    @property
    def groups(self) -> int:
        """Groups of 128 inputs, the last one filled up."""
        return -(-self.inputs // GROUP_SIZE)

    @property
    def sections(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Sections in their order: element type and shape."""
        group_bytes = ROWS * GROUP_SIZE * self.form.bits // 8
        return {
            "header": (np.dtype(np.int64), (_HEADER_BYTES // 8,)),
            "channel": (np.dtype(np.float32), (self.blocks, ROWS)),
            "bias": (np.dtype(np.float32), (self.blocks, ROWS)),
            "scale": (np.dtype(np.uint8), (self.blocks, self.groups, ROWS)),
            "special": (np.dtype(np.uint8), (self.blocks, self.groups, ROWS // 4)),
            "codes": (np.dtype(np.uint8), (self.blocks, self.groups, group_bytes)),
        }

    @property
    def offsets(self) -> dict[str, int]:
        """Where each section begins; ``""`` is the end."""
        found, at = {}, 0
        for name, (kind, shape) in self.sections.items():
            found[name] = at
            at += -(-int(np.prod(shape)) * kind.itemsize // ALIGN) * ALIGN
        return {**found, "": at}

    def views(self, image: NDArray[np.uint8]) -> dict[str, np.ndarray]:
        """The sections of an image as arrays on its memory."""
        return {
            name: image[at : at + int(np.prod(shape)) * kind.itemsize].view(kind).reshape(shape)
            for (name, (kind, shape)), at in zip(self.sections.items(), self.offsets.values(), strict=False)
        }


def pack(weights: BitmodWeights, bias: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
    """The image of a quantized matrix ``[N, D]`` and a bias ``[N]``, zero when None.

    Raises:
        InputError: the matrix is empty, the bias is not one number a row, or a code, a special index or a
            scale is out of its range.
    """
    shape = Shape(weights.format, weights.channels, weights.inputs)
    _check(weights, shape)
    image = aligned_array((shape.offsets[""],), "uint8")
    image[:] = 0
    views = shape.views(image)
    views["header"][:5] = MAGIC, shape.form.bits, shape.rows, shape.inputs, image.size
    views["channel"].reshape(-1)[: shape.rows] = weights.channel_scale
    if bias is not None:
        if np.shape(bias) != (shape.rows,):
            raise InputError(
                f"a bias of shape {np.shape(bias)}", accepted=f"({shape.rows},), one number a row"
            )
        views["bias"].reshape(-1)[: shape.rows] = bias
    views["scale"][:] = _blocks(weights.group_scale).swapaxes(1, 2)
    special = _blocks(weights.special).swapaxes(1, 2).reshape(shape.blocks, shape.groups, 4, 4)
    views["special"][:] = _join(special, (0, 2, 4, 6))
    codes = _blocks(weights.codes).swapaxes(1, 2)  # [blocks, groups, 16, 128]
    views["codes"][:] = _fp4_bytes(codes) if shape.form.bits == 4 else _fp3_bytes(codes >> 1)
    return image


def image_of(matrix: QuantizedMatrix, wanted: Image) -> NDArray[np.uint8]:
    """The image of some rows of a quantized matrix."""
    whole, rows = matrix.bitmod(), slice(wanted.first, wanted.first + wanted.rows)
    names = ("codes", "special", "group_scale", "channel_scale")
    return pack(replace(whole, **{name: getattr(whole, name)[rows] for name in names}))


def parts_of(image: NDArray[np.uint8]) -> Mapping[str, NDArray]:
    """The stored arrays (`QuantizedMatrix.parts`) of the matrix that an image holds.

    Raises:
        InputError: the bytes are not an image.
    """
    weights, _ = unpack(image)
    scale = weights.channel_scale[:, None] * np.float32(2)
    chosen = format_of(weights.format.name)
    return QuantizedMatrix(
        chosen, weights.inputs, weights.codes, weights.special, scale, weights.group_scale, 8
    ).parts()


def unpack(image: NDArray[np.uint8]) -> tuple[BitmodWeights, NDArray[np.float32]]:
    """The matrix and the bias of an image; `pack` of them is the image again.

    Raises:
        InputError: the bytes are not an image.
    """
    shape = shape_of(image)
    views = shape.views(image)
    special = _split(views["special"], (0, 2, 4, 6), 3).reshape(shape.blocks, shape.groups, ROWS)
    codes = _fp4_codes(views["codes"]) if shape.form.bits == 4 else _fp3_codes(views["codes"]) << 1
    weights = BitmodWeights(
        format=shape.form,
        inputs=shape.inputs,
        codes=_rows(codes, shape.rows),
        special=_rows(special, shape.rows),
        group_scale=_rows(views["scale"], shape.rows),
        channel_scale=views["channel"].reshape(-1)[: shape.rows].copy(),
    )
    return weights, views["bias"].reshape(-1)[: shape.rows].copy()


def shape_of(image: NDArray[np.uint8]) -> Shape:
    """The format and size an image's header states.

    Raises:
        InputError: the bytes are not an image, or cut off.
    """
    if image.dtype != np.uint8 or image.ndim != 1 or image.size < _HEADER_BYTES:
        raise InputError("a weight image too short for its header", accepted="the bytes pack() made")
    magic, bits, rows, inputs, size = (int(word) for word in image[:40].view(np.int64))
    if magic != MAGIC or bits not in _FORMAT_OF_BITS or rows < 1 or inputs < 1:
        raise InputError("a weight image with a corrupt header", accepted="the bytes pack() made")
    shape = Shape(_FORMAT_OF_BITS[bits], rows, inputs)
    if size != image.size or shape.offsets[""] != size:
        raise InputError(f"a weight image of {image.size} bytes", accepted=f"{shape.offsets['']} bytes")
    return shape


def _check(weights: BitmodWeights, shape: Shape) -> None:
    if shape.rows < 1 or shape.inputs < 1:
        raise InputError(
            f"an empty matrix, {shape.rows} × {shape.inputs}", accepted="at least one row and one input"
        )
    expected = (shape.rows, shape.groups)
    if weights.codes.shape != (*expected, GROUP_SIZE) or weights.special.shape != expected:
        raise InputError(f"codes of shape {weights.codes.shape}", accepted=f"{(*expected, GROUP_SIZE)}")
    if not np.isin(weights.codes, shape.form.codes).all():
        raise InputError(f"a code that {shape.form.name} does not have")
    if weights.special.max() > 3 or weights.group_scale.max() > SCALE_MAX:
        raise InputError("a special index above 3 or a group scale above 127")


def _blocks(rows: np.ndarray) -> np.ndarray:
    """``[N, …]`` as ``[blocks, 16, …]``, filled up with zeros."""
    fill = [(0, -len(rows) % ROWS)] + [(0, 0)] * (rows.ndim - 1)
    return np.pad(rows, fill).reshape(-1, ROWS, *rows.shape[1:])


def _rows(blocks: np.ndarray, count: int) -> np.ndarray:
    """``[blocks, groups, 16, …]`` as ``[N, groups, …]``."""
    swapped = blocks.swapaxes(1, 2)
    return np.ascontiguousarray(swapped.reshape(-1, *swapped.shape[2:])[:count])


def _join(fields: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """Bytes from fields, given along the last axis with the bit each begins at."""
    out = np.zeros(fields.shape[:-1], np.uint8)
    for place, bit in enumerate(bits):
        out |= fields[..., place] << np.uint8(bit)
    return out


def _split(packed: np.ndarray, bits: tuple[int, ...], mask: int) -> np.ndarray:
    """The fields of bytes, along a new last axis."""
    return np.stack([packed >> np.uint8(bit) & np.uint8(mask) for bit in bits], axis=-1)


def _fp4_bytes(codes: np.ndarray) -> np.ndarray:
    """``[blocks, groups, 16 rows, 128]`` → ``[blocks, groups, 1024]``."""
    parts = codes.reshape(*codes.shape[:3], 16, 2, 4)  # row, step, nibble, i
    joined = _join(np.moveaxis(parts, 4, -1), (0, 4))  # row, step, i
    return joined.swapaxes(2, 3).reshape(*codes.shape[:2], -1)


def _fp4_codes(packed: np.ndarray) -> np.ndarray:
    joined = packed.reshape(*packed.shape[:2], 16, ROWS, 4).swapaxes(2, 3)
    return np.moveaxis(_split(joined, (0, 4), 15), -1, 4).reshape(*packed.shape[:2], ROWS, GROUP_SIZE)


def _fp3_bytes(codes: np.ndarray) -> np.ndarray:
    """``[blocks, groups, 16 rows, 128]`` of three-bit codes → ``[blocks, groups, 768]``."""
    parts = codes.reshape(*codes.shape[:3], 4, 8, 4)  # row, chunk, t, i
    by_step = np.moveaxis(parts, 4, -1)  # row, chunk, i, t
    magnitude, sign = by_step & np.uint8(3), by_step >> np.uint8(2)
    planes = [
        _join(magnitude[..., :4], (0, 2, 4, 6)),
        _join(magnitude[..., 4:], (0, 2, 4, 6)),
        _join(sign, _SIGN_BITS),
    ]
    together = np.stack(planes, axis=3)  # row, plane, chunk, i
    return together.transpose(0, 1, 4, 3, 2, 5).reshape(*codes.shape[:2], -1)


def _fp3_codes(packed: np.ndarray) -> np.ndarray:
    planes = packed.reshape(*packed.shape[:2], 4, 3, ROWS, 4)  # chunk, plane, row, i
    first, second, signs = (planes[:, :, :, plane] for plane in range(3))
    fields = [_split(first, (0, 2, 4, 6), 3), _split(second, (0, 2, 4, 6), 3)]
    codes = np.concatenate(fields, axis=-1) | _split(signs, _SIGN_BITS, 1) << np.uint8(2)
    by_row = np.moveaxis(codes, 3, 2)  # row, chunk, i, t
    return by_row.swapaxes(-1, -2).reshape(*packed.shape[:2], ROWS, GROUP_SIZE)
