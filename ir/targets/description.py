"""What a target is: tiers of memory, arithmetic units, links and private buffers, as frozen data.

The figures are peaks of the hardware, in SI units named by the keys. Every model that prices a
program (roofline, planners, simulators) reads them from here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..errors import TargetError
from . import keys
from .keys import key, or_unpublished, records


def _plain(value: Any) -> Any:
    """Mappings, tuples and records as JSON values."""
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value.to_json() if isinstance(value, _Record) else value


@dataclass(frozen=True)
class _Record:
    """A part of a target that prints itself as JSON, unpublished figures as null."""

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object with the keys of the target file."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True)
class Tier(_Record):
    """A memory that tensors can live in.

    Attributes:
        capacity_bytes: all instances together.
        bandwidth_read_bytes_per_s: peak towards the units (or the next nearer tier), all instances.
        bandwidth_write_bytes_per_s: peak away from them.
        duplex: ``half`` when reads and writes share the peak, ``full`` when each has its own.
        latency_s: from request to first data.
        energy_read_pj_per_byte, energy_write_pj_per_byte: access energy.
        alignment_bytes: what buffer offsets must be multiples of.
    """

    name: str = key(keys.NAME)
    capacity_bytes: int | None = key(or_unpublished(keys.WHOLE))
    bandwidth_read_bytes_per_s: float | None = key(or_unpublished(keys.POSITIVE))
    bandwidth_write_bytes_per_s: float | None = key(or_unpublished(keys.POSITIVE))
    duplex: str = key(keys.DUPLEX)
    latency_s: float | None = key(or_unpublished(keys.NON_NEGATIVE))
    energy_read_pj_per_byte: float | None = key(or_unpublished(keys.POSITIVE))
    energy_write_pj_per_byte: float | None = key(or_unpublished(keys.POSITIVE))
    alignment_bytes: int = key(keys.WHOLE)

    def seconds(self, bytes_read: float, bytes_written: float) -> float:
        """Time at peak bandwidth to read and write the given bytes; TargetError if unpublished."""
        if self.bandwidth_read_bytes_per_s is None or self.bandwidth_write_bytes_per_s is None:
            raise TargetError("the bandwidth of this tier is unpublished", where=f"tier {self.name}")
        reading = bytes_read / self.bandwidth_read_bytes_per_s
        writing = bytes_written / self.bandwidth_write_bytes_per_s
        return reading + writing if self.duplex == "half" else max(reading, writing)


@dataclass(frozen=True)
class Unit(_Record):
    """An array of identical arithmetic instances.

    Attributes:
        shape: instances along each axis (256×256 PEs, 132 multiprocessors).
        clock_hz: clock the rates hold at.
        ops_per_cycle: operations of one instance per cycle, by operator class and dtype;
            a multiply-accumulate is two operations.
        energy_pj_per_op: energy of one operation, in the same counting; may be partial.
    """

    name: str = key(keys.NAME)
    shape: tuple[int, ...] = key(keys.SHAPE)
    clock_hz: float = key(keys.POSITIVE)
    ops_per_cycle: Mapping[str, Mapping[str, float]] = key(keys.TABLE)
    energy_pj_per_op: Mapping[str, Mapping[str, float]] | None = key(or_unpublished(keys.TABLE))

    @property
    def instances(self) -> int:
        """Number of instances in the array."""
        return math.prod(self.shape)

    def ops_per_s(self, operator: str, dtype: str) -> float:
        """Peak operations per second of the whole array; 0 where it does not perform them."""
        rate = self.ops_per_cycle.get(operator, {}).get(dtype, 0.0)
        return rate * self.instances * self.clock_hz


@dataclass(frozen=True)
class Link(_Record):
    """A one-way path that copies take between two tiers."""

    name: str = key(keys.NAME)
    source: str = key(keys.NAME)
    destination: str = key(keys.NAME)
    bandwidth_bytes_per_s: float | None = key(or_unpublished(keys.POSITIVE))
    latency_s: float | None = key(or_unpublished(keys.NON_NEGATIVE))


@dataclass(frozen=True)
class PrivateBuffer(_Record):
    """Storage that belongs to a unit and holds no whole tensor: register files, stream buffers, caches."""

    name: str = key(keys.NAME)
    capacity_bytes: int = key(keys.WHOLE)
    instances: int = key(keys.WHOLE)
    banks: int | None = key(or_unpublished(keys.WHOLE))


@dataclass(frozen=True)
class Transfer(_Record):
    """A path inside an accelerator that results take from cycle to cycle: what scheduling waits for.

    Attributes:
        source: the unit, tier or private buffer that gives.
        destination: likewise, that takes; a unit's register file is the buffer it transfers to.
        latency_cycles: from the issue of the step that writes to the first issue of one that may read.
        latency_cycles_per_row: what is added for each row of the source, a two-dimensional array whose
            results leave at the bottom.
    """

    source: str = key(keys.NAME)
    destination: str = key(keys.NAME)
    latency_cycles: int = key(keys.COUNT)
    latency_cycles_per_row: int = key(keys.COUNT)

    def cycles(self, rows: int) -> int:
        """The latency on an array of `rows` rows."""
        return self.latency_cycles + rows * self.latency_cycles_per_row


@dataclass(frozen=True)
class Component(_Record):
    """An arithmetic circuit that every instance of a unit has one of.

    Attributes:
        name: what it is, ``mac``, ``divide``.
        unit: the unit it is part of.
        area_um2: of one.
    """

    name: str = key(keys.NAME)
    unit: str = key(keys.NAME)
    area_um2: float = key(keys.POSITIVE)


@dataclass(frozen=True)
class RegisterFile(_Record):
    """What the registers of a unit's instances cost.

    Attributes:
        unit: every instance of it has one.
        buffer: the private buffer it is.
        area_um2: of one.
        energy_read_pj, energy_write_pj: of one access to one entry.
    """

    unit: str = key(keys.NAME)
    buffer: str = key(keys.NAME)
    area_um2: float | None = key(or_unpublished(keys.POSITIVE))
    energy_read_pj: float | None = key(or_unpublished(keys.POSITIVE))
    energy_write_pj: float | None = key(or_unpublished(keys.POSITIVE))


@dataclass(frozen=True)
class Datapath(_Record):
    """How the instances of a unit multiply, for models that count steps of an array.

    Attributes:
        unit: an array of rows of output channels and columns of tokens.
        lanes: inputs an instance multiplies in a step.
        weights: ``parallel`` when a weight enters at once, ``serial`` when two bits a cycle.
        energy_pj_per_cycle: of one instance.
    """

    unit: str = key(keys.NAME)
    lanes: int = key(keys.WHOLE)
    weights: str = key(keys.WEIGHTS)
    energy_pj_per_cycle: float = key(keys.POSITIVE)


@dataclass(frozen=True)
class Device(_Record):
    """What code for a GPU is made for.

    Attributes:
        architecture: as NVIDIA's compilers name it, ``sm_90a``.
    """

    architecture: str = key(keys.ARCHITECTURE)


@dataclass(frozen=True)
class MapUnit(_Record):
    """An accelerator that keeps an oblivious map (rtl/bolt).

    Attributes:
        clock_hz: clock that cycles are stated at.
        page_bytes: the most a page on the host has, one burst of the bus.
        hbm_bins_share: of the map's bins, those in its own memory.
        accesses_in_flight: at a time, a power of two.
        hbm_deadline_cycles: after which a word of its own memory is used, whenever it came.
        host_latency_cycles: of the host's memory, assumed in simulation.
        aes_units: width of each AES core.
        ghash_bits_per_cycle: of each GHASH core.
        lane_pairs: 1: pages are opened when those of the access before are sealed; 2: meanwhile.
    """

    name: str = key(keys.NAME)
    clock_hz: float = key(keys.POSITIVE)
    page_bytes: int = key(keys.WHOLE)
    hbm_bins_share: float = key(keys.NON_NEGATIVE)
    accesses_in_flight: int = key(keys.WHOLE)
    hbm_deadline_cycles: int = key(keys.WHOLE)
    host_latency_cycles: int = key(keys.WHOLE)
    aes_units: int = key(keys.WHOLE)
    ghash_bits_per_cycle: int = key(keys.WHOLE)
    lane_pairs: int = key(keys.WHOLE)


@dataclass(frozen=True)
class Target(_Record):
    """A machine a program is compiled for or priced on.

    Attributes:
        backend: who makes code for it: ``cpu``, ``cuda``, ``verilog``, or ``model`` (priced, and mapped
            where it has a fast tier).
        main_tier: the tier a program's inputs, parameters and unfused intermediates live in.
        tiers: nearest to the units first.
    """

    schema: int = key(keys.WHOLE)
    name: str = key(keys.NAME)
    title: str = key(keys.TEXT)
    source: str = key(keys.TEXT)
    backend: str = key(keys.BACKEND)
    main_tier: str = key(keys.NAME)
    tier: tuple[Tier, ...] = records(Tier)
    unit: tuple[Unit, ...] = records(Unit)
    link: tuple[Link, ...] = records(Link)
    buffer: tuple[PrivateBuffer, ...] = records(PrivateBuffer)
    transfer: tuple[Transfer, ...] = records(Transfer)
    component: tuple[Component, ...] = records(Component)
    register: tuple[RegisterFile, ...] = records(RegisterFile)
    datapath: tuple[Datapath, ...] = records(Datapath)
    device: tuple[Device, ...] = records(Device)
    map: tuple[MapUnit, ...] = records(MapUnit)

    @property
    def main(self) -> Tier:
        """The main tier."""
        return self.find_tier(self.main_tier)

    def find_tier(self, name: str) -> Tier:
        """The tier called ``name``; TargetError listing the tiers if there is none."""
        for tier in self.tier:
            if tier.name == name:
                return tier
        raise TargetError(
            f"there is no tier {name!r}", where=self.name, accepted=", ".join(t.name for t in self.tier)
        )

    def find_unit(self, name: str) -> Unit:
        """The unit called ``name``; TargetError listing the units if there is none."""
        for unit in self.unit:
            if unit.name == name:
                return unit
        raise TargetError(
            f"there is no unit {name!r}", where=self.name, accepted=", ".join(u.name for u in self.unit)
        )

    def find_transfer(self, source: str, destination: str) -> Transfer | None:
        """The path from one part to another, None where there is none."""
        ends = (source, destination)
        return next((each for each in self.transfer if (each.source, each.destination) == ends), None)

    def register_file(self, unit: str) -> PrivateBuffer | None:
        """The private buffer the unit transfers its results to, None where the file names none."""
        return next((b for b in self.buffer if self.find_transfer(unit, b.name) is not None), None)

    def registers_of(self, unit: str) -> RegisterFile | None:
        """What the registers of a unit cost, None where the file does not say."""
        return next((each for each in self.register if each.unit == unit), None)

    def dtypes(self, operator: str) -> tuple[str, ...]:
        """The dtypes some unit performs the operator class in."""
        offered = {dtype for unit in self.unit for dtype in unit.ops_per_cycle.get(operator, {})}
        return tuple(dtype for dtype in keys.DTYPES if dtype in offered)

    def nearest_dtype(self, operator: str, dtype: str) -> str:
        """The dtype itself where some unit performs the class in it, else the offered one nearest in width.

        This is how a program is priced on a machine that lacks its number type: an f32 program on an
        accelerator of 16-bit units, masks of truth values on vector units. Wider wins a tie.

        Raises:
            TargetError: no unit performs the class at all.
        """
        offered = self.dtypes(operator)
        if dtype in offered:
            return dtype
        if not offered:
            raise TargetError(
                f"no unit performs {operator}",
                where=self.name,
                accepted=", ".join(self.classes()) or "nothing",
            )
        bits = (
            keys.DTYPES[dtype].bits if dtype in keys.DTYPES else int("".join(filter(str.isdigit, dtype)) or 0)
        )
        return min(offered, key=lambda o: (abs(keys.DTYPES[o].bits - bits), -keys.DTYPES[o].bits))

    def classes(self) -> tuple[str, ...]:
        """The operator classes some unit performs."""
        return tuple(operator for operator in keys.OPERATOR_CLASSES if self.dtypes(operator))

    def ops_per_s(self, operator: str, dtype: str) -> float:
        """Peak operations per second of all units together; TargetError where no unit performs them."""
        rate = sum(unit.ops_per_s(operator, dtype) for unit in self.unit)
        if rate == 0:
            raise TargetError(
                f"no unit performs {operator} in {dtype}",
                where=self.name,
                accepted=", ".join(self.dtypes(operator)) or f"no dtype at all for {operator}",
            )
        return rate
