"""The bench of BOLT's cryptographic units and its command front end, without Python in the loop."""

from __future__ import annotations

from pathlib import Path

from bench import HARNESS, Bench, Job
from bolt_crypto_packets import faults, packets, queues
from bolt_crypto_records import clears, forgeries, records, times
from bolt_crypto_units import aes, draws, hashes, keyed_hashes
from yosys_sources import needed

from penstock import rtl

TOP = "bolt_crypto_harness"
SCRIPTS = {
    script.__name__: script
    for script in (
        aes,
        hashes,
        keyed_hashes,
        draws,
        times,
        records,
        forgeries,
        packets,
        queues,
        faults,
        clears,
    )
}
_PACKETS = ("packets", "queues", "faults", "clears")
NOTICED_BY = {
    "bolt_aes_pkg.sv": ("aes", "times"),
    "bolt_aes.sv": ("aes", "clears"),
    "bolt_ghash.sv": ("hashes", "clears"),
    "bolt_siphash.sv": ("keyed_hashes", "clears"),
    "bolt_prf.sv": ("keyed_hashes", "clears"),
    "bolt_drbg.sv": ("draws", "clears"),
    "bolt_pairs.sv": ("draws", "clears"),
    "bolt_aead.sv": ("times", "records", "forgeries", "clears"),
    "bolt_cmd_rx.sv": _PACKETS,
    "bolt_cmd_tx.sv": _PACKETS,
    "bolt_cmd_fe.sv": _PACKETS,
}
"""File → scripts that exercise it."""
PUBLIC = """\
`verilator_config
public_flat_rd -module "*" -var "*_q"
public_flat_rd -module "sram_1r1w" -var "mem"
public_flat_rd -module "stream_fifo" -var "mem"
"""
"""Registers and memories, so that the bench can see what is forgotten."""


def texts() -> dict[str, str]:
    """Sources and assertions of the design with the harness: file name → text, packages first."""
    design = {**rtl.sources("common", "bolt"), **rtl.properties("common", "bolt")}
    harness = {f"{TOP}.sv": (HARNESS / f"{TOP}.sv").read_text(encoding="utf-8")}
    names = {*needed(design, harness[f"{TOP}.sv"])}
    bound = {name for name in design if name.removesuffix("_props.sv") + ".sv" in names}
    return {name: text for name, text in design.items() if name in names | bound} | harness


def jobs(folder: Path) -> list[Job]:
    """All scripts."""
    return [script().job(folder, name) for name, script in SCRIPTS.items()]


CRYPTO = Bench("bolt_crypto", TOP, "bolt_crypto_main.cpp", jobs, harness=False, registers=True, public=PUBLIC)
