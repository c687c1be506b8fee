"""The bench of BOLT's storage units as mutants and coverage take it: vectors, file by file."""

from __future__ import annotations

import random
from pathlib import Path

import bolt_storage as storage
import bolt_ticks
from bench import HARNESS, Bench, Job

from penstock import rtl

TOP = "bolt_storage_harness"
FILES = (
    *("bolt_pm_ctl.sv", "bolt_hbm_port.sv", "bolt_load_tab.sv", "bolt_frame_mgr.sv", "bolt_pend_ctl.sv"),
    *("bolt_stash.sv", "bolt_merge.sv"),
)
NOTICED_BY = {
    "bolt_pm_ctl.sv": ("map", "late", "all"),
    "bolt_hbm_port.sv": ("port", "late", "map", "all"),
    "bolt_load_tab.sv": ("loads", "all"),
    "bolt_frame_mgr.sv": ("frames", "all"),
    "bolt_pend_ctl.sv": ("pending", "all"),
    "bolt_stash.sv": ("stash", "cleared"),
    "bolt_merge.sv": ("merges", "cleared", "all"),
}
"""File → runs that exercise it."""


def texts() -> dict[str, str]:
    """Sources and assertions of the units with the harness: file name → text, packages first."""
    kept = ("bolt_pkg.sv", "bolt_hbm.sv", *FILES, *(name.replace(".sv", "_props.sv") for name in FILES))
    bolt = {**rtl.sources("bolt"), **rtl.properties("bolt")}
    shared = {name: text for name, text in rtl.sources("common").items() if name in SHARED}
    harness = {f"{TOP}.sv": (HARNESS / f"{TOP}.sv").read_text(encoding="utf-8")}
    return {**{name: text for name, text in bolt.items() if name in kept}, **shared, **harness}


SHARED = ("sram_1r1w.sv", "stream_fifo.sv", "delay_line.sv")


def jobs(folder: Path) -> list[Job]:
    """Every unit alone, the late answer, clears, and all units at once with a reset in between."""
    runs = {
        "map": storage.position_map(random.Random(1), 250).ticks,
        "port": storage.port(random.Random(2), 3000).ticks,
        "loads": storage.loads(random.Random(3), 900).ticks,
        "frames": storage.frames(random.Random(4), 2500).ticks,
        "pending": storage.pending(random.Random(5), 900).ticks,
        "stash": storage.stash(random.Random(6), 1000).ticks,
        "merges": storage.merges(random.Random(7), 300).ticks,
        "cleared": storage.cleared(random.Random(8)),
        "all": storage.everything(9),
    }
    files = [bolt_ticks.write(ticks, folder / f"{name}.bin") for name, ticks in runs.items()]
    files.append(bolt_ticks.write(storage.late(), folder / "late.bin", slow=storage.LATE))
    return [Job((path,)) for path in files]


STORAGE = Bench("bolt_storage", TOP, "vectors_main.cpp", jobs, harness=False, registers=True)
