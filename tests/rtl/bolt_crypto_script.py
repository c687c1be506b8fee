"""Scripts of bolt_crypto_main.cpp: the channels of its harness, and words into and out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench import Job

# Inputs; those of several units follow one another.
AES_KEY, AES_IN, HASH_KEY, HASH_IN, SIP_KEY, SIP_IN, PRF_IN = 0, 1, 5, 6, 18, 19, 20
SEED, DRAW, WORDS, SESSION = 21, 22, 23, 24
AEAD_KEY, HEADER, RECORD_IN = 9, 10, 11  # + 3 a unit
COMMAND, ANSWER = 25, 26  # + 2 a unit
# Outputs.
AES_OUT, HASH_OUT, SIP_OUT, PRF_OUT, DRAWN, PAIR, BAD = 0, 4, 13, 14, 15, 16, 22
RECORD_OUT, TAG = 7, 8  # + 2 a unit
RESPONSE, OPERATION = 18, 19  # + 2 a unit

PAUSES = ((0, 0), (300, 300), (700, 100), (100, 800))
"""Of inputs and outputs, in 1000."""


def low(data: bytes) -> int:
    """Bytes as a vector, byte 0 lowest."""
    return int.from_bytes(data, "little")


def high(data: bytes) -> int:
    """Bytes as a vector, byte 0 highest: what the standards write."""
    return int.from_bytes(data, "big")


def beats(data: bytes, size: int = 16) -> list[int]:
    """Bytes as vectors of so many."""
    return [low(data[at : at + size]) for at in range(0, len(data), size)]


@dataclass
class Script:
    """Commands of bolt_crypto_main.cpp, one a line."""

    lines: list[str] = field(default_factory=list)

    def give(self, channel: int, *words: int) -> None:
        """Words into an input."""
        self.lines += [f"i {channel} {word:x}" for word in words]

    def expect(self, channel: int, *words: int) -> None:
        """Words out of an output."""
        self.lines += [f"o {channel} {word:x}" for word in words]

    def do(self, *command: object) -> None:
        """Any command."""
        self.lines.append(" ".join(map(str, command)))

    def pause(self, number: int) -> None:
        """The pauses of that number, and a seed."""
        self.do("p", *PAUSES[number % len(PAUSES)], number)

    def wipe(self) -> None:
        """Everything zero, memories too, and a reset."""
        self.do("f", 1)
        self.do("z", 1)
        self.do("c", 300)
        self.do("f", 0)
        self.do("z", 0)
        self.do("x")

    def job(self, folder: Path, name: str) -> Job:
        """As a file."""
        path = folder / f"{name}.txt"
        path.write_text("\n".join([*self.lines, ""]), encoding="utf-8")
        return Job((path,))
