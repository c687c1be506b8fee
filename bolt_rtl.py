"""The oblivious map on its RTL, from commands to answers: sealed, streamed through the simulation, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from . import rtl
from .ir.errors import InputError
from .sim.bolt.config import BoltConfig, Op
from .sim.bolt.drbg import Words
from .sim.bolt.keys import Keys
from .sim.bolt.model import BoltMap
from .sim.bolt.packet import PacketCipher, Response, Status
from .sim.rtl import bolt
from .sim.rtl.bolt import BoltRun, Hardware, Host
from .sim.rtl.bolt_images import BootImages
from .sim.rtl.run import Progress

Command = tuple[Op, int, bytes]
"""What to do, with which key, and of PUT the value."""


@dataclass(frozen=True)
class BoltAnswers:
    """What commands were answered with, and what the host saw of it.

    Attributes:
        answers: opened responses, in order; without those sent in the clear after a fault.
        run: the simulation's.
    """

    answers: tuple[Response, ...]
    run: BoltRun


def sources(*, properties: bool = True) -> list[tuple[str, str]]:
    """The RTL as the simulation reads it: names and texts."""
    template = resources.files(__name__.rpartition(".")[0]) / "backends" / "verilog" / "templates" / "bolt"
    texts = {"memory.vlt": (template / "memory.vlt").read_text(encoding="utf-8")}
    texts |= rtl.sources("common", "bolt")
    if properties:
        bound = rtl.properties("common", "bolt")
        texts |= {name: text for name, text in bound.items() if name.replace("_props", "") in texts}
    return list(texts.items())


def run(
    config: BoltConfig,
    keys: Keys,
    commands: Sequence[Command],
    image: bytes | None = None,
    *,
    hardware: Hardware | None = None,
    host: Host | None = None,
    tape: Sequence[Words] | None = None,
    boot: BootImages | None = None,
    design: Sequence[tuple[str, str]] | None = None,
    arguments: Sequence[str] = (),
    progress: Progress | None = None,
) -> BoltAnswers:
    """Run commands on the RTL, from an empty map unless there is something to boot from.

    Args:
        config: the map's sizes.
        keys: its secrets.
        commands: in order.
        image: the pages at the start; what goes with ``boot``, or sealed empty ones by default.
        design: names and texts in place of `sources`.
        hardware, host, tape, boot, arguments, progress: as for `sim.rtl.bolt.run`.

    Raises:
        InputError: a value of the wrong size.
        VerifyError: the simulation broke off.
        FaultError: a response that was not sealed under the session's key.
        ToolMissing: no Verilator or compiler.
    """
    cipher = PacketCipher(config, keys.session)
    packets = []
    for number, (op, key, value) in enumerate(commands):
        if op is Op.PUT and len(value) != config.value_bytes:
            raise InputError(
                f"{len(value)} bytes", where=f"value of command {number}", accepted=f"{config.value_bytes}"
            )
        packets.append(cipher.seal_command(number, op, key, value or bytes(config.value_bytes)))
    if image is None and boot is not None:
        image = boot.pages
    elif image is None:
        image = bytes(BoltMap(config, keys=keys).memory.data)[config.base :]
    template = resources.files(__name__.rpartition(".")[0]) / "backends" / "verilog" / "templates" / "bolt"
    with resources.as_file(template / "sim_main.cpp") as driver:
        done = bolt.run(
            design or sources(),
            driver,
            config,
            keys,
            packets,
            image,
            hardware=hardware,
            host=host,
            tape=tape,
            boot=boot,
            arguments=arguments,
            progress=progress,
        )
    answers = []
    for number, packet in enumerate(done.responses):
        if packet == number.to_bytes(8, "big") + bytes([Status.FAULT]) + bytes(config.packet_bytes - 9):
            break  # in the clear, as all that follow
        answers.append(cipher.open_response(number, packet))
    return BoltAnswers(tuple(answers), done)
