"""The reference for small programs: every set of symbols to spill, the cheapest that packs.

Shares nothing with the policies but the question whether symbols pack.
"""

from __future__ import annotations

import numpy as np

from ...ir.errors import InputError, PlanError
from .pack import Packing
from .policies import Choice

MOST = 16
"""Symbols that may be spilled; two to the power of that many sets are looked at."""


def enumerate_choices(packing: Packing) -> Choice:
    """The cheapest choice, by looking at all.

    Raises:
        InputError: too many symbols.
        PlanError: what may not be spilled does not fit, or a set could not be decided.
    """
    free = np.flatnonzero(packing.spillable)
    if len(free) > MOST:
        raise InputError(
            f"{len(free)} symbols to choose from", where=packing.program.name, accepted=str(MOST)
        )
    masks = (np.arange(1 << len(free))[:, None] >> np.arange(len(free))) & 1  # 1: spilled
    prices = masks @ packing.prices[free]
    kept = np.ones((len(masks), len(packing.prices)), bool)
    kept[:, free] = masks == 0
    fits = (kept.astype(np.int64) @ packing.demand.bytes.T).max(axis=1) <= packing.room
    for at in np.argsort(prices, kind="stable"):
        if not fits[at]:
            continue
        answer = packing.decide(kept[at])
        if answer.offsets is not None:
            return Choice(kept[at], float(prices[at]), proved=True)
        if not answer.proved:
            raise PlanError("whether some symbols pack was not decided", where=packing.program.name)
    raise PlanError("no set of symbols fits", where=packing.program.name, accepted="a larger near tier")
