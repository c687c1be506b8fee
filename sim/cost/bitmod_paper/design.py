"""An accelerator of BitMoD's evaluation as numbers, read from its target file, and the widths it works at."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ....ir.errors import InputError, TargetError
from ....ir.formats import FORMATS
from ....ir.targets import Target, load
from .rules import Rules

ACTIVATION_BITS = 16
SERIAL_BITS = 2
"""Weight bits a step of a bit-serial array takes (section III-C: two terms for FP4 and FP3)."""
GROUP = 128
"""Weights that share a scale (section III-A)."""


@dataclass(frozen=True)
class Precision:
    """Widths of the operands that the array holds.

    Attributes:
        weight_bits: of one weight; a mean where layers differ.
        scale_bits: of a group's scale.
        selector_bits: that name a group's special value.
        kv_bits: of K and V.
        group: weights that share a scale.
    """

    weight_bits: float
    scale_bits: int = 0
    selector_bits: int = 0
    kv_bits: int = 16
    group: int = GROUP

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight_bits) and self.weight_bits >= 1):
            raise InputError(f"weights of {self.weight_bits} bits", accepted="1 or more")
        if min(self.scale_bits, self.selector_bits) < 0 or min(self.kv_bits, self.group) < 1:
            raise InputError(f"a precision of {self}", accepted="widths from 0 on, K and V of 1 bit or more")

    def stored_bits(self, rules: Rules) -> float:
        """Bits of a weight in memory, its share of the group's included."""
        selector = 0 if rules.selector_is_free else self.selector_bits
        return self.weight_bits + (self.scale_bits + selector) / self.group


def precision_of(weights: str, serial: bool) -> Precision:
    """Widths for weights of a number format (``bitmod4``, ``int6``, …) or of so many bits (``4.5``).

    K and V have 8 bits on a bit-serial array (section IV-C), else 16.

    Raises:
        InputError: neither a format nor a width.
    """
    kv = 8 if serial else ACTIVATION_BITS
    if weights in FORMATS:
        form = FORMATS[weights]
        return Precision(form.bits, 8, form.variant_bits, kv, form.group)
    try:
        bits = float(weights)
    except ValueError:
        accepted = f"bits of a weight, or {', '.join(FORMATS)}"
        raise InputError(f"no weights {weights!r}", accepted=accepted) from None
    return Precision(bits, kv_bits=kv)


@dataclass(frozen=True)
class Design:
    """What the model needs to know of an accelerator.

    Attributes:
        name: of the target.
        rows: of the array, output channels.
        columns: of the array, tokens.
        lanes: inputs a processing element multiplies in a step.
        serial: weights enter `SERIAL_BITS` a cycle, not at once.
        pe_pj: energy of one processing element in a cycle, placed and routed.
        weight_buffer, activation_buffer: bytes.
        dram_bytes_per_cycle: both ways together.
        dram_pj_per_byte: either way.
    """

    name: str
    rows: int
    columns: int
    lanes: int
    serial: bool
    pe_pj: float
    weight_buffer: int
    activation_buffer: int
    dram_bytes_per_cycle: float
    dram_pj_per_byte: float

    def steps(self, bits: float) -> int:
        """Cycles of a tile whose held operand is that wide."""
        return math.ceil(math.floor(bits) / SERIAL_BITS) if self.serial else 1


def design(name: str) -> Design:
    """The design that a shipped target, or a target file, describes."""
    return design_of(load(name))


def design_of(target: Target) -> Design:
    """The design a target describes.

    Raises:
        TargetError: this model does not price it: no ``[[datapath]]``, an array that is not rows × columns,
            no weight or activation buffer, or DRAM figures unpublished.
    """
    if len(target.datapath) != 1:
        raise TargetError(
            f"{len(target.datapath)} datapaths",
            where=target.name,
            accepted="one [[datapath]], as in bitmod-paper",
        )
    path = target.datapath[0]
    unit = target.find_unit(path.unit)
    if len(unit.shape) != 2:
        raise TargetError(
            f"an array of shape {list(unit.shape)}", where=target.name, accepted="[rows, columns]"
        )
    buffers = {each.name: each.capacity_bytes for each in target.buffer}
    for name in ("weight-sram", "activation-sram"):
        if name not in buffers:
            raise TargetError(f"no buffer {name!r}", where=target.name, accepted=", ".join(buffers) or "none")
    dram = target.main
    bandwidth, energy = dram.bandwidth_read_bytes_per_s, dram.energy_read_pj_per_byte
    if bandwidth is None or energy is None:
        raise TargetError("bandwidth or access energy unpublished", where=f"{target.name}: tier {dram.name}")
    return Design(
        name=target.name,
        rows=unit.shape[0],
        columns=unit.shape[1],
        lanes=path.lanes,
        serial=path.weights == "serial",
        pe_pj=path.energy_pj_per_cycle,
        weight_buffer=buffers["weight-sram"],
        activation_buffer=buffers["activation-sram"],
        dram_bytes_per_cycle=bandwidth / unit.clock_hz,
        dram_pj_per_byte=energy,
    )
