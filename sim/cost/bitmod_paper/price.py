"""Cycles and energy of matrix products on a design (BitMoD, HPCA 2025, section V-A, and its simulator).

Compute and DRAM overlap without loss, so a product takes the longer of the two; products follow one another.
An operand that does not fit is fetched again only when both do not: once for every buffer-full of the other,
whichever way moves less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from .design import ACTIVATION_BITS, Design, Precision
from .matmul import Matmul
from .rules import PUBLISHED, Rules
from .sram import WORD_BITS, port

PJ = 1e-12


@dataclass(frozen=True)
class Cost:
    """What matrix products cost; costs add up.

    Attributes:
        cycles: from start to end.
        compute_cycles: in which the array works.
        dram_cycles: in which DRAM works.
        dram_bytes: both ways.
        pe_j: all processing elements, in every compute cycle.
        sram_read_j, sram_write_j: both buffers.
        dram_j: DRAM.
    """

    cycles: int = 0
    compute_cycles: int = 0
    dram_cycles: int = 0
    dram_bytes: int = 0
    pe_j: float = 0.0
    sram_read_j: float = 0.0
    sram_write_j: float = 0.0
    dram_j: float = 0.0

    @property
    def onchip_j(self) -> float:
        """Energy without DRAM's."""
        return self.pe_j + self.sram_read_j + self.sram_write_j

    @property
    def energy_j(self) -> float:
        """All energy."""
        return self.onchip_j + self.dram_j

    def plus(self, other: Cost, times: int = 1) -> Cost:
        """One after the other, the other `times` times."""
        names = [field.name for field in fields(self)]
        return Cost(**{name: getattr(self, name) + times * getattr(other, name) for name in names})

    def to_json(self) -> dict[str, float]:
        """The figures by name, with ``onchip_j`` and ``energy_j``."""
        return {**asdict(self), "onchip_j": self.onchip_j, "energy_j": self.energy_j}


def price_all(work: Iterable[Matmul], on: Design, precision: Precision, rules: Rules = PUBLISHED) -> Cost:
    """All products, one after the other."""
    total = Cost()
    for each in work:
        total = total.plus(price(each, on, precision, rules), each.count)
    return total


def price(work: Matmul, on: Design, precision: Precision, rules: Rules = PUBLISHED) -> Cost:
    """One run of a product (``work.count`` is the caller's business).

    Args:
        work: its sizes.
        on: the accelerator.
        precision: of weights, or of K and V.
        rules: which oddities of the simulator to keep.
    """
    if 0 in (work.tokens, work.channels, work.inputs, work.batch):
        return Cost()
    held = _held(work, precision, rules)
    streamed = work.inputs if work.streamed is None else work.streamed
    weights = _bytes(work.inputs * held.memory_bits) * work.channels * work.batch
    inputs = _bytes(streamed * ACTIVATION_BITS) * work.tokens * work.batch
    outputs = _bytes(work.channels * ACTIVATION_BITS) * work.tokens * work.batch
    again_w, again_i = _fetches(weights, inputs, on)

    tiles = work.batch * (
        math.ceil(work.inputs / on.lanes)
        * math.ceil(work.channels / on.rows)
        * math.ceil(work.tokens / on.columns)
    )
    compute = tiles * on.steps(held.step_bits)
    moved = weights * again_w + inputs * again_i + outputs
    dram = int(moved / on.dram_bytes_per_cycle)

    ports = _ports(on, precision, held, rules)
    words_w = math.ceil(work.inputs * held.buffer_bits / WORD_BITS) * work.channels * work.batch * again_w
    words_i = math.ceil(streamed * ACTIVATION_BITS / WORD_BITS) * work.tokens * work.batch * again_i
    words_o = math.ceil(work.channels * ACTIVATION_BITS / WORD_BITS) * work.tokens * work.batch
    weight_port, activation_port = port(ports.weight_bits), port(ports.activation_bits)
    reads = ports.weight_reads * weight_port.read_pj + ports.activation_reads * activation_port.read_pj
    writes = words_w * weight_port.write_pj + (words_i + words_o) * activation_port.write_pj
    return Cost(
        cycles=max(compute, dram),
        compute_cycles=compute,
        dram_cycles=dram,
        dram_bytes=moved,
        pe_j=on.pe_pj * on.rows * on.columns * compute * PJ,
        sram_read_j=tiles * reads * PJ,
        sram_write_j=writes * PJ,
        dram_j=moved * on.dram_pj_per_byte * PJ,
    )


@dataclass(frozen=True)
class _Held:
    """Widths of the held operand: in DRAM, when written to the buffer, of a step, of an element."""

    memory_bits: float
    buffer_bits: float
    step_bits: float
    element_bits: int


def _held(work: Matmul, precision: Precision, rules: Rules) -> _Held:
    stored = precision.stored_bits(rules)
    linear = _Held(stored, stored, stored, math.ceil(precision.weight_bits))
    if not work.attention:
        return linear
    if rules.attention_as_linear:
        return _Held(ACTIVATION_BITS, stored, stored, linear.element_bits)
    kv = precision.kv_bits
    return _Held(kv, kv, kv, kv)


@dataclass(frozen=True)
class _Ports:
    """Widths of the buffers' ports, and accesses a tile."""

    weight_bits: int
    activation_bits: int
    weight_reads: int = 1
    activation_reads: int = 1


def _ports(on: Design, precision: Precision, held: _Held, rules: Rules) -> _Ports:
    """A port is built for the linear layers; what is wider takes several accesses."""
    bits = precision.stored_bits(rules) if rules.half_ports else precision.weight_bits
    halves = 2 if on.serial else 1
    weight = on.lanes * 4 * math.ceil(bits / 4) * on.rows // halves
    activation = on.lanes * ACTIVATION_BITS * on.columns // halves
    if rules.half_ports:
        return _Ports(weight, activation)
    return _Ports(
        weight,
        activation,
        math.ceil(on.lanes * held.element_bits * on.rows / weight),
        math.ceil(on.lanes * ACTIVATION_BITS * on.columns / activation),
    )


def _bytes(bits: float) -> int:
    return math.ceil(bits / 8)


def _fetches(weights: int, inputs: int, on: Design) -> tuple[int, int]:
    """How often the held operand and the activations are fetched."""
    if weights <= on.weight_buffer or inputs <= on.activation_buffer:
        return 1, 1
    again_w, again_i = math.ceil(inputs / on.activation_buffer), math.ceil(weights / on.weight_buffer)
    if again_w * weights + inputs < again_i * inputs + weights:
        return again_w, 1
    return 1, again_i
