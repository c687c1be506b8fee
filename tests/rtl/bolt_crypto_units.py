"""Scripts for BOLT's block cipher, hashes, random words and pairs: published vectors, random ones, times.

Expected values are OpenSSL's (`cryptography`), or from the definitions in the standards.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from bolt_crypto_script import (
    AES_IN,
    AES_KEY,
    AES_OUT,
    DRAW,
    DRAWN,
    HASH_IN,
    HASH_KEY,
    HASH_OUT,
    PAIR,
    PAUSES,
    PRF_IN,
    PRF_OUT,
    SEED,
    SIP_IN,
    SIP_KEY,
    SIP_OUT,
    WORDS,
    Script,
    high,
    low,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from siphash import siphash, words_of

UNITS = (1, 2, 5, 10)
"""Round units of the four AES."""
DIGITS = (16, 64, 128)
"""Bits a cycle of the three GHASH."""
BUCKETS = 1 << 24
BINS = (1 << 24, 7)

_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
AES_VECTORS = (
    # FIPS 197, appendices B and C.1
    (_KEY, "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
    (bytes(range(16)), "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    # SP 800-38A, F.1.1 (ECB) and the output blocks of F.5.1 (CTR)
    (_KEY, "6bc1bee22e409f96e93d7e117393172a", "3ad77bb40d7a3660a89ecaf32466ef97"),
    (_KEY, "ae2d8a571e03ac9c9eb76fac45af8e51", "f5d3d58503b9699de785895a96fdbaaf"),
    (_KEY, "30c81c46a35ce411e5fbc1191a0a52ef", "43b1cd7f598ece23881b00e3ed030688"),
    (_KEY, "f69f2445df4f9b17ad2b417be66c3710", "7b0c785e27e8ad3f8223207104725dd4"),
    (_KEY, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "ec8cdf7398607cb0f2d21675ea9ea1e4"),
    (_KEY, "f0f1f2f3f4f5f6f7f8f9fafbfcfdff00", "362b7c3c6773516318a077d7fc5073ae"),
    (_KEY, "f0f1f2f3f4f5f6f7f8f9fafbfcfdff01", "6a2cc3787889374fbeb4c81b17ba6c44"),
    (_KEY, "f0f1f2f3f4f5f6f7f8f9fafbfcfdff02", "e89c399ff0f198c6d40a31db156cabfe"),
)


def encrypt(key: bytes, block: bytes) -> bytes:
    """AES-128 of a block."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def through_aes(script: Script, key: bytes, blocks: Sequence[bytes], answers: Sequence[bytes]) -> None:
    """Blocks through all four AES."""
    script.give(AES_KEY, high(key))
    script.do("r")
    for unit in range(len(UNITS)):
        script.give(AES_IN + unit, *map(high, blocks))
        script.expect(AES_OUT + unit, *map(high, answers))
    script.do("r")


def aes() -> Script:
    """Published vectors, random and extreme keys and blocks; no time depends on them."""
    script, chance = Script(), random.Random(11)
    for key, block, answer in AES_VECTORS:
        through_aes(script, key, [bytes.fromhex(block)], [bytes.fromhex(answer)])
        for unit in range(len(UNITS)):
            script.do("d", AES_IN + unit, AES_OUT + unit, 11)
    for number in range(8):
        key = (chance.randbytes(16), bytes(16), bytes([255] * 16))[number % 3]
        blocks = [*(chance.randbytes(16) for _ in range(24)), bytes(16), bytes([255] * 16)]
        script.pause(number)
        through_aes(script, key, blocks, [encrypt(key, block) for block in blocks])
        if PAUSES[number % len(PAUSES)] == (0, 0):
            for unit, count in enumerate(UNITS):
                script.do("e", AES_IN + unit, AES_OUT + unit, 11 + (len(blocks) - 1) * 10 // count)
    script.pause(0)
    # A key that comes while blocks are under way takes them away.
    script.give(AES_IN + 3, *range(8))
    script.do("c", 6)
    through_aes(script, _KEY, [bytes(16)], [encrypt(_KEY, bytes(16))])
    return script


def product(a: int, b: int) -> int:
    """Of GF(2^128), by algorithm 1 of SP 800-38D."""
    total = 0
    for place in range(127, -1, -1):
        if a >> place & 1:
            total ^= b
        b = b >> 1 ^ (0xE1 << 120 if b & 1 else 0)
    return total


def ghash(key: int, blocks: Sequence[int]) -> int:
    """By algorithm 2 of SP 800-38D."""
    total = 0
    for block in blocks:
        total = product(total ^ block, key)
    return total


GHASH_VECTORS = (
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 2 and 3
    (
        0x66E94BD4EF8A2C3B884CFA59CA342B2E,
        (0x0388DACE60B6A392F328C2B971B2FE78, 0x80),
        0xF38CBB1AD69223DCC3457AE5B6B0F885,
    ),
    (
        0xB83B533708BF535D0AA6E52980D53B78,
        (
            *(0x42831EC2217774244B7221B784D0D49C, 0xE3AA212F2C02A4E035C17E2329ACA12E),
            *(0x21D514B25466931C7D8F6A5AAC84AA05, 0x1BA30B396A0AAC973D58E091473F5985, 0x200),
        ),
        0x7F1B32B81B820D02614F8895AC1D4EAC,
    ),
)


def hashes() -> Script:
    """Published values, random and extreme keys and blocks; no time depends on them."""
    script, chance = Script(), random.Random(12)
    cases = [(key, list(blocks), want, 0) for key, blocks, want in GHASH_VECTORS]
    for key in (0, 1, 1 << 127, (1 << 128) - 1, *(chance.getrandbits(128) for _ in range(12))):
        blocks = [chance.choice((0, (1 << 128) - 1, 1, chance.getrandbits(128))) for _ in range(5)]
        cases.append((key, blocks, ghash(key, blocks), len(cases)))
    for key, blocks, want, pause in cases:
        script.pause(pause)
        script.give(HASH_KEY, key)
        script.do("r")
        words = [block | (at == 0) << 128 | (at == len(blocks) - 1) << 129 for at, block in enumerate(blocks)]
        for unit in range(len(DIGITS)):
            script.give(HASH_IN + unit, *words)
            script.expect(HASH_OUT + unit, want)
        script.do("r")
        for unit, digit in enumerate(DIGITS):
            script.do("d", HASH_IN + unit, HASH_OUT + unit, 128 // digit + 1)
            if PAUSES[pause % len(PAUSES)] == (0, 0):
                script.do("e", HASH_IN + unit, HASH_OUT + unit, len(blocks) * 128 // digit + 1)
    return script


SIP_VECTORS = (
    # The paper's appendix A, and two of its reference implementation: messages 00 01 02 ..
    (15, 0xA129CA6149BE45E5),
    (4, int.from_bytes(bytes.fromhex("b7877127e09427cf"), "little")),
    (0, int.from_bytes(bytes.fromhex("310e0edd47db6f72"), "little")),
)


def buckets(hashed: int) -> int:
    """Both buckets of a hash, as they come."""
    first = (hashed & 0xFFFFFFFF) * BUCKETS >> 32
    step = (hashed >> 32) * (BUCKETS - 1) >> 32
    return (first + 1 + step) % BUCKETS << 24 | first


def keyed_hashes() -> Script:
    """SipHash of messages of many lengths, and the buckets of keys."""
    script, chance = Script(), random.Random(16)
    cases = [(bytes(range(16)), bytes(range(size)), want) for size, want in SIP_VECTORS]
    for size in (*range(24), 63, 255, 256):
        key, message = chance.randbytes(16), chance.randbytes(size)
        cases.append((key, message, siphash(key, message)))
    for number, (key, message, want) in enumerate(cases):
        script.pause(number)
        script.give(SIP_KEY, low(key))
        script.do("r")
        words = words_of(message)
        marks = [(at == 0) << 64 | (at == len(words) - 1) << 65 for at in range(len(words))]
        script.give(SIP_IN, *(word | mark for word, mark in zip(words, marks, strict=True)))
        script.expect(SIP_OUT, want)
        script.do("r")
        script.do("d", SIP_IN, SIP_OUT, 7)
        if PAUSES[number % len(PAUSES)] == (0, 0):
            script.do("e", SIP_IN, SIP_OUT, 3 * len(words) + 4)
        for name in (0, 0xFFFFFFFF, chance.getrandbits(32)):
            script.give(PRF_IN, name)
            script.expect(PRF_OUT, buckets(siphash(key, name.to_bytes(4, "little"))))
            script.do("r")
            script.do("d", PRF_IN, PRF_OUT, 8)
    return script


def pair_of(first: int, second: int, bins: int) -> int:
    """Two distinct bins of two words, as they come."""
    x, y = first * bins >> 64, second * (bins - 1) >> 64
    return x << 24 | y + (y >= x)


def draws() -> Script:
    """The generator's words and a tape's, and pairs of bins."""
    script, chance = Script(), random.Random(17)
    for number in range(6):
        script.pause(number)
        key = (bytes(16), _KEY)[number] if number < 2 else chance.randbytes(16)
        stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        script.give(SEED, low(key))
        script.do("r")
        for draw in range(5):
            drawn = stream.update(bytes(32))
            words = sum(high(drawn[8 * at : 8 * at + 8]) << 64 * at for at in range(4))
            tape = chance.getrandbits(256)
            script.give(DRAW, (draw == 2) << 256 | tape)
            script.expect(DRAWN, tape if draw == 2 else words)
        script.do("r")
        if PAUSES[number % len(PAUSES)] == (0, 0):
            script.do("e", DRAW, DRAWN, 4 * 23)
    edges = [0, 1, (1 << 64) - 1, 1 << 63, *(-(-(each << 64) // 7) for each in range(1, 7))]
    cases = [(a, b) for a in edges for b in edges]
    cases += [(chance.getrandbits(64), chance.getrandbits(64)) for _ in range(60)]
    for a, b in cases:
        script.give(WORDS, b << 64 | a)
        for unit, bins in enumerate(BINS):
            script.expect(PAIR + unit, pair_of(a, b, bins))
    script.do("r")
    script.pause(0)
    script.give(WORDS, 5)
    for unit, bins in enumerate(BINS):
        script.expect(PAIR + unit, pair_of(5, 0, bins))
    script.do("r")
    script.do("d", WORDS, PAIR, 2)
    return script
