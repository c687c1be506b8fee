"""The bench of BOLT's core as mutants and coverage take it: whole runs, compared to the cycle.

A run's reference is what the design leaves where no mutant is awake: figures, trace, answers, pages. That the
design is right is for bolt_device.py to say, against the software model.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from bench import Bench, Job
from bolt_attacks import trials
from bolt_device import Device, brimming, commands_of, crowded

from penstock import bolt_rtl
from penstock.bolt_rtl import Command
from penstock.sim.bolt.adversary import pattern
from penstock.sim.bolt.config import BoltConfig, Op
from penstock.sim.bolt.drbg import Words
from penstock.sim.bolt.model import BoltMap
from penstock.sim.bolt.packet import PacketCipher
from penstock.sim.bolt.start import Records
from penstock.sim.rtl.bolt import Hardware, Host, lay
from penstock.sim.rtl.bolt_images import BootImages, boot_images

TOP = "bolt_system"
DEVICE = Device(BoltConfig(capacity=256), Hardware(in_flight=4))
FILES = (
    *("bolt_sched.sv", "bolt_value.sv", "bolt_lane.sv", "bolt_frame_io.sv", "bolt_page_dma.sv"),
    *("bolt_fault.sv", "bolt_top.sv"),
)
ATTACKS = (
    *("a bit of a page's tag", "a burst cut short", "SLVERR to a read", "DECERR to a write"),
    *("a value too late", "a bucket too late", "the stash full", "buckets and CAM full"),
)
LEFT = ("said", "trace", "responses", "pages")
"""What a run leaves."""
TIMEOUT_S = 120


@dataclass(frozen=True)
class WholeRun(Job):
    """A run of the driver, and what it must leave; its argument lies in a folder with all that it names."""

    def fault(self, executable: Path, extra: Sequence[str] = ()) -> str | None:
        """What is not as the first run left it; that run of all makes the reference."""
        folder, name = self.arguments[0].parent, self.arguments[0].name
        kept = folder / "reference"
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            work = Path(scratch)
            for path in folder.iterdir():
                if path.is_file() and path.name != name:
                    shutil.copy(path, work)
            job = work / name
            job.write_text(self.arguments[0].read_text().replace(str(folder), str(work)), encoding="utf-8")
            command = [str(executable), str(job), *extra]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=TIMEOUT_S, env=os.environ
                )
            except subprocess.TimeoutExpired:
                return "no end"
            if done.returncode:
                said = (done.stdout + done.stderr).strip().splitlines()
                return next((line for line in said if "failed" in line), (said or ["broke off"])[0])
            if not kept.exists():
                kept.mkdir()
                for each in LEFT:
                    shutil.copy(work / each, kept)
            for each in LEFT:
                if (work / each).read_bytes() != (kept / each).read_bytes():
                    return f"{each} differ"
        return None


def _run(
    folder: Path,
    name: str,
    commands: list[Command],
    host: Host | None = None,
    tape: Sequence[Words] | None = None,
    packets: list[bytes] | None = None,
    boot: BootImages | None = None,
) -> WholeRun:
    config, keys = DEVICE.config, DEVICE.keys
    work = folder / name
    work.mkdir()
    cipher = PacketCipher(config, keys.session)
    blank = bytes(config.value_bytes)
    sealed = packets or [
        cipher.seal_command(number, op, key, value or blank)
        for number, (op, key, value) in enumerate(commands)
    ]
    image = boot.pages if boot else bytes(BoltMap(config, keys=keys).memory.data)[config.base :]
    lay(work, config, keys, sealed, image, host or Host(), tape, boot)
    job = work / "job"
    return WholeRun((job.rename(work / name),))


def jobs(folder: Path) -> list[Job]:
    """Runs, the cheapest first: attacks are told by the FAULT that comes, and when."""
    config = DEVICE.config
    mixed = commands_of(pattern("mixed", config, 90, 51))
    again: list[Command] = []
    for key in (3, 4, 3):
        for turn in range(6):
            value = bytes([turn]) * config.value_bytes
            again += [
                (Op.PUT, key, value),
                (Op.GET, key, b""),
                (Op.DEL if turn % 3 == 2 else Op.GET, key, b""),
            ]
    stash, tape = crowded(config, 110, 52)
    waiting, shown = brimming(config)
    attacks = trials(DEVICE, 53, 60)
    found: list[Job] = [
        _run(folder, "again", again, Host(read_latency=20, write_latency=30)),
        _run(folder, "mixed", mixed, Host(stall=5, read_latency=90)),
        _run(folder, "slow", mixed[:40], Host(write_latency=900)),
        _run(folder, "full", waiting, Host(read_latency=20, write_latency=20), shown),
        _run(folder, "stash", stash, Host(read_latency=20, write_latency=20), tape),
        _run(folder, "boot", *_booted()),
    ]
    for name in ATTACKS:
        trial = attacks[name]
        found.append(_run(folder, name.replace(" ", "_"), list(trial.commands), trial.host, trial.tape))
    return found


def _booted() -> tuple[list[Command], Host, None, None, BootImages]:
    """A filled map that serves from its images on."""
    config, draw = DEVICE.config, np.random.default_rng(54)
    keys = draw.choice(1 << 32, config.capacity, replace=False).astype(np.uint32)
    values = draw.integers(0, 256, (config.capacity, config.value_bytes), dtype=np.uint8)
    chance = random.Random(55)
    commands: list[Command] = [
        (op, chance.choice(keys.tolist()), chance.randbytes(config.value_bytes) if op is Op.PUT else b"")
        for op in chance.choices((Op.GET, Op.PUT, Op.DEL), k=50)
    ]
    model = BoltMap(config, keys=DEVICE.keys, initial=Records(keys, values))
    return commands, Host(gap=150), None, None, boot_images(model)


def texts() -> dict[str, str]:
    """Sources and assertions of the whole, with what makes memories public: file name → text."""
    return dict(bolt_rtl.sources())


def bench() -> Bench:
    """The whole, with its driver as the main program."""
    driver = resources.files("penstock") / "backends" / "verilog" / "templates" / "bolt" / "sim_main.cpp"
    with resources.as_file(driver) as main:
        return Bench(
            "bolt_core",
            TOP,
            str(main.resolve()),
            jobs,
            DEVICE.hardware.parameters(DEVICE.config),
            harness=False,
        )


CORE = bench()
NOTICED_BY: dict[str, tuple[str, ...]] = {}
