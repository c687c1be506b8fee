"""Codes as they are stored: as many bits as the format has, without gaps within a group.

A group's codes follow one another from the lowest bit of its first byte on; a group that does not fill its
last byte is padded with zero bits. What a code's own bits do not tell is not stored: FP3 codes of BitMoD
are FP4 codes whose lowest bit is 0, and an OliVe code is an outlier's where its neighbour is the identifier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .format import Format

_ROWS = 64
"""Channels worked on at a time, to bound the memory of single bits."""


def packed_bytes(chosen: Format, group: int) -> int:
    """Bytes of one group's codes."""
    return -(-group * chosen.bits // 8)


def pack_codes(chosen: Format, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes ``[N, G, group]`` as bytes ``[N, G, packed_bytes]``."""
    packed = np.empty((*codes.shape[:2], packed_bytes(chosen, codes.shape[2])), np.uint8)
    for start in range(0, len(codes), _ROWS):
        rows = codes[start : start + _ROWS] >> _blank(chosen)
        bits = (rows[..., None] >> np.arange(chosen.bits, dtype=np.uint8)) & 1
        flat = bits.reshape(*rows.shape[:2], -1)
        packed[start : start + _ROWS] = np.packbits(flat, axis=2, bitorder="little")
    return packed


def unpack_codes(chosen: Format, packed: NDArray[np.uint8], group: int) -> NDArray[np.uint8]:
    """Codes ``[N, G, group]`` of bytes ``[N, G, packed_bytes]``.

    Raises:
        InputError: bytes of another shape or type.
    """
    wanted = packed_bytes(chosen, group)
    if packed.ndim != 3 or packed.shape[2] != wanted or packed.dtype != np.uint8:
        raise InputError(
            f"codes of shape {list(packed.shape)}",
            where=f"a {chosen.name} matrix",
            accepted=f"uint8 [N, G, {wanted}] for groups of {group}",
        )
    codes = np.empty((*packed.shape[:2], group), np.uint8)
    weight = np.left_shift(1, np.arange(chosen.bits) + _blank(chosen)).astype(np.uint8)
    for start in range(0, len(codes), _ROWS):
        rows = packed[start : start + _ROWS]
        bits = np.unpackbits(rows, axis=2, count=group * chosen.bits, bitorder="little")
        codes[start : start + _ROWS] = bits.reshape(*rows.shape[:2], group, chosen.bits) @ weight
    if chosen.family == "olive":
        beside = codes.reshape(-1, 2)[:, ::-1] == 1 << (chosen.bits - 1)
        codes += beside.reshape(codes.shape).astype(np.uint8) << chosen.bits
    return codes


def _blank(chosen: Format) -> int:
    """Low bits that are 0 in every code."""
    return 4 - chosen.bits if chosen.family == "bitmod" else 0
