"""Attacks on host memory: each stops the map for good at the access that meets it, answering nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from penstock.ir.errors import FaultError
from penstock.sim.bolt import BoltConfig, BoltMap, HostMemory, Keys, NativeMap, Op, Session, Status, Trace
from penstock.sim.bolt.memory import READ, WRITE
from penstock.sim.bolt.packet import PacketCipher

CONFIG = BoltConfig(64, value_bytes=4, alpha=0.0)
PAGE = CONFIG.page_bytes
Map = BoltMap | NativeMap


def opened(kind: type[BoltMap] | type[NativeMap], memory: HostMemory | None = None) -> Map:
    """A map of 40 keys whose trace begins anew."""
    map_ = kind(CONFIG, 4, memory=memory or HostMemory.of(CONFIG.image_bytes))
    map_.put(np.arange(40), np.full((40, 4), 0x5A, np.uint8))
    map_.memory.trace = Trace()
    return map_


def until_fault(map_: Map) -> np.ndarray:
    """Access until the map stops; the trace of it. Answers up to there must be right."""
    for at in range(200):
        try:
            response = map_.access(Op.GET, at % 40)
        except FaultError:
            break
        assert response.value == b"ZZZZ"
    assert map_.fault, "no fault in 200 accesses"
    assert map_.memory.trace
    trace = map_.memory.trace.array()
    for op, key in ((Op.GET, 1), (Op.PUT, 1), (Op.DEL, 1), (Op.NOP, 0)):
        with pytest.raises(FaultError):
            map_.access(op, key, b"ZZZZ" if op is Op.PUT else b"")
    assert len(map_.memory.trace.array()) == len(trace), "host traffic after the fault"
    return trace


def flip(byte: int) -> Callable[[bytearray, bytes], list[int]]:
    def attack(data: bytearray, before: bytes) -> list[int]:
        data[2 * PAGE + byte] ^= 1 << byte % 8
        return [2]

    return attack


def swap(data: bytearray, before: bytes) -> list[int]:
    one, two = bytes(data[:PAGE]), bytes(data[5 * PAGE : 6 * PAGE])
    data[:PAGE], data[5 * PAGE : 6 * PAGE] = two, one
    return [0, 5]


def copy(data: bytearray, before: bytes) -> list[int]:
    """A write that went to a second place too."""
    data[3 * PAGE : 4 * PAGE] = data[:PAGE]
    return [3]


def replay(data: bytearray, before: bytes) -> list[int]:
    """An older valid page: also what a dropped write, or an old one done again, leaves."""
    data[PAGE : 2 * PAGE] = before[PAGE : 2 * PAGE]
    return [1]


def roll_back(data: bytearray, before: bytes) -> list[int]:
    data[:] = before
    return list(range(CONFIG.host_bins))


def erase(data: bytearray, before: bytes) -> list[int]:
    data[4 * PAGE : 5 * PAGE] = bytes(PAGE)
    return [4]


ATTACKS = {
    **{f"flip byte {byte}": flip(byte) for byte in (0, 7, 8, 100, PAGE - 17, PAGE - 16, PAGE - 1)},
    "swap two pages": swap,
    "copy a page over another": copy,
    "replay a page": replay,
    "roll back all memory": roll_back,
    "erase a page": erase,
}


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
@pytest.mark.parametrize("name", ATTACKS)
def test_tampered_memory_stops_the_map_when_it_is_read(
    kind: type[BoltMap] | type[NativeMap], name: str
) -> None:
    map_ = opened(kind)
    before = bytes(map_.memory.data)
    for key in range(40):  # every page is written anew
        map_.access(Op.GET, key)
    assert all(
        before[at : at + PAGE] != map_.memory.data[at : at + PAGE] for at in range(0, len(before), PAGE)
    )
    map_.memory.trace = Trace()
    assert isinstance(map_.memory.data, bytearray)
    wrong = ATTACKS[name](map_.memory.data, before)
    trace = until_fault(map_)
    bins = (trace["address"] // PAGE).tolist()
    assert bins[-1] in wrong, "stopped elsewhere"
    assert trace["direction"][-1] == READ, "wrote after what it should have refused"
    assert not set(bins[:-1]) & set(wrong), "a tampered page passed"


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_every_single_flipped_bit_of_a_page_is_noticed(kind: type[BoltMap] | type[NativeMap]) -> None:
    draw = np.random.default_rng(1)
    for byte in draw.choice(PAGE, 16, replace=False):
        map_ = opened(kind)
        for at in range(0, CONFIG.image_bytes, PAGE):
            map_.memory.data[at + int(byte)] ^= 1 << int(draw.integers(8))
        with pytest.raises(FaultError, match="tag"):
            map_.access(Op.GET, 3)


def test_nothing_is_answered_of_a_batch_whose_pages_were_tampered_with() -> None:
    map_ = opened(NativeMap)
    map_.memory.data[:] = bytes(len(map_.memory.data))
    with pytest.raises(FaultError, match="tag"):
        map_.get(np.arange(40))


@dataclass
class Broken(HostMemory):
    """Memory that fails in one way from some write on."""

    how: str = ""
    left: int = 1 << 60

    def read(self, index: int, address: int, length: int) -> bytes:
        data = super().read(index, address, length)
        if self.left > 0:
            return data
        if self.how == "bus error":
            raise FaultError("the bus answers an error", where=f"address {address}")
        return data[: length // 2] if self.how == "truncated burst" else data

    def write(self, index: int, address: int, data: bytes) -> None:
        self.left -= 1
        before = bytes(self.data[address : address + len(data)])
        super().write(index, address, data)
        if self.left > 0 or self.how not in ("dropped write", "torn write"):
            return
        kept = 0 if self.how == "dropped write" else len(data) // 2
        self.data[address + kept : address + len(data)] = before[kept:]


@pytest.mark.parametrize("how", ["dropped write", "torn write", "truncated burst", "bus error"])
def test_failing_memory_stops_the_map(how: str) -> None:
    memory = Broken(bytearray(CONFIG.image_bytes), how=how)
    map_ = opened(BoltMap, memory)
    memory.left = 7
    trace = until_fault(map_)
    assert trace["direction"][-1] == READ
    writes = int((trace["direction"] == WRITE).sum())
    assert writes >= 7
    assert how.endswith("write") or writes == 8, "an access went on after its read failed"


Send = Callable[[list[bytes]], list[bytes]]
COMMANDS: dict[str, Send] = {
    "changed": lambda sent: [*sent[:3], sent[3][:20] + bytes([sent[3][20] ^ 4]) + sent[3][21:], *sent[4:]],
    "replayed": lambda sent: [*sent[:4], sent[3], *sent[4:]],
    "left out": lambda sent: [*sent[:3], *sent[4:]],
    "exchanged": lambda sent: [*sent[:3], sent[4], sent[3], *sent[5:]],
    "cut short": lambda sent: [*sent[:3], sent[3][:-1], *sent[4:]],
}


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
@pytest.mark.parametrize("how", COMMANDS)
def test_commands_out_of_turn_stop_the_map_before_it_touches_memory(
    kind: type[BoltMap] | type[NativeMap], how: str
) -> None:
    keys = Keys.from_seed(4)
    map_, cipher = opened(kind), PacketCipher(CONFIG, keys.session)
    session = Session(map_, keys)
    sent = [cipher.seal_command(number, Op.GET, number) for number in range(8)]
    got = [session.serve(packet) for packet in COMMANDS[how](sent)]
    good = 4 if how == "replayed" else 3
    for number, packet in enumerate(got[:good]):
        assert cipher.open_response(number, packet).value == b"ZZZZ"
    for number, packet in enumerate(got[good:], good):
        assert packet == number.to_bytes(8, "big") + b"\xff" + bytes(CONFIG.packet_bytes - 9)
    assert map_.fault
    assert map_.memory.trace
    assert len(map_.memory.trace.array()) == 4 * good
    with pytest.raises(FaultError, match="tag"):
        map_.access(Op.GET, 1)


def test_a_session_serves_every_operation_and_refuses_after_a_fault_of_memory() -> None:
    keys = Keys.from_seed(4)
    map_, cipher = opened(NativeMap), PacketCipher(CONFIG, keys.session)
    session = Session(map_, keys)
    commands = [
        (Op.PUT, 50, b"abcd"),
        (Op.GET, 50, b""),
        (Op.DEL, 50, b""),
        (Op.GET, 50, b""),
        (Op.NOP, 0, b""),
    ]
    answers = []
    for number, command in enumerate(commands):
        packet = session.serve(cipher.seal_command(number, *command))
        response = cipher.open_response(number, packet)
        answers.append((response.found, response.value))
    none = (False, bytes(4))
    assert answers == [none, (True, b"abcd"), (True, b"abcd"), none, none]
    map_.memory.data[:] = bytes(len(map_.memory.data))
    refused = session.serve(cipher.seal_command(5, Op.GET, 1))
    assert refused[8] == Status.FAULT
    assert session.serve(cipher.seal_command(6, Op.GET, 1))[8] == Status.FAULT


@pytest.mark.parametrize("kind", [BoltMap, NativeMap])
def test_a_stopped_map_has_forgotten_its_keys_and_values(kind: type[BoltMap] | type[NativeMap]) -> None:
    map_ = opened(kind)
    map_.memory.data[:] = bytes(len(map_.memory.data))
    until_fault(map_)
    if isinstance(map_, BoltMap):
        assert map_.frames.used == 0
        assert list(map_.positions) == []
        assert not any(map_.stash)
    else:
        assert map_.secrets() == bytes(len(map_.secrets()))
