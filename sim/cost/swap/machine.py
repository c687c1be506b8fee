"""A rank of a machine that trains: its share of arithmetic, memories and link, from a target."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from ....ir.errors import TargetError
from ....ir.targets import Target

EFFICIENCY = 0.5
"""Share of the arithmetic peak that large products reach: the lower end of what MEMO's figures imply."""


@dataclass(frozen=True)
class Machine:
    """One GPU, and its share of the host.

    Attributes:
        name: of the target.
        gpus: ranks in all.
        flops_per_s: peak of multiply-accumulates in the type of the activations, one GPU.
        efficiency: share of it that is reached.
        memory_bytes_per_s: of the device's memory.
        device_bytes, host_bytes: capacity of the device, and of its share of its server's memory.
        link_bytes_per_s: each way between the two, with all GPUs of the server copying.
    """

    name: str
    gpus: int
    flops_per_s: float
    efficiency: float
    memory_bytes_per_s: float
    device_bytes: int
    host_bytes: int
    link_bytes_per_s: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "name" and not 0 < value <= sys.float_info.max:
                raise TargetError(
                    f"{name} is {value}", where=self.name, accepted="a finite number above zero"
                )
        if self.efficiency > 1:
            raise TargetError(f"efficiency is {self.efficiency}", where=self.name, accepted="at most 1")

    @classmethod
    def of(
        cls,
        target: Target,
        gpus: int = 1,
        *,
        dtype: str = "bf16",
        efficiency: float = EFFICIENCY,
        device_bytes: int | None = None,
        host_bytes: int | None = None,
        link_bytes_per_s: float | None = None,
    ) -> Machine:
        """A rank of some servers of a target.

        Args:
            target: a server or a GPU; a unit with two axes says how many GPUs there are.
            gpus: ranks in all; where fewer than a server has, they share all of its memory.
            dtype: of activations; the nearest type that is offered is taken.
            efficiency: share of the peak that is reached.
            device_bytes: of a GPU, where not the target's.
            host_bytes: of a server, likewise.
            link_bytes_per_s: of a GPU, likewise.

        Raises:
            TargetError: a figure is unpublished and not given, or no number above zero.
        """
        there = max(unit.shape[0] if len(unit.shape) > 1 else 1 for unit in target.unit)
        local = min(there, max(gpus, 1))  # none at all is refused with the other figures
        host = _asked(host_bytes, _host_bytes(target), "the host's size", target)
        link = _asked(link_bytes_per_s, _link_bytes_per_s(target), "the bandwidth to the host", target)
        device = _asked(
            device_bytes, _each(target.main.capacity_bytes, there), "the main tier's size", target
        )
        return cls(
            name=target.name,
            gpus=gpus,
            flops_per_s=target.ops_per_s("mac", target.nearest_dtype("mac", dtype)) / there,
            efficiency=efficiency,
            memory_bytes_per_s=1 / target.main.seconds(1.0, 0.0) / there,
            device_bytes=int(device),
            host_bytes=int(host) // local,
            link_bytes_per_s=link,
        )

    def compute_s(self, flops: float, memory_bytes: float = 0.0) -> float:
        """Time of work that is bound by arithmetic or by the device's memory."""
        return max(flops / (self.flops_per_s * self.efficiency), memory_bytes / self.memory_bytes_per_s)


def _each(size: int | None, there: int) -> int | None:
    return None if size is None else size // there


def _asked(given: float | None, known: float | None, what: str, target: Target) -> float:
    found = known if given is None else given
    if found is None:
        raise TargetError(f"{what} is unpublished", where=target.name, accepted="a figure given beside it")
    return found


def _host_bytes(target: Target) -> int | None:
    """Of the tier that links lead to from the main one."""
    found = [target.find_tier(link.destination) for link in target.link if link.source == target.main_tier]
    return found[0].capacity_bytes if found else None


def _link_bytes_per_s(target: Target) -> float | None:
    """The slower of the two ways."""
    found = [
        link.bandwidth_bytes_per_s
        for link in target.link
        if target.main_tier in (link.source, link.destination)
    ]
    known = [each for each in found if each is not None]
    return min(known) if found and len(known) == len(found) else None
