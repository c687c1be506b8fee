"""Where the published figures are not what the hardware described would do, by name and effect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quirk:
    """One oddity of the artifact that paper mode reproduces: what it is, what it changes, whose figures."""

    name: str
    effect: str
    configurations: tuple[str, ...]


ALL = ("unfused", "flat", "cascade", "architecture", "binding")

QUIRKS = (
    Quirk(
        "registers_of_one_element",
        "register-file energy is that of one processing element of 65536, so next to nothing; all of them "
        "would add about a tenth of the energy of the multiply-accumulates",
        ALL,
    ),
    Quirk(
        "cascade_without_exponentials",
        "+Cascade's energy leaves out the exponentials (a misspelt key in the artifact), 2 to 4 % of it",
        ("cascade",),
    ),
    Quirk(
        "flat_search_results",
        "which operands FLAT keeps on chip, and the share that spills, are its authors' search results, "
        "taken as inputs and not computed here",
        ("flat",),
    ),
    Quirk(
        "unfused_mapper_results",
        "from 256K tokens Unfused moves tensors of Q's size 18 times (34 at E = 128), not 4: "
        "a mapper's result, taken as an input",
        ("unfused",),
    ),
    Quirk(
        "exp_costs_differ",
        "FLAT and Unfused take 1 cycle for subtraction and exponential together, +Cascade on the same unit 2",
        ("unfused", "flat", "cascade"),
    ),
    Quirk(
        "bandwidth_in_binary",
        "400 GB/s is computed as 400·2^30 bytes a second, 7 % more",
        ALL,
    ),
    Quirk(
        "phantom_buffer_reads",
        "an overflow of a 64-bit product charges buffer reads that do not happen: RNV from 256K tokens, "
        "BQK and SLN of +Cascade from 256K, QK of FLAT at 64K, SN of FLAT and Unfused from 256K or 1M; "
        "0.3 to 7 % of the energy",
        ALL,
    ),
    Quirk(
        "registers_charged_wide",
        "figure 12 charges register files 32 bits an entry and at least 64 entries, 16 800 µm²: three to "
        "seven times the area of the chip with the 16-bit entries it needs (an earlier version of its data)",
        ("binding",),
    ),
    Quirk(
        "cascade_buffer",
        "+Cascade splits its queries for FuseMax's 16 MiB buffer while its energy is that of FLAT's 32 MiB",
        ("cascade",),
    ),
    Quirk(
        "same_energy_of_two_bindings",
        "+Architecture and +Binding have one energy by construction",
        ("architecture", "binding"),
    ),
    Quirk(
        "no_fill_or_drain",
        "no pipeline fill, no drain (but for +Architecture's stall of M0 cycles), no limit of the "
        "buffer's bandwidth; compute and DRAM overlap without loss",
        ALL,
    ),
)
"""All of them; the physical model has none of these."""
