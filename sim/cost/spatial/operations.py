"""What one point of an Einsum costs on a unit: operations, cycles, energy, register accesses.

A multiplication that is summed is one multiply-accumulate. A unit that lacks a class uses a circuit it
has: a multiplication or an addition takes a turn of the multiply-accumulate circuit, a comparison one of
the maximum's. The merge of the ``_left`` operators chooses which points exist; it computes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ....ir.einsum import Einsum
from ....ir.operators import MAPS
from ....ir.targets import Target, Unit
from .mapping import MappingError

OPERANDS = {"mac": 3, "add": 2, "mul": 2, "div": 2, "max": 2, "cmp": 2, "exp": 1}
"""Registers an operation reads, and writes: operands arrive in registers, and the result replaces one."""
_REDUCES = {"sum": "add", "prod": "mul", "max": "max", "min": "max", "any": "cmp", "all": "cmp"}
_INSTEAD = {"mul": "mac", "add": "mac", "cmp": "max"}
_WIDTHS = {1: "f8", 2: "f16", 4: "f32", 8: "f64"}


@dataclass(frozen=True)
class Cost:
    """One point of an Einsum on one instance of a unit.

    Attributes:
        operations: count by class, a multiply-accumulate counted once.
        cycles: at least 1: a value takes a turn even where nothing is computed.
        energy_pj: by class; None where the target does not say.
        registers: accesses to the register file, as many reads as writes.
    """

    operations: Mapping[str, int]
    cycles: int
    energy_pj: Mapping[str, float | None]
    registers: int


def operations_of(einsum: Einsum) -> dict[str, int]:
    """Operations by class at one point."""
    counts = {name: count for name, count in MAPS[einsum.map].flops.items() if name != "move"}
    if einsum.map.endswith("_left"):
        counts.pop("cmp", None)
    if einsum.reduce is None:
        return counts
    if einsum.reduce == "sum" and counts == {"mul": 1}:
        return {"mac": 1}
    fold = _REDUCES[einsum.reduce]
    return counts | {fold: counts.get(fold, 0) + 1}


def cost_of(einsum: Einsum, unit: Unit, target: Target, element_bytes: int) -> Cost:
    """What a point of the Einsum costs on the unit.

    Raises:
        MappingError: the unit has no circuit for a class of operations.
    """
    counts = operations_of(einsum)
    dtype = _WIDTHS.get(element_bytes, "f16")
    cycles, registers = 0.0, 0
    energy: dict[str, float | None] = {}
    for name, count in counts.items():
        circuit = _circuit(name, unit, einsum)
        width = dtype if dtype in unit.ops_per_cycle[circuit] else next(iter(unit.ops_per_cycle[circuit]))
        unfused = 2 if circuit == "mac" else 1
        rate = unit.ops_per_cycle[circuit][width] / unfused
        cycles += count / rate
        turns = round(1 / rate) if circuit == "exp" and rate < 1 else 0
        registers += count * (turns * OPERANDS["mac"] or OPERANDS[name])
        energy[name] = _energy(circuit, unit, width, count * unfused)
    return Cost(counts, max(1, math.ceil(cycles - 1e-9)), energy, registers)


def _circuit(name: str, unit: Unit, einsum: Einsum) -> str:
    for circuit in (name, _INSTEAD.get(name, "")):
        if circuit in unit.ops_per_cycle:
            return circuit
    raise MappingError(
        f"unit {unit.name} performs no {name}",
        where=einsum.output.tensor,
        accepted=", ".join(unit.ops_per_cycle),
    )


def _energy(circuit: str, unit: Unit, dtype: str, count: int) -> float | None:
    table = unit.energy_pj_per_op or {}
    for name, scale in ((circuit, 1), *(((_INSTEAD[circuit], 2),) if circuit in ("mul", "add") else ())):
        if dtype in table.get(name, {}):
            return table[name][dtype] * count * scale
    if circuit == "cmp" and dtype in table.get("max", {}):
        return table["max"][dtype] * count
    return None
