"""What a fabric can hold of stages: shapes in whole vectors, units, words, inputs of an array."""

from __future__ import annotations

from ...ir.bitmod_format import GROUP_SIZE, lookup
from ...ir.errors import PlanError
from ...ir.fabric import LANES, VECTOR_BYTES, Buffer, Load, Quantized, Section
from ...ir.targets.fabric import Machine
from .stage import Context, Scores, Stages

MOST_LOADED = 65535
"""Vectors of a unit that an AGCU's counter holds."""
MOST_INPUTS = 12 * GROUP_SIZE
"""Of a row that a BitMoD array holds (``rtl/bitmod/bitmod_body.sv``)."""


def weight_vectors(channels: int, inputs: int, quantize: str) -> int:
    """Vectors of a quantized layer's weights and biases: 64-bit words, a channel's own and its groups'."""
    words = 1 + -(-inputs // GROUP_SIZE) * (2 * lookup(quantize).mode.bits + 1)
    return channels * words * 8 // VECTOR_BYTES


def shortage(section: Section, machine: Machine) -> str:
    """What of a machine the section has too little of; empty when it fits."""
    arrays = machine.bitmod_pcus if section.quantized else 0
    kinds = (
        (("gemm", "quantized", "rows"), "PCUs", machine.pcus),
        (("quantized",), "PCUs with BitMoD arrays", arrays),
        (("gemm",), "PCUs without BitMoD arrays", machine.pcus - arrays),
        (("buffer",), "PMUs", machine.pmus),
        (("load", "store"), "AGCUs", machine.agcus),
    )
    for names, title, there in kinds:
        needed = sum(unit.kind in names for unit in section.units)
        if needed > there:
            return f"{needed} {title}, there are {there}"
    for unit in section.units:
        if isinstance(unit, Buffer) and unit.words * unit.depth > machine.pmu_words:
            return f"{unit.words * unit.depth} words for {unit.name}, a PMU has {machine.pmu_words}"
        if isinstance(unit, Quantized) and unit.depth > MOST_INPUTS:
            return f"{unit.depth} inputs of {unit.name}, a BitMoD array holds {MOST_INPUTS}"
        if isinstance(unit, Load) and unit.unit_vectors > MOST_LOADED:
            return f"{unit.unit_vectors} vectors a tile of {unit.name}, an AGCU counts {MOST_LOADED}"
    return ""


def check_shapes(stages: Stages, machine: Machine) -> None:
    """Look at tokens, rows and heads.

    Raises:
        PlanError: the first that is not whole vectors, or more than a PCU accumulates.
    """
    tokens = stages.activations[stages.source].rows
    most = LANES * machine.accumulators
    if tokens % LANES or not 0 < tokens <= most:
        raise PlanError(
            f"tiles of {tokens} tokens",
            where=stages.source,
            accepted=f"multiples of {LANES} up to {most}, padded and masked",
        )
    for each in stages.activations.values():
        if each.width % LANES:
            raise PlanError(f"rows of {each.width}", where=each.name, accepted=f"multiples of {LANES}")
    for stage in stages.stages:
        if isinstance(stage, Scores | Context):
            wide = stage.query if isinstance(stage, Scores) else stage.value
            size = stages.activations[wide].width // stage.heads
            if size % LANES:
                raise PlanError(f"heads of {size}", where=stage.result, accepted=f"multiples of {LANES}")
