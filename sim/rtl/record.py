"""``verilog/sim.json``: runs of a bundle's RTL, their cycles beside the cost model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...ir.errors import BundleError

SCHEMA = 1


@dataclass(frozen=True)
class RtlRun:
    """One simulated run.

    Attributes:
        design: top module.
        layer: what of the model it computes, with its shape.
        driver: ``cpp`` or ``cocotb``.
        rtl_cycles: counted by the RTL.
        model_cycles: predicted by the cost model.
        mismatches: output words that differ from the integer oracle; 0 is bit-exact.
        seconds: wall time of the simulation.
    """

    design: str
    layer: str
    driver: str
    rtl_cycles: int
    model_cycles: int
    mismatches: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Bit-exact."""
        return self.mismatches == 0

    @property
    def model_error(self) -> float:
        """How far the model's cycles are from the RTL's, as a fraction of the RTL's."""
        return (self.model_cycles - self.rtl_cycles) / self.rtl_cycles if self.rtl_cycles else 0.0


def runs_to_json(runs: tuple[RtlRun, ...]) -> dict[str, Any]:
    """The file's JSON object."""
    return {"schema": SCHEMA, "ok": all(run.ok for run in runs), "runs": [asdict(run) for run in runs]}


def runs_from_json(data: Mapping[str, Any], where: str = "verilog/sim.json") -> tuple[RtlRun, ...]:
    """The runs that `runs_to_json` wrote.

    Raises:
        BundleError: another schema, or keys that are missing or unknown.
    """
    if data.get("schema") != SCHEMA:
        raise BundleError(
            f"schema {data.get('schema')!r}", where=where, accepted=f"schema {SCHEMA}; simulate again"
        )
    try:
        return tuple(RtlRun(**run) for run in data["runs"])
    except (KeyError, TypeError) as error:
        raise BundleError(f"not simulation runs: {error}", where=where, accepted="simulate again") from error
