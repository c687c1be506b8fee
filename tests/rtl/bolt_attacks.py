"""Attacks on BOLT's host memory, packets and bounds: each must end in its FAULT before plaintext leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from bolt_device import Device, Modelled, commands_of, crowded, crowding, few_buckets

from penstock.bolt_rtl import Command
from penstock.ir.errors import FaultError
from penstock.sim.bolt import memory
from penstock.sim.bolt.adversary import pattern
from penstock.sim.bolt.config import Op
from penstock.sim.bolt.drbg import Words, words_of_pair
from penstock.sim.bolt.model import BoltMap
from penstock.sim.bolt.packet import PacketCipher, Status
from penstock.sim.rtl.bolt import RESPONSE, WRITE, Attack, BoltRun, Host

PAGE_TAG, COMMAND, AXI_READ, AXI_WRITE, DEADLINE, BUCKETS, FRAMES, STASH, STATE, SILENCE = range(1, 11)
"""Codes of bolt_pkg::fault_e."""


@dataclass(frozen=True)
class Trial:
    """Commands under attack.

    Attributes:
        code: of the FAULT that must come.
        commands: in order.
        first: number of the access that must not be answered, nor any after it.
        host: what the host does.
        packets: changes the sealed commands.
        tape: words, where bins are to be chosen.
    """

    code: int
    commands: Sequence[Command]
    first: int
    host: Host = field(default_factory=Host)
    packets: Callable[[list[bytes]], list[bytes]] | None = None
    tape: Sequence[Words] | None = None


def _events(told: Modelled, direction: int) -> np.ndarray:
    return told.trace[(told.trace["direction"] == direction) & (told.trace["index"] >= 0)]


def _next_read(told: Modelled, address: int, after: int, count: int = 1) -> int:
    """The access that reads a page for the ``count``-th time after an access."""
    reads = _events(told, memory.READ)
    mine = reads[(reads["address"] == address) & (reads["index"] > after)]
    return int(mine["index"][count - 1])


def trials(device: Device, seed: int = 1, length: int = 120) -> dict[str, Trial]:
    """Every attack once, in the middle of a run."""
    config = device.config
    commands = commands_of(pattern("mixed", config, length, seed))
    told = device.modelled(commands)
    reads, writes = _events(told, memory.READ), _events(told, memory.WRITE)
    # A read in the middle whose page was written before, and a write whose page is read twice again.
    number = next(
        at for at in range(len(reads) // 2, len(reads))
        if (writes["address"][writes["index"] < reads["index"][at] - 8] == reads["address"][at]).any()
    )  # fmt: skip
    wrote = next(
        at for at in range(len(writes) // 4, len(writes))
        if (reads["address"][reads["index"] > writes["index"][at]] == writes["address"][at]).sum() > 1
    )  # fmt: skip
    reader, writer = int(reads["index"][number]), int(writes["index"][wrote])
    page = int(writes["address"][wrote])
    other = (int(reads["address"][number]) - config.base) // config.page_bytes ^ 1
    last = config.page_bytes - 1

    def attack(kind: str, at: int, first: int, code: int = PAGE_TAG, a: int = 0, b: int = 0) -> Trial:
        return Trial(code, commands, first, Host(attacks=(Attack(kind, at, a, b),)))

    return {
        "a bit of a page's first block": attack("flip", number, reader, a=1, b=3),
        "a bit of a page's zeros": attack("flip", number, reader, a=config.body_bytes - 1, b=7),
        "a bit of a page's tag": attack("flip", number, reader, a=last),
        "another page in its place": attack("page", number, reader, a=other),
        "an older valid page": attack("old", number, reader),
        "all memory rolled back": attack("rollback", number, reader),
        "a write dropped": attack("drop", wrote, _next_read(told, page, writer)),
        "a write done again later": attack("repeat", wrote, _next_read(told, page, writer, 2)),
        "a burst cut short": attack("short", number, reader, AXI_READ),
        "a burst without an end": attack("long", number, reader, AXI_READ),
        "a burst that stops": attack("stop", number, reader, SILENCE, 3),
        "a burst that never begins": attack("stop", number, reader, SILENCE),
        "writes not answered": attack("mute", wrote, length, SILENCE),
        "SLVERR to a read": attack("rerror", number, reader, AXI_READ, 2),
        "DECERR to a read": attack("rerror", number, reader, AXI_READ, 3),
        "SLVERR to a write": attack("werror", wrote, length, AXI_WRITE, 2),
        "DECERR to a write": attack("werror", wrote, length, AXI_WRITE, 3),
        **{f"a command {name}": replace(each, commands=commands) for name, each in _packets(length).items()},
        "a bucket too late": Trial(DEADLINE, commands, length, Host(slow_request=config.buckets + 40)),
        "a value too late": Trial(DEADLINE, commands, length, Host(slow_request=200, slow_frame=True)),
        **overflows(device, seed),
    }


def _packets(length: int) -> dict[str, Trial]:
    at = length // 2

    def turned(packet: bytes, byte: int) -> bytes:
        return packet[:byte] + bytes([packet[byte] ^ 16]) + packet[byte + 1 :]

    edits: dict[str, Callable[[list[bytes]], list[bytes]]] = {
        "replayed": lambda p: [*p[:at], p[at - 1], *p[at:]],
        "out of order": lambda p: [*p[:at], p[at + 1], p[at], *p[at + 2 :]],
        "left out": lambda p: [*p[:at], *p[at + 1 :]],
        "with another operation": lambda p: [*p[:at], turned(p[at], 8), *p[at + 1 :]],
        "with another tag": lambda p: [*p[:at], turned(p[at], len(p[at]) - 1), *p[at + 1 :]],
    }
    return {name: Trial(COMMAND, (), at, packets=edit) for name, edit in edits.items()}


def overflows(device: Device, seed: int) -> dict[str, Trial]:
    """Bounds that are exceeded with chosen keys or bins; never with random ones."""
    config = device.config
    # More keys of a few buckets than these and the CAM hold.
    many = 4 * few_buckets(config) + 20
    keyed = [(Op.PUT, key, bytes(config.value_bytes)) for key in crowding(config, device.keys, many, seed)]
    # More keys to a pair of bins than these and the stash hold.
    packed, tape = crowded(config, 2 * config.slots + 40, seed)
    live = [(Op.PUT, 1000 + number, bytes(config.value_bytes)) for number in range(len(packed))]
    # More keys awaiting a flush than there are frames: none of their bins is ever shown.
    shown = words_of_pair(config.hbm_bins, config.hbm_bins + 1, config.bins)
    hidden = range(config.hbm_bins + 2, config.bins)
    waiting = [(Op.PUT, key, bytes(config.value_bytes)) for key in range(config.frames + 8)]
    spread = [
        (*shown, *words_of_pair(hidden[key % len(hidden)], hidden[(key + 1) % len(hidden)], config.bins))
        for key in range(len(waiting))
    ]
    return {
        "buckets and CAM full": Trial(BUCKETS, keyed, _refused(device, keyed)),
        "the stash full": Trial(STASH, live, _refused(device, live, tape), tape=tape),
        "no frame left": Trial(FRAMES, waiting, _refused(device, waiting, spread), tape=spread),
    }


def _refused(device: Device, commands: Sequence[Command], tape: Sequence[Words] | None = None) -> int:
    """The access that the model refuses."""
    model = BoltMap(device.config, keys=device.keys, tape=tape.__getitem__ if tape else None)
    for number, (op, key, value) in enumerate(commands):
        try:
            model.access(op, key, value)
        except FaultError:
            return number
    raise AssertionError("the model refuses nothing")


def wrong(device: Device, trial: Trial) -> list[str]:
    """What is not as it must be after an attack; nothing if all is well."""
    packets = [
        PacketCipher(device.config, device.keys.session).seal_command(
            number, op, key, value or bytes(device.config.value_bytes)
        )
        for number, (op, key, value) in enumerate(trial.commands)
    ]
    if trial.packets:
        packets = trial.packets(packets)
    run = device.send(packets, trial.host, trial.tape)
    found = [] if run.fault == trial.code else [f"fault {run.fault}, not {trial.code}"]
    told = device.modelled(trial.commands[: trial.first], trial.tape)
    answers, refusals = _sort(device, run)
    if answers != list(told.answers[: len(answers)]):
        found.append("an answer before the fault is not the model's")
    if len(answers) > trial.first:
        found.append(f"{len(answers)} answers, {trial.first} accesses before the attack")
    if len(answers) + refusals != len(packets):
        found.append(f"{len(answers)} answers and {refusals} refusals to {len(packets)} commands")
    host = run.trace[run.trace["kind"] <= WRITE]
    late = int((host["cycle"] > run.fault_cycle + 1).sum())
    if late:
        found.append(f"{late} bursts after the fault")
    if (host["kind"] == WRITE).sum() > len(_events(told, memory.WRITE)):
        found.append("a page was written for the access that was attacked")
    ends = run.trace["cycle"][run.trace["kind"] == RESPONSE]
    if (ends[: len(answers)] > run.fault_cycle + 200).any():
        found.append("an answer left long after the fault")
    return found


def _sort(device: Device, run: BoltRun) -> tuple[list, int]:
    """Sealed answers that came, and how many refusals in the clear after them."""
    size, cipher = device.config.packet_bytes, PacketCipher(device.config, device.keys.session)
    answers, refusals = [], 0
    for number, packet in enumerate(run.responses):
        if packet == number.to_bytes(8, "big") + bytes([Status.FAULT]) + bytes(size - 9):
            refusals += 1
        else:
            assert refusals == 0, "a sealed answer behind a refusal"
            answers.append(cipher.open_response(number, packet))
    return answers, refusals
