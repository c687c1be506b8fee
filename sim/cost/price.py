"""From counted groups to the cost record of a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...ir.targets import DTYPES, Target
from .record import GroupCost, Roofs
from .roofline import GroupWork, price

if TYPE_CHECKING:
    from .module import GroupCount


def price_groups(counts: Iterable[GroupCount], target: Target) -> tuple[GroupCost, ...]:
    """Every counted group with its roofline time on the target.

    Raises:
        TargetError: the target does not perform an operator class, or its bandwidth is unpublished.
    """
    return tuple(_price(count, target) for count in counts)


def roofs(target: Target) -> Roofs:
    """Peak bandwidth of the main tier and peak contraction rate in every type the target offers.

    Raises:
        TargetError: the bandwidth is unpublished.
    """
    rates = {dtype: target.ops_per_s("mac", dtype) for dtype in DTYPES if dtype in target.dtypes("mac")}
    return Roofs(bandwidth_bytes_per_s=1.0 / target.main.seconds(1.0, 0.0), flops_per_s=rates)


def _price(count: GroupCount, target: Target) -> GroupCost:
    work = GroupWork(
        count.kernel, count.operations, count.bytes_read, count.bytes_written, count.dtype, count.products
    )
    roofline = price(work, target)
    return GroupCost(
        name=count.kernel,
        function=count.function,
        instances=count.instances,
        einsums=tuple(count.einsums),
        passes_before=count.passes_before,
        passes_after=count.passes_after,
        rewrites=tuple(count.rewrites),
        footprint_before=count.footprint_before,
        footprint_after=count.footprint_after,
        derivation=tuple(count.derivation),
        dtype=count.products or count.dtype,
        flops=work.flops,
        bytes_read=count.bytes_read,
        bytes_written=count.bytes_written,
        bytes_unfused=count.bytes_unfused,
        seconds=roofline.seconds,
        bound=roofline.bound,
    )
