"""BOLT on the RTL: commands through ``bolt_system``, host memory in C++, everything seen written down.

The host's side of the accelerator of Guo et al., arXiv 2509.01742 (a reconstruction): it sends sealed
packets, keeps the pages, and may attack either.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import InputError, VerifyError
from ..bolt.config import BoltConfig
from ..bolt.drbg import Words
from ..bolt.keys import Keys
from .bolt_images import BootImages
from .run import Progress
from .verilator import Build, build

TOP = "bolt_system"
COUNTS = ("accesses", "pages_read", "pages_written", "wait_cycles", "free_frames", "stash_used")
READ, WRITE, COMMAND, RESPONSE = range(4)
"""Kinds of events."""
EVENT = np.dtype([("cycle", "<u8"), ("address", "<u8"), ("bytes", "<u4"), ("kind", "<u4")])
CLOCK_HZ = 250e6
"""Clock that times are stated at; no synthesis to the card was run."""


@dataclass(frozen=True)
class Hardware:
    """What the RTL is built with, beside the map's sizes.

    Attributes:
        in_flight: accesses at a time; a power of two, 1: the next begins when the last write was answered.
        deadline: cycles after which a result of HBM is used.
        aes_units, digit: width of each AES core, bits of a GHASH step.
        lane_pairs: 1: pages are opened when those of the access before are sealed; 2: meanwhile.
        fill_nop: a NOP is made where no command waits.
        host_timeout: cycles that the host's memory may owe and be silent; then FAULT. 4.2 ms at 250 MHz.
    """

    in_flight: int = 4
    deadline: int = 128
    aes_units: int = 5
    digit: int = 64
    lane_pairs: int = 1
    fill_nop: bool = False
    host_timeout: int = 1 << 20

    def parameters(self, config: BoltConfig) -> dict[str, int]:
        """Of ``bolt_system``."""
        return {
            "Bins": config.bins,
            "HbmBins": config.hbm_bins,
            "Frames": config.frames,
            "Buckets": config.buckets,
            "ValueBytes": config.value_bytes,
            "InFlight": self.in_flight,
            "HbmDeadline": self.deadline,
            "AesUnits": self.aes_units,
            "Digit": self.digit,
            "LanePairs": self.lane_pairs,
            "FillNop": int(self.fill_nop),
            "HostTimeout": self.host_timeout,
        }


@dataclass(frozen=True)
class Attack:
    """What the host does to one page read or written, by its number from 0; kinds are in ``sim_main.cpp``."""

    kind: str
    number: int
    a: int = 0
    b: int = 0


@dataclass(frozen=True)
class Host:
    """The world outside.

    Attributes:
        read_latency: cycles from a read's address to its first beat.
        write_latency: from a write's last beat to its answer.
        stall: of so many cycles one takes and gives no beat; 0: none.
        gap: cycles at least from one command to the next.
        quiet: a run ends so many cycles after the last event, whatever is due.
        cycles: it ends after so many cycles, whatever happens; 0: when all is answered. Hardware that fills
            with NOPs never rests.
        attacks: on pages.
        hbm_seed: of HBM's latencies.
        slow_request: number of the HBM request that comes too late, 0: none; of frames' with slow_frame.
    """

    read_latency: int = 300
    write_latency: int = 300
    stall: int = 0
    gap: int = 0
    quiet: int = 20000
    cycles: int = 0
    attacks: tuple[Attack, ...] = ()
    hbm_seed: int = 1
    slow_request: int = 0
    slow_frame: bool = False


@dataclass(frozen=True)
class BoltRun:
    """What the host saw, and counters.

    Attributes:
        responses: packets, in order.
        trace: `EVENT` records, in order; the cycle is from the start.
        image: the pages at the end.
        cycles: of the run.
        fault, fault_cycle: a code of ``bolt_pkg::fault_e``, 0: none; when it was raised.
        counts: by name of `COUNTS`.
        build_seconds: building the model; 0 where it was in the cache.
    """

    responses: tuple[bytes, ...]
    trace: NDArray[np.void]
    image: bytes
    cycles: int
    fault: int
    fault_cycle: int
    counts: Mapping[str, int]
    build_seconds: float = field(default=0.0, compare=False)

    @property
    def host_trace(self) -> NDArray[np.void]:
        """Reads and writes of pages."""
        return self.trace[self.trace["kind"] <= WRITE]

    def cycles_per_access(self, skip: int = 32) -> float:
        """From response to response, without the first ones: the sustained rate where commands wait.

        Raises:
            InputError: there are not so many responses.
        """
        ends = self.trace["cycle"][self.trace["kind"] == RESPONSE]
        if len(ends) < skip + 2:
            raise InputError(f"{len(ends)} responses", accepted=f"{skip + 2} at least")
        return float(ends[-1] - ends[skip]) / (len(ends) - 1 - skip)


def model(
    sources: Sequence[tuple[str, str]],
    driver: Path,
    config: BoltConfig,
    hardware: Hardware,
    *,
    folder: Path,
    coverage: bool = False,
) -> Build:
    """Build the RTL with its host, or take it from the cache.

    Args:
        sources: names and texts of the SystemVerilog, packages first, then the Verilator configuration.
        driver: the host, a C++ file.
        config: the map's sizes.
        hardware: the RTL's.
        folder: for the sources.
        coverage: count lines and toggles.

    Raises:
        InputError: the sources do not build.
        ToolMissing: no Verilator or compiler.
    """
    files = [folder / name for name, _ in sources]
    for path, (_, text) in zip(files, sources, strict=True):
        path.write_text(text, encoding="utf-8")
    flags = tuple(f"-G{name}={value}" for name, value in hardware.parameters(config).items())
    return build(files, TOP, driver, verilator_flags=flags, coverage=coverage)


def run(
    sources: Sequence[tuple[str, str]],
    driver: Path,
    config: BoltConfig,
    keys: Keys,
    packets: Sequence[bytes],
    image: bytes,
    *,
    hardware: Hardware | None = None,
    host: Host | None = None,
    tape: Sequence[Words] | None = None,
    boot: BootImages | None = None,
    arguments: Sequence[str] = (),
    progress: Progress | None = None,
) -> BoltRun:
    """Send command packets, and see what comes of them.

    Args:
        sources, driver, config: as for `model`.
        keys: the map's secrets.
        packets: sealed commands, `config.packet_bytes` each.
        image: the pages at the start, from ``config.base`` on.
        hardware, host: defaults of theirs.
        tape: each access's four words, in place of the generator's.
        boot: what HBM holds at the start, and of which records; an empty map by default.
        arguments: more arguments for the model, plusargs for instance.
        progress: told of the build.

    Raises:
        VerifyError: the simulation broke off; with the host's words.
        InputError: the sources do not build.
        ToolMissing: no Verilator or compiler.
    """
    hardware, host = hardware or Hardware(), host or Host()
    with tempfile.TemporaryDirectory(prefix="penstock-bolt-") as scratch:
        folder = Path(scratch)
        if progress:
            progress("building the model", 0, None)
        built = model(sources, driver, config, hardware, folder=folder)
        job = lay(folder, config, keys, packets, image, host, tape, boot)
        done = subprocess.run([str(built.executable), str(job), *arguments], capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr + done.stdout).strip()
            raise VerifyError(f"the simulation broke off (status {done.returncode}): {said[-2000:]}")
        return _read(folder, config, built.seconds)


def lay(
    folder: Path,
    config: BoltConfig,
    keys: Keys,
    packets: Sequence[bytes],
    image: bytes,
    host: Host,
    tape: Sequence[Words] | None,
    boot: BootImages | None,
) -> Path:
    """Write a job's files to a folder: what the driver reads, with `run`'s arguments."""
    (folder / "pages").write_bytes(image)
    (folder / "commands").write_bytes(b"".join(packets))
    lines = [
        "keys " + " ".join(key.hex() for key in (keys.session, keys.page, keys.prf, keys.drbg)),
        f"memory {config.base} {config.page_bytes} {folder / 'pages'}",
        f"latency {host.read_latency} {host.write_latency}",
        f"stall {host.stall}",
        f"commands {folder / 'commands'} {config.packet_bytes} {host.gap}",
        f"hbm {host.hbm_seed} {host.slow_request} {int(host.slow_frame)}",
        f"quiet {host.quiet} {host.cycles}",
        *(f"attack {each.kind} {each.number} {each.a} {each.b}" for each in host.attacks),
    ]
    if tape is not None:
        np.asarray(tape, "<u8").tofile(folder / "tape")
        lines.append(f"tape {folder / 'tape'}")
    if boot is not None:
        for name, content in (("pm", boot.buckets), ("frame", boot.frames)):
            (folder / f"image-{name}").write_bytes(content)
            lines.append(f"image {name} {folder / f'image-{name}'}")
        (folder / "records").write_bytes(boot.records)
        lines.append(f"boot {folder / 'records'}")
    job = folder / "job"
    job.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return job


def _read(folder: Path, config: BoltConfig, seconds: float) -> BoltRun:
    cycles, fault, fault_cycle, *counts = map(int, (folder / "said").read_text(encoding="utf-8").split())
    responses = (folder / "responses").read_bytes()
    size = config.packet_bytes
    return BoltRun(
        tuple(responses[at : at + size] for at in range(0, len(responses), size)),
        np.fromfile(folder / "trace", EVENT),
        (folder / "pages").read_bytes(),
        cycles,
        fault,
        fault_cycle,
        dict(zip(COUNTS, counts, strict=True)),
        seconds,
    )
