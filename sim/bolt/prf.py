"""SipHash-2-4 of a key, and the two buckets of the position map that it selects.

Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_INITIAL = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def siphash24(key: bytes, message: bytes) -> int:
    """The 64-bit tag of a message under a 16-byte key."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    state = [word ^ k for word, k in zip(_INITIAL, (k0, k1, k0, k1), strict=True)]
    whole = len(message) - len(message) % 8
    blocks = [int.from_bytes(message[at : at + 8], "little") for at in range(0, whole, 8)]
    blocks.append(int.from_bytes(message[whole:], "little") | (len(message) & 0xFF) << 56)
    for block in blocks:
        state[3] ^= block
        _round(_round(state))
        state[0] ^= block
    state[2] ^= 0xFF
    for _ in range(4):
        _round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(v: list[int]) -> list[int]:
    v[0] = (v[0] + v[1]) & _MASK
    v[1] = _left(v[1], 13) ^ v[0]
    v[0] = _left(v[0], 32)
    v[2] = (v[2] + v[3]) & _MASK
    v[3] = _left(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & _MASK
    v[3] = _left(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & _MASK
    v[1] = _left(v[1], 17) ^ v[2]
    v[2] = _left(v[2], 32)
    return v


def _left(word: int, by: int) -> int:
    return (word << by | word >> (64 - by)) & _MASK


def buckets_of(prf_key: bytes, key: int, buckets: int) -> tuple[int, int]:
    """The two distinct buckets of a 32-bit key."""
    hashed = siphash24(prf_key, key.to_bytes(4, "little"))
    first = ((hashed & 0xFFFFFFFF) * buckets) >> 32
    step = ((hashed >> 32) * (buckets - 1)) >> 32
    return first, (first + 1 + step) % buckets
