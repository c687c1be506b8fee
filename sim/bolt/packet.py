"""Commands and responses on the wire: fixed size, AES-128-GCM under the session key, in order by number.

Payload: sequence number (8 bytes, big endian), code (1), key (4, little endian), value, zeros; then the tag.
The nonce is three letters, a zero and the sequence number.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...ir.errors import FaultError
from .config import TAG_BYTES, BoltConfig, Op

COMMAND, RESPONSE = b"CMD\0", b"RSP\0"
_HEAD = struct.Struct(">QB")


class Status(enum.IntEnum):
    """A response's code."""

    FOUND = 0x10
    ABSENT = 0x11
    FAULT = 0xFF


@dataclass(frozen=True)
class Response:
    """What an access answers.

    Attributes:
        status: whether the key was there (PUT: whether it replaced a value).
        key: as asked.
        value: the old value of GET and DEL; zeros otherwise.
    """

    status: Status
    key: int
    value: bytes

    @property
    def found(self) -> bool:
        """Whether the key was there."""
        return self.status is Status.FOUND


class PacketCipher:
    """Seals and opens packets of one session.

    Args:
        config: sizes.
        key: 16 bytes.
    """

    def __init__(self, config: BoltConfig, key: bytes) -> None:
        self._config = config
        self._cipher = AESGCM(key)

    def seal_command(self, sequence: int, op: Op, key: int, value: bytes = b"") -> bytes:
        """A command."""
        return self._seal(COMMAND, sequence, op, key, value)

    def open_command(self, sequence: int, packet: bytes) -> tuple[Op, int, bytes]:
        """A command's op, key and value.

        Raises:
            FaultError: it is not the command of that number.
        """
        code, key, value = self._open(COMMAND, sequence, packet)
        if code not in list(Op):
            raise FaultError(f"no op {code}", where=f"command {sequence}")
        return Op(code), key, value

    def seal_response(self, sequence: int, response: Response) -> bytes:
        """A response."""
        return self._seal(RESPONSE, sequence, response.status, response.key, response.value)

    def open_response(self, sequence: int, packet: bytes) -> Response:
        """A response.

        Raises:
            FaultError: it is not the response to the command of that number.
        """
        code, key, value = self._open(RESPONSE, sequence, packet)
        return Response(Status(code), key, value)

    def _seal(self, kind: bytes, sequence: int, code: int, key: int, value: bytes) -> bytes:
        body = _HEAD.pack(sequence, code) + key.to_bytes(4, "little") + value
        body = body.ljust(self._config.packet_bytes - TAG_BYTES, b"\0")
        return self._cipher.encrypt(kind + sequence.to_bytes(8, "big"), body, None)

    def _open(self, kind: bytes, sequence: int, packet: bytes) -> tuple[int, int, bytes]:
        try:
            body = self._cipher.decrypt(kind + sequence.to_bytes(8, "big"), packet, None)
        except InvalidTag as error:
            raise FaultError("the packet's tag does not match", where=f"command {sequence}") from error
        found, code = _HEAD.unpack_from(body)
        if found != sequence:
            raise FaultError(f"it says it is command {found}", where=f"command {sequence}")
        at = _HEAD.size + 4
        return code, int.from_bytes(body[_HEAD.size : at], "little"), body[at : at + self._config.value_bytes]
