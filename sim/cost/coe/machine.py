"""A machine as a Composition of Experts sees it: a near and a far memory, and the way between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ....ir.errors import InputError, TargetError
from ....ir.targets import Target


@dataclass(frozen=True)
class Node:
    """Two memories of one machine, its sockets together.

    Attributes:
        name: the target's.
        near, far: names of the tiers.
        near_bytes, far_bytes: their sizes.
        near_bytes_per_s: reads of the near one.
        into_bytes_per_s, back_bytes_per_s: copies far to near, and near to far.

    Raises:
        InputError: a size or a rate that is not above 0 and finite.
    """

    name: str
    near: str
    far: str
    near_bytes: int
    far_bytes: int
    near_bytes_per_s: float
    into_bytes_per_s: float
    back_bytes_per_s: float

    def __post_init__(self) -> None:
        figures = (self.near_bytes, self.far_bytes, self.near_bytes_per_s)
        for figure in (*figures, self.into_bytes_per_s, self.back_bytes_per_s):
            if not (math.isfinite(figure) and figure > 0):
                raise InputError(
                    f"a size or rate of {figure}", where=self.name, accepted="above 0 and finite"
                )

    @classmethod
    def of(cls, target: Target) -> Node:
        """The main tier of a target, and the farther tier that a link leads from.

        Raises:
            TargetError: the target has no such tier, or one of the figures is unpublished.
        """
        near = target.main
        farther = [tier.name for tier in target.tier[target.tier.index(near) + 1 :]]
        into = next((x for x in target.link if x.destination == near.name and x.source in farther), None)
        back = into and next(
            (x for x in target.link if (x.source, x.destination) == (near.name, into.source)), None
        )
        if into is None or back is None:
            raise TargetError(
                f"no links both ways between {near.name} and a farther tier",
                where=target.name,
                accepted="sn40l-node, sn40l-socket, sn40l-small, dgx-a100, dgx-h100",
            )
        far = target.find_tier(into.source)
        figures = (near.capacity_bytes, far.capacity_bytes, near.bandwidth_read_bytes_per_s)
        rates = (into.bandwidth_bytes_per_s, back.bandwidth_bytes_per_s)
        if any(figure is None for figure in (*figures, *rates)):
            raise TargetError(
                f"a size or bandwidth of {near.name}, {far.name} or their links is unpublished",
                where=target.name,
            )
        return cls(
            target.name,
            near.name,
            far.name,
            figures[0] or 0,
            figures[1] or 0,
            figures[2] or 0.0,
            rates[0] or 0.0,
            rates[1] or 0.0,
        )

    def copy_s(self, count: float) -> float:
        """Seconds to bring bytes near."""
        return count / self.into_bytes_per_s

    def write_back_s(self, count: float) -> float:
        """Seconds to take bytes back."""
        return count / self.back_bytes_per_s

    def resident(self, each_bytes: float, reserved_bytes: float = 0.0) -> int:
        """How many experts the near memory holds beside what is reserved in it; 0 where there is no room."""
        return max(0, math.floor((self.near_bytes - reserved_bytes) / each_bytes))

    def stored(self, each_bytes: float) -> int:
        """How many experts the far memory holds."""
        return math.floor(self.far_bytes / each_bytes)
