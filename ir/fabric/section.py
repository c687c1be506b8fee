"""A section of a dataflow fabric: what one kernel configures, as units that packets flow between.

Tiles of tokens stream through (SN40L, MICRO 2024, sections III-A and IV).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ..errors import BundleError, PlanError
from .units import (
    MOST_DESTINATIONS,
    Buffer,
    Gemm,
    Instruction,
    Load,
    Operand,
    Quantized,
    Reader,
    Rows,
    Store,
    Unit,
    Walk,
)


@dataclass(frozen=True)
class Region:
    """A region of memory and what it holds, for whoever fills it.

    Attributes:
        vectors: its size.
        kind: ``source``, ``result``, ``mask``, ``weights`` or ``norm``.
        tensor: the activation or input; of weights and norms the weight.
        bias: parameter that goes with a weight, or None.
        columns: of a weight ``[n, d]``: from which n to which.
        depth: from which d to which.
        boolean: of a mask: whether it says who is seen; else it is added.
        format: of weights: what they are quantized to, or None.
    """

    vectors: int
    kind: str
    tensor: str
    bias: str | None = None
    columns: tuple[int, int] = (0, 0)
    depth: tuple[int, int] = (0, 0)
    boolean: bool = False
    format: str | None = None


@dataclass(frozen=True)
class End:
    """Where a flow begins or ends: a unit, and which of its contexts or queues."""

    unit: str
    port: int


@dataclass(frozen=True)
class Flow:
    """Packets from one unit to up to three.

    Attributes:
        name: of the flow.
        plane: of the vector network.
        source: who sends.
        destinations: who take.
    """

    name: str
    plane: int
    source: End
    destinations: tuple[End, ...]


@dataclass(frozen=True)
class Section:
    """One kernel.

    Attributes:
        name: the part of the model.
        tiles: units that stream through, a sequence of tokens each.
        units: in the order data takes, so that whoever feeds a unit stands before it.
        planes: flow → plane, where it is not 1.
        regions: of memory, by name.
    """

    name: str
    tiles: int
    units: tuple[Unit, ...]
    planes: Mapping[str, int]
    regions: Mapping[str, Region]

    def __post_init__(self) -> None:
        made: set[str] = set()
        names = [unit.name for unit in self.units]
        if len(set(names)) < len(names) or self.tiles < 1:
            raise PlanError(f"units {names}, {self.tiles} tiles", where=self.name)
        for unit in self.units:
            missing = [flow for flow in unit.inputs if flow not in made]
            if missing or made & set(unit.outputs):
                told = f"nobody before it feeds {missing}" if missing else "it feeds what another feeds"
                raise PlanError(told, where=f"{self.name}, {unit.name}")
            made |= set(unit.outputs)
        for flow in self.flows.values():
            if not 1 <= len(flow.destinations) <= MOST_DESTINATIONS:
                raise PlanError(
                    f"flow {flow.name} has {len(flow.destinations)} destinations",
                    where=self.name,
                    accepted=f"1 to {MOST_DESTINATIONS}",
                )

    @cached_property
    def flows(self) -> dict[str, Flow]:
        """By name, in the order of their sources."""
        ends: dict[str, list[End]] = {}
        for unit in self.units:
            for port, flow in enumerate(unit.inputs):
                ends.setdefault(flow, []).append(End(unit.name, port))
        return {
            flow: Flow(flow, self.planes.get(flow, 1), End(unit.name, port), tuple(ends.get(flow, ())))
            for unit in self.units
            for port, flow in enumerate(unit.outputs)
        }

    @cached_property
    def by_name(self) -> dict[str, Unit]:
        """Units by name."""
        return {unit.name: unit for unit in self.units}

    @property
    def quantized(self) -> bool:
        """Whether it needs PCUs with a BitMoD array."""
        return any(self.of_kind(Quantized))

    def of_kind(self, *kinds: type[Unit]) -> Iterator[Unit]:
        """Units of some kinds, in order."""
        return (unit for unit in self.units if isinstance(unit, kinds))

    def to_json(self) -> dict[str, Any]:
        """The section as a JSON object."""
        return {
            "name": self.name,
            "tiles": self.tiles,
            "units": [{"kind": unit.kind, **asdict(unit)} for unit in self.units],
            "planes": dict(self.planes),
            "regions": {name: asdict(region) for name, region in self.regions.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Section:
        """What `to_json` wrote.

        Raises:
            BundleError: it did not write this.
        """
        try:
            units = tuple(_unit(dict(unit)) for unit in data["units"])
            regions = {name: _region(dict(region)) for name, region in data["regions"].items()}
            return cls(data["name"], data["tiles"], units, dict(data["planes"]), regions)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BundleError(f"no section of a fabric: {error}", where="design.json") from error


def _region(data: dict[str, Any]) -> Region:
    return Region(**{**data, "columns": tuple(data["columns"]), "depth": tuple(data["depth"])})


def _walk(data: Mapping[str, Any]) -> Walk:
    return Walk(tuple((extent, stride) for extent, stride in data["loops"]), data["lane"])


def _instruction(data: Mapping[str, Any]) -> Instruction:
    operands = {name: Operand(**data[name]) for name in ("x", "y") if data[name] is not None}
    return Instruction(**{**data, **operands})


def _unit(data: dict[str, Any]) -> Unit:
    kind = data.pop("kind")
    if kind == Buffer.kind:
        data["into"] = _walk(data["into"])
        data["readers"] = tuple(Reader(each["flow"], _walk(each["walk"])) for each in data["readers"])
    if kind == Rows.kind:
        data["queues"], data["constants"] = tuple(data["queues"]), tuple(data["constants"])
        data["once"], data["body"] = (tuple(map(_instruction, data[part])) for part in ("once", "body"))
    return {each.kind: each for each in (Buffer, Gemm, Quantized, Rows, Load, Store)}[kind](**data)
