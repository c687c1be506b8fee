"""``cost.json``: what the cost models say of a bundle, one definition for its writer and its readers.

Counts of a group are for one run of it; an entry runs it ``instances`` times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...ir.errors import BundleError

SCHEMA = 1


@dataclass(frozen=True)
class Roofs:
    """The machine the seconds are for: peak bandwidth of its main tier, peak arithmetic by number type."""

    bandwidth_bytes_per_s: float
    flops_per_s: Mapping[str, float]


@dataclass(frozen=True)
class GroupCost:
    """A fused group: what it computes, how it was fused, and its price on the target."""

    name: str
    function: str
    instances: int
    einsums: tuple[str, ...]
    passes_before: int
    passes_after: int
    rewrites: tuple[str, ...]
    footprint_before: str
    footprint_after: str
    derivation: tuple[str, ...]
    dtype: str
    flops: float
    bytes_read: int
    bytes_written: int
    bytes_unfused: int
    seconds: float
    bound: str

    @property
    def bytes(self) -> int:
        """Bytes one run moves, both ways."""
        return self.bytes_read + self.bytes_written

    @property
    def intensity(self) -> float:
        """Operations per byte moved."""
        return self.flops / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class EntryCost:
    """One entry point: the groups one run of it executes."""

    groups: tuple[GroupCost, ...]

    @property
    def flops(self) -> float:
        """Operations of one run."""
        return sum(group.instances * group.flops for group in self.groups)

    @property
    def bytes(self) -> int:
        """Bytes its fused groups move in one run."""
        return sum(group.instances * group.bytes for group in self.groups)

    @property
    def bytes_unfused(self) -> int:
        """Bytes its Einsums would move, each on its own."""
        return sum(group.instances * group.bytes_unfused for group in self.groups)

    @property
    def seconds(self) -> float:
        """Roofline time of one run, its groups one after the other."""
        return sum(group.instances * group.seconds for group in self.groups)


@dataclass(frozen=True)
class PassTime:
    """How long a step of the compilation took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class CostRecord:
    """The whole file."""

    target: str
    roofs: Roofs
    entries: Mapping[str, EntryCost]
    passes: tuple[PassTime, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "roofs": {
                "bandwidth_bytes_per_s": self.roofs.bandwidth_bytes_per_s,
                "flops_per_s": dict(self.roofs.flops_per_s),
            },
            "entries": {
                name: {"groups": [asdict(group) for group in entry.groups]}
                for name, entry in self.entries.items()
            },
            "passes": [asdict(step) for step in self.passes],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "cost.json") -> CostRecord:
        """The record of a JSON object.

        Raises:
            BundleError: another schema, or keys that are missing or unknown.
        """
        if data.get("schema") != SCHEMA:
            raise BundleError(
                f"schema {data.get('schema')!r}", where=where, accepted=f"schema {SCHEMA}; compile again"
            )
        try:
            return cls(
                target=data["target"],
                roofs=Roofs(**data["roofs"]),
                entries={name: _entry(entry) for name, entry in data["entries"].items()},
                passes=tuple(PassTime(**step) for step in data["passes"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"not a cost record: {error}", where=where, accepted="compile again") from error


def _entry(data: Mapping[str, Any]) -> EntryCost:
    return EntryCost(
        tuple(GroupCost(**{key: _tuple(value) for key, value in g.items()}) for g in data["groups"])
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
