"""Static garbage collection: symbols that are never needed at once share device addresses.

Permanent symbols lie end to end below the others; these are packed by the offset planner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...ir.errors import PlanError
from ..offsets import Buffer, Infeasible, plan
from ..offsets.conflict import Conflict, minimal_conflict
from ..offsets.planner import oracle
from ..offsets.search import Answer
from .problem import Demand, Program, Symbol, Tiers, aligned

EFFORT_S = 1.0
"""Of one question whether symbols fit."""
CONFLICT_S = 2.0
"""For finding who is in whose way."""


@dataclass
class Packing:
    """Asks whether symbols fit in the near tier; answers are remembered.

    Args:
        program: whose symbols.
        tiers: the near one of which must hold them.
    """

    program: Program
    tiers: Tiers
    _known: dict[bytes, Answer] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.unit = self.tiers.near.alignment_bytes
        self.room = self.tiers.room(self.tiers.near)
        self.demand = Demand(self.program, self.unit)
        self.prices = np.array([self.tiers.price_s(symbol) for symbol in self.program.symbols])
        self.spillable = np.array([symbol.spillable for symbol in self.program.symbols], bool)
        self.sizes = np.array([symbol.size for symbol in self.program.symbols], np.int64)
        self.moved = np.array([symbol.moved for symbol in self.program.symbols], np.int64)

    def all_kept(self) -> np.ndarray:
        """The mask of all symbols."""
        return np.ones(len(self.program.symbols), bool)

    def decide(self, kept: np.ndarray) -> Answer:
        """Whether the symbols of a mask fit together."""
        key = kept.tobytes()
        if key not in self._known:
            self._known[key] = self._decide(kept)
        return self._known[key]

    def _decide(self, kept: np.ndarray) -> Answer:
        if self.demand.peak(kept) > self.room:
            return Answer(proved=True)
        buffers = self.shared(kept)
        if not buffers:
            return Answer(offsets={})
        return oracle(self.room - self.reserved(kept))(buffers, EFFORT_S)

    def symbols(self, kept: np.ndarray) -> list[Symbol]:
        """The symbols of a mask."""
        return [symbol for symbol, there in zip(self.program.symbols, kept, strict=True) if there]

    def reserved(self, kept: np.ndarray) -> int:
        """Bytes of the permanent symbols of a mask."""
        permanent = [s for s in self.symbols(kept) if self.program.permanent(s)]
        return sum(aligned(symbol.size, self.unit) for symbol in permanent)

    def shared(self, kept: np.ndarray) -> list[Buffer]:
        """The others, as buffers."""
        return [
            Buffer(s.name, s.start, s.end, s.size, align=self.unit)
            for s in self.symbols(kept)
            if not self.program.permanent(s)
        ]

    def conflict(self, kept: np.ndarray) -> tuple[str, ...]:
        """Names of symbols that are proved not to fit together, few of them, the permanent among them."""
        room = self.room - self.reserved(kept)
        found: Conflict = minimal_conflict(self.shared(kept), oracle(room), CONFLICT_S)
        permanent = [s.name for s in self.symbols(kept) if self.program.permanent(s)]
        return (*permanent, *(buffer.name for buffer in found.buffers))


def addresses(
    program: Program, symbols: Sequence[Symbol], unit: int, room: int
) -> tuple[dict[str, int], int]:
    """Offsets in a tier for symbols that are known to fit, and where the last of them ends.

    Raises:
        PlanError: they do not fit, with what was found.
    """
    offsets: dict[str, int] = {}
    buffers: list[Buffer] = []
    top = 0
    for symbol in symbols:
        if program.permanent(symbol):
            offsets[symbol.name] = top
            top += aligned(symbol.size, unit)
        else:
            buffers.append(Buffer(symbol.name, symbol.start, symbol.end, symbol.size, align=unit))
    if top > room:
        raise PlanError(f"{top} bytes that are always needed", where=program.name, accepted=f"{room} or less")
    try:
        found = plan(buffers, capacity=room - top, time_limit_s=EFFORT_S)
    except Infeasible as error:
        error.where = program.name
        raise
    offsets.update({name: top + offset for name, offset in found.offsets.items()})
    return offsets, top + found.peak_bytes


def sharing(program: Program, unit: int) -> Mapping[str, int]:
    """Bytes of all symbols: each at an address of its own, and with addresses shared."""
    everything = addresses(program, program.symbols, unit, 1 << 62)[1]
    return {
        "unshared": sum(aligned(symbol.size, unit) for symbol in program.symbols),
        "shared": everything,
    }
