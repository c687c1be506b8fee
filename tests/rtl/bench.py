"""A test bench without Python in the loop: a Verilated top, a main program in C++, and runs of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from vectors import Vectors

from penstock import rtl

HARNESS = Path(__file__).parent / "harness"
FOLDERS = ("common", "bitmod")
TIMEOUT_S = 600

PUBLIC = """\
`verilator_config
public_flat_rd -module "*" -var "*_q"
public_flat_rd -module "*" -var "*_nq"
public_flat_rd -module "bitmod_sequencer" -var "drain_*_o"
public_flat_rw -module "bitmod_accel_regs" -var "cycles_q"
public_flat_rw -module "bitmod_accel_regs" -var "core_cycles_q"
"""
"""Registers of the benches that check reset values, and those that are set to what no run counts up to."""


@dataclass(frozen=True)
class Job:
    """One run of a model: its arguments, and its output where that is compared here.

    Attributes:
        arguments: files, in the order the model takes them.
        vectors: what must be in the last of them afterwards; None where the model compares itself.
    """

    arguments: tuple[Path, ...]
    vectors: Vectors | None = None

    def fault(self, executable: Path, extra: Sequence[str] = ()) -> str | None:
        """What a run finds wrong with the design, or None."""
        command = [str(executable), *map(str, self.arguments), *extra]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=os.environ)
        except subprocess.TimeoutExpired:
            return "no end"
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            failed = [line for line in said if "FAIL" in line or "Assertion failed" in line]
            return (failed or said or [f"exit {done.returncode}"])[0]
        if self.vectors is not None:
            out = np.fromfile(self.arguments[-1], np.uint32).reshape(-1, 4)
            if wrong := self.vectors.wrong(out):
                return f"{wrong} cycles differ from the oracle"
        return None


@dataclass(frozen=True)
class Bench:
    """A Verilated top with its main program.

    Attributes:
        name: of the bench.
        top: the module simulated.
        main: the C++ file in harness/.
        jobs: makes the runs, cheapest first, in a folder.
        parameters: of the top module.
        harness: whether the top is a file in harness/.
        registers: whether registers are to be public.
        public: what is public then, as Verilator configuration.
    """

    name: str
    top: str
    main: str
    jobs: Callable[[Path], list[Job]]
    parameters: dict[str, int] = field(default_factory=dict)
    harness: bool = True
    registers: bool = False
    public: str = PUBLIC

    def defines(self) -> tuple[str, ...]:
        """Macros of the main program; the headers' digest keeps a model from outliving them."""
        headers = b"".join(path.read_bytes() for path in sorted(HARNESS.glob("*.h")))
        columns = self.parameters.get("Cols", 1) * self.parameters.get("ColTiles", 1)
        return (f"COLS={columns}", f"HEADERS=0x{hashlib.sha256(headers).hexdigest()[:15]}")

    def flags(self) -> tuple[str, ...]:
        """Verilator's parameter overrides."""
        return tuple(f"-G{name}={value}" for name, value in self.parameters.items())

    def sources(self, design: Sequence[Path], folder: Path) -> list[Path]:
        """The design with the harness, and the file that makes registers public."""
        found = [*design, *([HARNESS / f"{self.top}.sv"] if self.harness else [])]
        if self.registers:
            public = folder / "public.vlt"
            public.write_text(self.public, encoding="utf-8")
            found.insert(0, public)
        return found


def design_texts() -> dict[str, str]:
    """Sources and assertions of the design: file name → text, packages first."""
    return {**rtl.sources(*FOLDERS), **rtl.properties(*FOLDERS)}
