"""``verify.json``: how far a bundle's values are from the reference's, by output and by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..ir.errors import BundleError

SCHEMA = 1


@dataclass(frozen=True)
class OutputError:
    """Error of one output: largest absolute difference, ‖out − ref‖ / ‖ref‖, smallest cosine of a row."""

    name: str
    max_abs: float
    relative: float
    cosine: float


@dataclass(frozen=True)
class LayerError:
    """Error of one value inside the model, in program order."""

    name: str
    max_abs: float
    relative: float


@dataclass(frozen=True)
class Case:
    """One run of an entry on one input.

    Attributes:
        entry: entry point that ran.
        extents: extents of the ragged ranks in this run.
        bound: largest accepted relative error.
        outputs, layers: errors.
        quantization: distance of the outputs from the model before its weights were quantized; no error of
            the compilation, and bounded by nothing.
    """

    entry: str
    extents: Mapping[str, int]
    bound: float
    outputs: tuple[OutputError, ...]
    layers: tuple[LayerError, ...] = field(default=())
    quantization: tuple[OutputError, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every output is within the bound."""
        return all(output.relative <= self.bound for output in self.outputs)

    @property
    def label(self) -> str:
        """The run as tables and legends call it: ``main_64 (s=7)``."""
        extents = ", ".join(f"{rank}={extent}" for rank, extent in self.extents.items())
        return f"{self.entry} ({extents})" if extents else self.entry

    @property
    def departs(self) -> str | None:
        """The first layer beyond the bound, where an error starts; None if there is none."""
        return next((layer.name for layer in self.layers if not layer.relative <= self.bound), None)


@dataclass(frozen=True)
class Verification:
    """All runs of one verification against one reference."""

    reference: str
    cases: tuple[Case, ...]

    @property
    def ok(self) -> bool:
        """Whether every run is within its bound, and there was a run."""
        return bool(self.cases) and all(case.ok for case in self.cases)

    def to_json(self) -> dict[str, Any]:
        """The verification as a JSON object."""
        cases = [{**asdict(case), "ok": case.ok, "departs": case.departs} for case in self.cases]
        return {"schema": SCHEMA, "ok": self.ok, "reference": self.reference, "cases": cases}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "verify.json") -> Verification:
        """The verification that `to_json` wrote.

        Raises:
            BundleError: another schema, or keys that are missing or unknown.
        """
        if data.get("schema") != SCHEMA:
            raise BundleError(
                f"schema {data.get('schema')!r}", where=where, accepted=f"schema {SCHEMA}; verify again"
            )
        try:
            return cls(data["reference"], tuple(_case(case) for case in data["cases"]))
        except (KeyError, TypeError) as error:
            raise BundleError(f"not a verification: {error}", where=where, accepted="verify again") from error


def _case(data: Mapping[str, Any]) -> Case:
    return Case(
        entry=data["entry"],
        extents=dict(data["extents"]),
        bound=data["bound"],
        outputs=tuple(OutputError(**output) for output in data["outputs"]),
        layers=tuple(LayerError(**layer) for layer in data["layers"]),
        quantization=tuple(OutputError(**output) for output in data.get("quantization", ())),
    )
