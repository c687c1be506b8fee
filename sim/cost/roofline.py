"""The roofline: the least time a group of operations can take on a target, and what bounds it.

A group takes at least as long as its busiest arithmetic unit and at least as long as its traffic with
the target's main tier; the two overlap. Every figure is monotone: more bandwidth or more units are
never slower, and no work costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...ir.errors import InputError
from ...ir.targets import OPERATOR_CLASSES, Target

FREE = "move"


@dataclass(frozen=True)
class GroupWork:
    """What a group does in one run of it.

    Attributes:
        name: of the group.
        operations: count by operator class (``mac`` counts two for a multiply-accumulate; ``move`` is
            free, its bytes are not).
        bytes_read, bytes_written: traffic with the target's main tier.
        dtype: number type of the arithmetic.
        products: that of the operands of multiply-accumulates, where it is another.

    Raises:
        InputError: an unknown class, or a figure that is negative or not finite.
    """

    name: str
    operations: Mapping[str, float]
    bytes_read: float
    bytes_written: float
    dtype: str
    products: str = ""

    def __post_init__(self) -> None:
        unknown = [operator for operator in self.operations if operator not in (*OPERATOR_CLASSES, FREE)]
        if unknown:
            raise InputError(
                f"unknown operator class {unknown[0]!r}",
                where=self.name,
                accepted=", ".join((*OPERATOR_CLASSES, FREE)),
            )
        figures = (*self.operations.values(), self.bytes_read, self.bytes_written)
        if not all(math.isfinite(figure) and figure >= 0 for figure in figures):
            raise InputError("negative or infinite work", where=self.name, accepted="figures of zero or more")

    @property
    def flops(self) -> float:
        """Operations of all classes that cost anything."""
        return sum(count for operator, count in self.operations.items() if operator != FREE)

    @property
    def bytes(self) -> float:
        """Bytes moved, both ways."""
        return self.bytes_read + self.bytes_written


@dataclass(frozen=True)
class Roofline:
    """A group on a target.

    Attributes:
        seconds: least time, the larger of the next two.
        compute_seconds: of the busiest unit at its peak rate.
        memory_seconds: of the traffic at the main tier's peak bandwidth.
        bound: ``compute`` or ``memory``, whichever takes longer.
        intensity: operations per byte moved; 0 where nothing moves.
        attainable_flops_per_s: operations over seconds; 0 for no work.
    """

    seconds: float
    compute_seconds: float
    memory_seconds: float
    bound: str
    intensity: float
    attainable_flops_per_s: float

    def to_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return asdict(self)


def price(work: GroupWork, target: Target) -> Roofline:
    """The roofline of one group on one target.

    Operations of a class are shared by all units that perform it, in proportion to their rates; a type
    the target lacks is priced in the nearest one it has.

    Raises:
        TargetError: no unit performs one of the classes, or the main tier's bandwidth is unpublished.
    """
    compute = _busiest_unit_seconds(work, target)
    memory = target.main.seconds(work.bytes_read, work.bytes_written)
    seconds = max(compute, memory)
    return Roofline(
        seconds=seconds,
        compute_seconds=compute,
        memory_seconds=memory,
        bound="compute" if compute > memory else "memory",
        intensity=work.flops / work.bytes if work.bytes else 0.0,
        attainable_flops_per_s=work.flops / seconds if seconds else 0.0,
    )


def _busiest_unit_seconds(work: GroupWork, target: Target) -> float:
    busy = dict.fromkeys((unit.name for unit in target.unit), 0.0)
    for operator, count in work.operations.items():
        if operator == FREE:
            continue
        wanted = (operator == "mac" and work.products) or work.dtype
        dtype = target.nearest_dtype(operator, wanted)
        seconds = count / target.ops_per_s(operator, dtype)
        for unit in target.unit:
            if unit.ops_per_s(operator, dtype):
                busy[unit.name] += seconds
    return max(busy.values(), default=0.0)
