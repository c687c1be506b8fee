"""Scripts for BOLT's AES-GCM of whole records: both ways, times, forgeries, keys and plaintext forgotten."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from bolt_crypto_script import (
    AEAD_KEY,
    AES_IN,
    AES_KEY,
    COMMAND,
    HASH_IN,
    HASH_KEY,
    HEADER,
    PRF_IN,
    RECORD_IN,
    RECORD_OUT,
    SEED,
    SESSION,
    SIP_IN,
    SIP_KEY,
    TAG,
    WORDS,
    Script,
    beats,
    low,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

UNITS = range(3)
BLOCKS = (15, 31, 1)
"""Of a record of the three units: pages of 256 and 512 bytes, and one block."""
INTERVAL, HASHING = (2, 5, 1), (2, 4, 1)
"""Cycles between blocks, and of a block in GHASH."""
NO_DATA = 2
"""The unit without associated data."""
SLOTS = 16
OK, WRONG = 1, 2
TOLD = (
    *("rcon_q", "wipe_q", "state_q", "encrypt_q", "nonce_q", "asked_q", "come_q", "wait_q", "out_encrypt_q"),
    *("out_last_q", "number_q", "owed_q", "due_q", "dead_q", "live_q", "keyed_q"),
    *("head_q", "tail_q", "count_q"),
)
"""Registers that hold no secret: counts, states, public numbers."""


def delay(unit: int) -> int:
    """Cycles from a record's last beat in to its first beat out, at rest."""
    return 16 + BLOCKS[unit] * INTERVAL[unit] + 2 * HASHING[unit]


@dataclass(frozen=True)
class Record:
    """A record of a unit.

    Attributes:
        unit: which.
        key: of the cipher, 16 bytes.
        nonce: 12 bytes.
        plain: its plaintext.
    """

    unit: int
    key: bytes
    nonce: bytes
    plain: bytes

    @classmethod
    def random(cls, chance: random.Random, unit: int, key: bytes) -> Record:
        """Random bytes, all zero, all ones."""
        size = 16 * BLOCKS[unit]
        plain = chance.choice((bytes(size), bytes([255] * size), chance.randbytes(size)))
        nonce = chance.choice((bytes(12), bytes([255] * 12), chance.randbytes(12)))
        return cls(unit, key, nonce, plain)

    @property
    def sealed(self) -> bytes:
        """Ciphertext and tag."""
        data = None if self.unit == NO_DATA else self.nonce + SLOTS.to_bytes(4, "big")
        return AESGCM(self.key).encrypt(self.nonce, self.plain, data)

    def load(self, script: Script) -> None:
        """Its key into its unit."""
        script.give(AEAD_KEY + 3 * self.unit, low(self.key))

    def give(self, script: Script, seals: bool, instead: bytes | None = None) -> None:
        """Its header and its beats, or others instead, into its unit."""
        script.give(HEADER + 3 * self.unit, seals << 96 | low(self.nonce))
        given = self.plain if seals else self.sealed
        script.give(RECORD_IN + 3 * self.unit, *beats(given if instead is None else instead))

    def expect(self, script: Script, seals: bool) -> None:
        """What comes out where it is good."""
        words = beats(self.sealed if seals else self.plain)
        script.expect(RECORD_OUT + 2 * self.unit, *words[:-1], words[-1] | 1 << 128)
        if not seals:
            script.expect(TAG + 2 * self.unit, OK)

    def passes(self, script: Script, seals: bool) -> None:
        """Into its unit and out."""
        self.give(script, seals)
        self.expect(script, seals)


def loaded(script: Script, chance: random.Random, unit: int) -> bytes:
    """A key, given to a unit."""
    key = chance.choice((bytes(16), chance.randbytes(16)))
    script.give(AEAD_KEY + 3 * unit, low(key))
    script.do("r")
    return key


def records() -> Script:
    """One behind the other, of both kinds, with pauses."""
    script, chance = Script(), random.Random(13)
    for number in range(8):
        script.pause(number)
        keys = [loaded(script, chance, unit) for unit in UNITS]
        for unit in UNITS:
            for _ in range(6):
                Record.random(chance, unit, keys[unit]).passes(script, chance.random() < 0.5)
        script.do("r")
    return script


def times() -> Script:
    """They are the same whatever is in a record; the next one does not wait for the last one to leave."""
    script, chance = Script(), random.Random(18)
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test case 2
    first = Record(NO_DATA, bytes(16), bytes(12), bytes(16))
    assert first.sealed.hex() == "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"
    for unit in UNITS:
        key = first.key
        script.give(AEAD_KEY + 3 * unit, low(key))
        record = first if unit == NO_DATA else Record.random(chance, unit, key)
        record.passes(script, True)
        script.do("r")
        script.do("d", AEAD_KEY + 3 * unit, RECORD_OUT + 2 * unit, 23 + BLOCKS[unit] + delay(unit))
        for seals in (True, False):
            for _ in range(4):
                Record.random(chance, unit, key).passes(script, seals)
                script.do("r")
                script.do("d", RECORD_IN + 3 * unit, RECORD_OUT + 2 * unit, delay(unit))
            for _ in range(5):
                Record.random(chance, unit, key).passes(script, seals)
            script.do("r")
            took = 2 * BLOCKS[unit] + delay(unit) + 4 * (delay(unit) - 2)
            script.do("e", HEADER + 3 * unit, RECORD_OUT + 2 * unit, took)
    return script


def forged(chance: random.Random, record: Record, number: int) -> tuple[Record, bytes]:
    """A header, and beats that do not belong to it."""
    sealed = record.sealed
    other = replace(record, plain=bytes(each ^ 1 for each in record.plain)).sealed
    size = 8 * len(sealed)
    flips = (0, 127, size - 128, size - 1, chance.randrange(size))
    if number < len(flips):
        return record, (low(sealed) ^ 1 << flips[number]).to_bytes(len(sealed), "little")
    nonce = low(record.nonce)
    return (
        (replace(record, nonce=(nonce ^ 1).to_bytes(12, "little")), sealed),
        (replace(record, nonce=(nonce ^ 1 << 95).to_bytes(12, "little")), sealed),
        (record, sealed[:-16] + other[-16:]),
        (record, other[:-16] + sealed[-16:]),
        (record, bytes(len(sealed))),
    )[number - len(flips)]


def forgeries() -> Script:
    """Of a record that is not right only the verdict comes, nothing of any after it, and all is forgotten."""
    script, chance = Script(), random.Random(14)
    script.wipe()
    for number in range(10):
        script.do("x")
        script.pause(number)
        keys = [chance.randbytes(16) for _ in UNITS]
        for unit in UNITS:
            good = Record.random(chance, unit, keys[unit])
            good.load(script)
            good.passes(script, False)
        script.do("r")
        for unit in UNITS:
            record, beats_in = forged(chance, Record.random(chance, unit, keys[unit]), number)
            record.give(script, False, beats_in)
            script.expect(TAG + 2 * unit, WRONG)
        script.do("r")
        for unit in UNITS:
            record = Record.random(chance, unit, bytes(16))
            record.load(script)
            record.give(script, bool(number % 2))
        script.do("q", 400)
        script.do("w", "gen_aead", *TOLD)
    return script


def clears() -> Script:
    """Keys and plaintext are forgotten, and a reset in the middle of anything leaves nothing behind."""
    script, chance = Script(), random.Random(15)
    script.wipe()
    for number, cycles in enumerate((26, 33, 41, 57, 64, 75, 90, 120, 150, 190)):
        script.pause(number)
        everything(script, chance)
        script.do("c", cycles)
        if number % 2:
            script.do("z", 1)
            script.do("f", 1)
            script.do("w", "harness", *TOLD)
            script.do("z", 0)
            script.do("f", 0)
        script.do("x")
        script.pause(0)
        for unit in UNITS:
            record = Record.random(chance, unit, chance.randbytes(16))
            record.load(script)
            record.passes(script, False)
            record.passes(script, True)
        script.do("r")
        if number % 2 == 0:
            # A clear that is taken back, and other keys.
            everything(script, chance)
            script.do("c", cycles)
            script.do("f", 1)
            script.do("z", 1)
            script.do("c", 40)
            script.do("z", 0)
            for unit in UNITS:
                record = Record.random(chance, unit, chance.randbytes(16))
                record.load(script)
                record.passes(script, number % 4 == 0)
            script.do("r")
            script.do("f", 0)
            script.do("x")
    return script


def everything(script: Script, chance: random.Random) -> None:
    """Work for all units, whose results nobody looks at."""
    for channel in (AES_KEY, HASH_KEY, SIP_KEY, SEED, SESSION):
        script.give(channel, chance.getrandbits(128))
    script.give(PRF_IN, chance.getrandbits(32))
    script.give(WORDS, *(chance.getrandbits(128) for _ in range(200)))
    for unit in range(4):
        script.give(AES_IN + unit, *(chance.getrandbits(128) for _ in range(9)))
    for unit in UNITS:
        script.give(HASH_IN + unit, *(chance.getrandbits(128) | 1 << 128 for _ in range(9)))
        for _ in range(3):
            record = Record.random(chance, unit, chance.randbytes(16))
            record.give(script, True)
        record.load(script)
    script.give(SIP_IN, *(chance.getrandbits(64) | 1 << 64 for _ in range(9)))
    for unit in range(2):
        script.give(COMMAND + 2 * unit, *(chance.getrandbits(512) for _ in range(2)))
