"""The machines of the benchmark: profile T is one chip's fast memory, R a share of what the program needs.

At 128 MiB several programs fit whole and every method is equal; R tells methods apart.
"""

from __future__ import annotations

from ...ir.errors import InputError, TargetError
from ...ir.targets import Target
from ...ir.targets.description import Tier
from .problem import Machine, Problem

SLOW_BYTES_PER_S = 614e9
"""TPUv4i's main memory (Jouppi et al., ISCA 2021, table 1)."""
FAST_OVER_SLOW = 10.0
"""The ratio in the unit tests of XLA's memory-space assignment."""
T_CAPACITY, T_ALIGNMENT = 128 << 20, 1024
SHARES = ("R1.0", "R0.5", "R0.25")
PROFILES = ("T", *SHARES)


def machine(profile: str, problem: Problem, fast_over_slow: float = FAST_OVER_SLOW) -> Machine:
    """The machine of a profile for a program.

    Args:
        profile: ``T``, or ``R`` and a share of the program's peak live bytes, such as ``R0.5``.
        problem: whose peak it is a share of.
        fast_over_slow: ratio of the bandwidths.

    Raises:
        InputError: no such profile.
    """
    fast = SLOW_BYTES_PER_S * fast_over_slow
    if profile == "T":
        return Machine(T_CAPACITY, T_ALIGNMENT, SLOW_BYTES_PER_S, fast)
    try:
        share = float(profile.removeprefix("R"))
    except ValueError:
        share = 0.0
    if not profile.startswith("R") or not 0 < share <= 16:
        raise InputError(
            f"no profile {profile!r}", where="memory map", accepted="T, or R and a share up to 16: R0.5"
        )
    return Machine(int(problem.peak_live_bytes * share), T_ALIGNMENT, SLOW_BYTES_PER_S, fast)


def tiers_of(target: Target) -> tuple[Tier, Tier]:
    """The fastest tier nearer than the main one, and the main one.

    Raises:
        TargetError: no tier is faster than the main one and of published size.
    """
    slow = target.main
    rate = slow.bandwidth_read_bytes_per_s
    faster = [
        tier
        for tier in target.tier
        if rate and tier.capacity_bytes and (tier.bandwidth_read_bytes_per_s or 0.0) > rate
    ]
    if not faster:
        raise TargetError(
            f"no tier of known size is faster than {slow.name}",
            where=target.name,
            accepted="a target with a fast tier beside its main one, such as tpu-v4i",
        )
    return max(faster, key=lambda tier: tier.bandwidth_read_bytes_per_s or 0.0), slow


def of_target(target: Target) -> Machine:
    """The machine that a target's main tier and its fastest nearer one make.

    Raises:
        TargetError: no tier is faster than the main one and of published size.
    """
    fast, slow = tiers_of(target)
    rate = slow.bandwidth_read_bytes_per_s or 0.0  # known: a tier is faster
    return Machine(
        fast.capacity_bytes or 0, fast.alignment_bytes, rate, fast.bandwidth_read_bytes_per_s or rate
    )
