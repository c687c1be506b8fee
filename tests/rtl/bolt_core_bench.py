"""The bench of BOLT's core as mutants and coverage take it: whole runs, compared to the cycle.

A run's reference is what the design leaves where no mutant is awake: figures, trace, answers, pages. That the
design is right is for bolt_device.py to say, against the software model. Registers are looked at after the
reset and after a FAULT. The package's numbers are as narrow as the map allows, so that none has bits that
never count; write counters and those of accesses begin at random, and pages lie astride address 2^63.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import numpy as np
from bench import HARNESS, Bench, Job
from bolt_attacks import PAGE_TAG, STATE, trials
from bolt_device import Device, brimming, commands_of, crowded

from penstock import bolt_rtl
from penstock.bolt_rtl import Command
from penstock.sim.bolt.adversary import pattern
from penstock.sim.bolt.config import BoltConfig, Op
from penstock.sim.bolt.drbg import Words, words_of_pair
from penstock.sim.bolt.keys import Keys
from penstock.sim.bolt.model import BoltMap
from penstock.sim.bolt.packet import PacketCipher
from penstock.sim.bolt.page import PageCipher
from penstock.sim.bolt.start import Records
from penstock.sim.rtl.bolt import Attack, Hardware, Host, lay
from penstock.sim.rtl.bolt_images import (
    BIN_BITS,
    ENTRY_BYTES,
    FRAME_BITS,
    FRAMED,
    KEY_BITS,
    BootImages,
    boot_images,
)

TOP = "bolt_system"
CONFIG = BoltConfig(capacity=64, value_bytes=8, alpha=0.25)
HARDWARE = Hardware(in_flight=4, lane_pairs=2, host_timeout=4000)
BASE = (1 << 63) - CONFIG.host_bins // 2 * CONFIG.page_bytes
"""Of the pages: half of them lie below 2^63."""
NARROW = {"BinWidth": 3, "FrameWidth": 8, "BucketWidth": 6}
"""bolt_pkg's widths that hold a map of this size."""
FILES = (
    *("bolt_sched.sv", "bolt_value.sv", "bolt_lane.sv", "bolt_frame_io.sv", "bolt_page_dma.sv"),
    *("bolt_fault.sv", "bolt_top.sv"),
)
ATTACKS = (
    *("a bit of a page's tag", "a burst cut short", "SLVERR to a read", "DECERR to a write"),
    *("DECERR to a read", "SLVERR to a write", "a burst that stops", "writes not answered"),
    *(
        "a command replayed",
        "a value too late",
        "a bucket too late",
        "the stash full",
        "buckets and CAM full",
    ),
)
WARM = (30, 31, 95, 134, 219)
"""Accesses before lists are filled."""
PUBLIC = """\
`verilator_config
public_flat_rd -module "bolt_top" -var "*_q"
public_flat_rw -module "bolt_top" -var "count_q"
public_flat_rd -module "bolt_sched" -var "*_q"
public_flat_rd -module "bolt_value" -var "*_q"
public_flat_rd -module "bolt_lane" -var "*_q"
public_flat_rd -module "bolt_frame_io" -var "*_q"
public_flat_rd -module "bolt_page_dma" -var "*_q"
public_flat_rd -module "bolt_fault" -var "*_q"
public_flat_rd -module "stream_fifo" -var "mem"
public_flat_rw -module "sram_1r1w" -var "mem"
"""
LEFT = ("said", "trace", "responses", "pages")
"""What a run leaves."""
TIMEOUT_S = 600


@dataclass(frozen=True)
class WholeRun(Job):
    """A run of the driver, and what it must leave; its argument lies in a folder with all that it names.

    Attributes:
        code: of the FAULT that must come, 0: none.
    """

    code: int = 0

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
                if (came := int((work / "said").read_text(encoding="utf-8").split()[1])) != self.code:
                    return f"{name}: FAULT {came}, not {self.code}"
                kept.mkdir()
                for each in LEFT:
                    shutil.copy(work / each, kept)
            for each in LEFT:
                if (work / each).read_bytes() != (kept / each).read_bytes():
                    return f"{each} differ"
        return None


def _scattered(key: int) -> int:
    """A key of 32 bits for a small one."""
    return (key * 2654435761 + 0x9E3779B9) % (1 << 32)


def _wide(commands: Sequence[Command]) -> list[Command]:
    return [(op, _scattered(key), value) for op, key, value in commands]


@dataclass(frozen=True)
class _Plan:
    """A run to be: commands to a map with keys of its own."""

    name: str
    commands: Sequence[Command]
    host: Host = field(default_factory=Host)
    tape: Sequence[Words] | None = None
    code: int = 0
    packets: Callable[[list[bytes]], list[bytes]] | None = None
    boot: BootImages | None = None
    keys: Keys | None = None


def _laid(folder: Path, plan: _Plan, seed: int) -> WholeRun:
    """The files of a run; write counters of an empty map and those of bolt_top begin at random."""
    keys, chance = plan.keys or Keys.from_seed(seed), random.Random(seed)
    work = folder / plan.name
    work.mkdir()
    cipher, blank = PacketCipher(CONFIG, keys.session), bytes(CONFIG.value_bytes)
    packets = [
        cipher.seal_command(number, op, key, value or blank)
        for number, (op, key, value) in enumerate(plan.commands)
    ]
    packets = plan.packets(packets) if plan.packets else packets
    counters = [chance.choice((chance.getrandbits(64), (1 << 64) - 3)) for _ in range(CONFIG.host_bins)]
    pages = PageCipher(CONFIG, keys.page)
    image = b"".join(pages.seal(CONFIG.hbm_bins + at, count, []) for at, count in enumerate(counters))
    begun = {
        "i_top.count_q": struct.pack(
            "<4I", *(chance.choice((~0 - 5, chance.getrandbits(31))) & 0xFFFFFFFF for _ in range(4))
        )
    }
    if plan.boot:
        image = plan.boot.pages
    else:
        begun["i_pend_ctl.i_counters.mem"] = struct.pack(f"<{len(counters)}Q", *counters)
    lay(work, replace(CONFIG, base=BASE), keys, packets, image, plan.host, plan.tape, plan.boot)
    lines = []
    for name, content in begun.items():
        (work / name).write_bytes(content)
        lines.append(f"image {name} {work / name}\n")
    job = (work / "job").rename(work / plan.name)
    with job.open("a", encoding="utf-8") as file:
        file.writelines(lines)
    return WholeRun((job,), code=plan.code)


def jobs(folder: Path) -> list[Job]:
    """Runs, the cheapest first: attacks are told by the FAULT that comes, and when."""
    quick = Host(read_latency=20, write_latency=20)
    mixed = _wide(commands_of(pattern("mixed", CONFIG, 90, 51)))
    chance = random.Random(56)
    wide = [[chance.getrandbits(64) for _ in range(4)] for _ in mixed]
    any_words: list[Words] = [(a, b, c, d) for a, b, c, d in wide]
    crowd, tape = crowded(CONFIG, 110, 52)
    plans = [
        _Plan("again", _again(), Host(read_latency=20, write_latency=30)),
        _Plan("mixed", mixed, Host(stall=5, read_latency=90)),
        _Plan("taped", mixed, quick, any_words),
        _Plan("slow", mixed[:40], Host(write_latency=900)),
        *(_full(warm) for warm in WARM),
        _Plan("stash", _wide(crowd), quick, tape),
        _Plan(
            "forgotten",
            _again()[:2] + _again()[1:2] * 30,
            Host(attacks=(Attack("flip", 24, 5),)),
            code=PAGE_TAG,
        ),
        *_booted(),
        *_attacks(),
    ]
    return [_laid(folder, plan, 60 + number) for number, plan in enumerate(plans)]


def _again() -> list[Command]:
    """Few keys, over and over."""
    found: list[Command] = []
    for key in map(_scattered, (3, 4, 3)):
        for turn in range(6):
            value = bytes([turn + 1]) * CONFIG.value_bytes
            last = Op.DEL if turn % 3 == 2 else Op.GET
            found += [(Op.PUT, key, value), (Op.GET, key, b""), (last, key, b"")]
    return found


def _full(warm: int) -> _Plan:
    """As many keys await two pages as these hold, in frames behind so many that were used before.

    With every second ``warm`` all bits of the keys are turned: each bit of each entry is 1 once.
    """
    commands, tape = brimming(CONFIG)
    turned = (1 << 32) - 1 if warm % 2 else 0
    chance = random.Random(warm // 2)
    names = [chance.getrandbits(32) ^ turned for _ in range(2 * CONFIG.slots)]
    known: list[Command] = [(op, names[key], value) for op, key, value in commands]
    value = chance.randbytes(CONFIG.value_bytes)
    first: list[Command] = [
        (Op.PUT, 5, value),
        *((Op.GET, 5, b"") for _ in range(warm - 2)),
        (Op.DEL, 5, b""),
    ]
    hidden = words_of_pair(0, 1, CONFIG.bins)
    return _Plan(
        f"full{warm}",
        first + known,
        Host(read_latency=20, write_latency=20),
        [(*hidden, *hidden)] * warm + tape,
    )


def _attacks() -> list[_Plan]:
    """Each against keys of its own."""
    found = []
    for number, name in enumerate(ATTACKS):
        keys = Keys.from_seed(80 + number)
        trial = trials(Device(CONFIG, HARDWARE, keys), 53 + number, 60)[name]
        found.append(
            _Plan(
                name.replace(" ", "_"),
                trial.commands,
                replace(trial.host, quiet=6000),
                trial.tape,
                trial.code,
                trial.packets,
                keys=keys,
            )
        )
    return found


def _booted() -> list[_Plan]:
    """A filled map that serves from its images on, and one whose records say that a bin overflows."""
    keys, draw = Keys.from_seed(57), np.random.default_rng(54)
    held = draw.choice(1 << 32, CONFIG.capacity, replace=False).astype(np.uint32)
    values = draw.integers(0, 256, (CONFIG.capacity, CONFIG.value_bytes), dtype=np.uint8)
    chance = random.Random(55)
    commands: list[Command] = [
        (op, chance.choice(held.tolist()), chance.randbytes(CONFIG.value_bytes) if op is Op.PUT else b"")
        for op in chance.choices((Op.GET, Op.PUT, Op.DEL), k=50)
    ]
    boot = boot_images(BoltMap(CONFIG, keys=keys, initial=Records(held, values)))
    boot = replace(boot, buckets=_narrowed(boot.buckets))
    crowd = replace(boot, records=struct.pack("<I", FRAMED | 1) * (CONFIG.slots + 2))
    return [
        _Plan("boot", commands, Host(gap=150), boot=boot, keys=keys),
        _Plan("overbooked", commands[:5], boot=crowd, keys=keys, code=STATE),
    ]


def _narrowed(buckets: bytes) -> bytes:
    """Entries of the position map in the layout of `NARROW`."""
    fields = (
        (KEY_BITS, KEY_BITS), (BIN_BITS, NARROW["BinWidth"]), (BIN_BITS, NARROW["BinWidth"]),
        (FRAME_BITS, NARROW["FrameWidth"]), (4, 4),
    )  # fmt: skip
    out = []
    for start in range(0, len(buckets), ENTRY_BYTES):
        entry, word, at = int.from_bytes(buckets[start : start + ENTRY_BYTES], "little"), 0, 0
        for wide, narrow in fields:
            word |= (entry & ((1 << wide) - 1)) << at
            entry, at = entry >> wide, at + narrow
        out.append(word.to_bytes(ENTRY_BYTES, "little"))
    return b"".join(out)


def texts() -> dict[str, str]:
    """Sources and assertions of the whole, with what makes memories public: file name → text."""
    found = dict(bolt_rtl.sources())
    for name, width in NARROW.items():
        found["bolt_pkg.sv"], count = re.subn(
            rf"(int unsigned {name} += )\d+;", rf"\g<1>{width};", found["bolt_pkg.sv"]
        )
        assert count == 1, name
    return found


class CoreBench(Bench):
    """The driver, with what it looks at."""

    def defines(self) -> tuple[str, ...]:
        """Macros of the driver: the header that looks at registers."""
        return (*super().defines(), f'REGISTERS="{HARNESS / "bolt_registers.h"}"')


def bench() -> Bench:
    """The whole, with its driver as the main program."""
    driver = resources.files("penstock") / "backends" / "verilog" / "templates" / "bolt" / "sim_main.cpp"
    with resources.as_file(driver) as main:
        return CoreBench(
            "bolt_core",
            TOP,
            str(main.resolve()),
            jobs,
            HARDWARE.parameters(CONFIG),
            harness=False,
            registers=True,
            public=PUBLIC,
        )


CORE = bench()
NOTICED_BY: dict[str, tuple[str, ...]] = {}
