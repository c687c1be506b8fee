"""Commands served as the accelerator serves them: sealed packets in order, FAULT for good at any other."""

from __future__ import annotations

from ...ir.errors import FaultError
from .keys import Keys
from .model import BoltMap
from .native import NativeMap
from .packet import PacketCipher, Status


class Session:
    """A map behind its packets.

    Args:
        map_: plain or native.
        keys: whose session key seals the packets.
    """

    def __init__(self, map_: BoltMap | NativeMap, keys: Keys) -> None:
        self._map = map_
        self._cipher: PacketCipher | None = PacketCipher(map_.config, keys.session)
        self._number = 0

    def serve(self, packet: bytes) -> bytes:
        """The sealed response to the next command; after a fault, of any kind, a refusal in the clear.

        A packet that was changed, replayed, left out or sent out of turn does not open under the number that
        is due, and stops the map before it touches host memory.
        """
        number, self._number = self._number, self._number + 1
        if self._cipher is None:
            return self._refusal(number)
        try:
            op, key, value = self._cipher.open_command(number, packet)
        except FaultError as error:
            self._map.stop(error)
            return self._refusal(number)
        wanted = self._map.config.value_bytes if op == op.PUT else 0
        try:
            response = self._map.access(op, key, value[:wanted])
        except FaultError:
            return self._refusal(number)
        return self._cipher.seal_response(number, response)

    def _refusal(self, number: int) -> bytes:
        self._cipher = None
        return (number.to_bytes(8, "big") + bytes([Status.FAULT])).ljust(self._map.config.packet_bytes, b"\0")
