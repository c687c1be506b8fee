"""Scripts for BOLT's command front end: packets both ways, queues, faults and what is said after them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bolt_crypto_records import TOLD
from bolt_crypto_script import ANSWER, BAD, COMMAND, OPERATION, RESPONSE, SESSION, Script, beats, low
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENDS = range(2)
VALUE_BYTES = (16, 40)
PACKET_BYTES = (64, 128)
QUEUE = (4, 2)
IN_FLIGHT = (2, 3)
FILLS = 1
"""The front end that hands out a NOP where its queue is empty."""
NOP, GET, PUT, DEL = range(4)
DONE, FAULT = 0x10, 0xFF


@dataclass
class Session:
    """One end's counterpart on the host.

    Attributes:
        end: which of the two.
        key: of the session.
        number: of the next command.
    """

    end: int
    key: bytes
    number: int = 0
    answered: int = field(default=0, init=False)

    def packet(self, letters: bytes, number: int, code: int, key: int, value: bytes) -> bytes:
        """A command or a response."""
        plain = number.to_bytes(8, "big") + bytes([code]) + key.to_bytes(4, "little") + value
        plain = plain.ljust(PACKET_BYTES[self.end] - 16, b"\0")
        return AESGCM(self.key).encrypt(letters + b"\0" + number.to_bytes(8, "big"), plain, None)

    def command(self, chance: random.Random) -> tuple[int, int, bytes, bytes]:
        """Operation, key, value and the packet of the next command."""
        code = chance.choice((NOP, GET, PUT, DEL))
        key = chance.choice((1, 0xFFFFFFFF, chance.randrange(1, 1 << 32)))
        size = VALUE_BYTES[self.end]
        value = chance.choice((bytes(size), bytes([255] * size), chance.randbytes(size)))
        packet = self.packet(b"CMD", self.number, code, key, value)
        self.number += 1
        return code, key, value, packet

    def give(self, script: Script, packet: bytes) -> None:
        """A packet that comes from the host."""
        script.give(COMMAND + 2 * self.end, *beats(packet, 64))

    def served(self, script: Script, chance: random.Random) -> None:
        """A command, its operation and its response."""
        code, key, value, packet = self.command(chance)
        self.give(script, packet)
        self.hands_out(script, code, key, value)
        answer = self.packet(b"RSP", self.answered, DONE, key, value)
        script.expect(RESPONSE + 2 * self.end, *beats(answer, 64))
        self.answered += 1

    def hands_out(self, script: Script, code: int, key: int, value: bytes) -> None:
        """An operation is handed out."""
        script.expect(OPERATION + 2 * self.end, low(value) << 34 | key << 2 | code)

    def refused(self, script: Script, count: int) -> None:
        """So many packets are answered in the clear."""
        for _ in range(count):
            said = self.answered.to_bytes(8, "big") + bytes([FAULT])
            script.expect(RESPONSE + 2 * self.end, *beats(said.ljust(PACKET_BYTES[self.end], b"\0"), 64))
            self.answered += 1


def opened(script: Script, chance: random.Random) -> list[Session]:
    """Sessions of both front ends after a reset."""
    key = chance.randbytes(16)
    script.do("x")
    script.give(SESSION, low(key))
    for end in ENDS:
        script.do("a", OPERATION + 2 * end, ANSWER + 2 * end)
    return [Session(end, key) for end in ENDS]


def packets() -> Script:
    """Commands in order, operations and responses, with pauses; the time of an answer depends on nothing."""
    script, chance = Script(), random.Random(19)
    sessions = opened(script, chance)
    for number in range(8):
        script.pause(number)
        for session in sessions:
            for _ in range(6):
                session.served(script, chance)
        script.do("r")
        script.do("n", OPERATION + 2 * FILLS, 50)
    script.pause(0)
    session = sessions[0]
    for _ in range(4):
        session.served(script, chance)
        script.do("r")
        script.do("d", COMMAND, OPERATION, 71)
        script.do("d", ANSWER, RESPONSE, 71)
    return script


def queues() -> Script:
    """Nothing is lost where responses or operations are held back, nothing is left after a reset."""
    script, chance = Script(), random.Random(20)
    sessions = opened(script, chance)
    for closed in (OPERATION, RESPONSE):
        script.do("p", 0, 0, 1)
        for end in ENDS:
            script.do("h", closed + 2 * end)
        for session in sessions:
            for _ in range(12):
                session.served(script, chance)
        script.do("s", 2500)
        script.pause(0)
        script.do("r")
    for cycles in (75, 110, 130, 150, 170, 190):
        sessions = opened(script, chance)
        for session in sessions:
            for _ in range(4):
                session.served(script, chance)
        script.do("c", cycles)
    sessions = opened(script, chance)
    for session in sessions:
        session.served(script, chance)
    script.do("r")
    return script


def wrong_packets(chance: random.Random, session: Session, number: int) -> bytes:
    """What is not the next command."""
    *_, packet = session.command(chance)
    now = session.number - 1
    size = 8 * len(packet)
    if number < 4:
        return (low(packet) ^ 1 << (0, 60, size - 128, size - 1)[number]).to_bytes(len(packet), "little")
    value = bytes(VALUE_BYTES[session.end])
    *_, later = session.command(chance)
    sealed = AESGCM(session.key)

    def says(said: int, code: int) -> bytes:
        plain = said.to_bytes(8, "big") + bytes([code]) + bytes(4) + value
        nonce = b"CMD\0" + now.to_bytes(8, "big")
        return sealed.encrypt(nonce, plain.ljust(len(packet) - 16, b"\0"), None)

    return (
        later,  # this one is left out
        session.packet(b"CMD", max(now - 1, 0), GET, 7, value) if now else later,  # the last one again
        session.packet(b"RSP", now, GET, 7, value),  # an answer sent back
        says(now + 1, GET),
        says(now ^ 1 << 63, GET),
        says(now, 4),
        says(now, 0x80 | GET),
        bytes(len(packet)),
    )[number - 4]


def faults() -> Script:
    """After a wrong packet, or a fault elsewhere, every packet is refused and all secrets are gone."""
    script, chance = Script(), random.Random(21)
    script.wipe()
    for number in range(12):
        sessions = opened(script, chance)
        script.pause(number)
        for session in sessions:
            for _ in range(number % 3):
                session.served(script, chance)
        script.do("r")
        for session in sessions:
            session.give(script, wrong_packets(chance, session, number))
            for _ in range(3):
                session.give(script, chance.randbytes(PACKET_BYTES[session.end]))
            session.refused(script, 4)
            script.do("m", BAD, 1 << session.end)
        script.do("r")
        script.do("w", "gen_fe", *TOLD)
    for number in range(6):
        stopped(script, chance, number)
    return script


def stopped(script: Script, chance: random.Random, number: int) -> None:
    """A fault elsewhere, with commands in all places."""
    sessions = opened(script, chance)
    script.pause(0)
    for end in ENDS:
        script.do("h", OPERATION + 2 * end)
        if number % 2:
            script.do("h", RESPONSE + 2 * end)
    counts = [1 + (number + end) % QUEUE[end] for end in ENDS]
    for session, count in zip(sessions, counts, strict=True):
        for _ in range(count):
            session.give(script, session.command(chance)[3])
    script.do("s", 100 * max(counts) - 37 * number)
    script.do("f", 1)
    script.pause(number)
    for session, count in zip(sessions, counts, strict=True):
        for _ in range(2):
            session.give(script, chance.randbytes(PACKET_BYTES[session.end]))
        session.refused(script, count + 2)
    script.do("r")
    script.do("w", "gen_fe", *TOLD)
    script.do("f", 0)
    for session in sessions:
        session.give(script, chance.randbytes(PACKET_BYTES[session.end]))
        session.refused(script, 1)
    script.do("r")
