"""Cycles of a Composition of Experts on ``sn40l_coe``, our RTL of SN40L's memory and fabric in miniature.

The constants were measured once, on experts 32 and 64 wide, and are frozen; other widths, bandwidths, slots,
requests and prefetching are predictions (SN40L, MICRO 2024, sections V and VI-C, for what adds up to what).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ....ir.errors import InputError
from ....ir.fabric import LANES
from .machine import Node
from .model import Expert
from .simulate import Workload

COPY_CYCLES = 176
"""From a request to its grant beside the bytes' own time: command, latencies of both memories, completion."""
RUN_CYCLES = 222
"""Arguments, start, fill and drain of a run, beside its multiplications and the load of its prompt."""
ROUTER_CYCLES = 359
"""The same of a router, with its program's load."""
PROGRAM_CYCLES = 127
"""The load of the experts' program after the router's."""
FASTEST = 24
"""Bytes a cycle above which HBM, not DDR, would bound a copy."""


@dataclass(frozen=True)
class FabricNode(Node):
    """``sn40l_coe`` as a machine whose second is a cycle."""

    def copy_s(self, count: float) -> float:
        """Cycles from a request to its grant."""
        return COPY_CYCLES + super().copy_s(count)

    def write_back_s(self, count: float) -> float:
        """Cycles of a copy back, before the copy that waits for it."""
        return COPY_CYCLES + super().write_back_s(count)


def fabric_node(expert: Expert, experts: int, slots: int, rate: Fraction) -> FabricNode:
    """The machine for some experts, DDR giving `rate` bytes a cycle.

    Raises:
        InputError: a rate that DDR would not be the slower one at.
    """
    if not 0 < rate <= FASTEST:
        raise InputError(f"DDR of {rate} bytes a cycle", accepted=f"above 0, up to {FASTEST}")
    each, speed = expert.bytes, float(rate)
    return FabricNode("sn40l_coe", "hbm", "ddr", slots * each, experts * each, 72.0, speed, speed)


def fabric_workload(expert: Expert, width: int, experts: int, latency: int) -> Workload:
    """What a batch's router and a prompt's run take.

    Args:
        expert: its sizes.
        width: of a token; an expert is ``width`` columns of as many weights.
        experts: columns of the router.
        latency: cycles between a host's command and its begin, beyond the least.
    """
    tiles = -(-experts // LANES)
    router = ROUTER_CYCLES + PROGRAM_CYCLES + width * (1 + tiles) + 3 * latency
    run = RUN_CYCLES + width + width * (width // LANES) + 2 * latency
    return Workload(expert, router, run)
