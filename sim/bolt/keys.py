"""The map's five secrets, each of 128 bits and drawn anew at every boot."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Keys:
    """Secrets of one boot.

    Attributes:
        page: AES-GCM key of the pages.
        prf: SipHash key of the position map.
        drbg: AES key of the random words.
        session: AES-GCM key of commands and responses.
        input: AES-GCM key of the records a streamed initialisation reads.
    """

    page: bytes = field(repr=False)
    prf: bytes = field(repr=False)
    drbg: bytes = field(repr=False)
    session: bytes = field(repr=False)
    input: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, seed: int) -> Keys:
        """Keys that a test can repeat: SHA-256 of the seed and each key's name, cut to 16 bytes."""
        names = ("page", "prf", "drbg", "session", "input")
        return cls(*(hashlib.sha256(f"bolt {seed} {name}".encode()).digest()[:16] for name in names))

    @classmethod
    def fresh(cls) -> Keys:
        """Keys from the operating system's generator."""
        return cls(*(os.urandom(16) for _ in range(5)))
