"""SipHash-2-4 in Python, from the paper's definition (Aumasson and Bernstein, 2012, section 2)."""

from __future__ import annotations

import struct

_FULL = (1 << 64) - 1


def _turn(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _FULL


def words_of(message: bytes) -> list[int]:
    """The message as 64-bit words: padded with zeros, its length modulo 256 in the last byte."""
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 255])
    return [word for (word,) in struct.iter_unpack("<Q", padded)]


def siphash(key: bytes, message: bytes) -> int:
    """The hash of a message under a key of 16 bytes."""
    k0, k1 = struct.unpack("<QQ", key)
    first, second, third, fourth = struct.unpack(">4Q", b"somepseudorandomlygeneratedbytes")
    a, b, c, d = first ^ k0, second ^ k1, third ^ k0, fourth ^ k1

    def rounds(count: int) -> None:
        nonlocal a, b, c, d
        for _ in range(count):
            a, c = a + b & _FULL, c + d & _FULL
            b, d = _turn(b, 13) ^ a, _turn(d, 16) ^ c
            a = _turn(a, 32)
            c, a = c + b & _FULL, a + d & _FULL
            b, d = _turn(b, 17) ^ c, _turn(d, 21) ^ a
            c = _turn(c, 32)

    for word in words_of(message):
        d ^= word
        rounds(2)
        a ^= word
    c ^= 0xFF
    rounds(4)
    return a ^ b ^ c ^ d
