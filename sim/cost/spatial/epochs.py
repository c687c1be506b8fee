"""Cycles of a scheduled one-pass attention on a spatial array: epochs, loads, stalls, drains.

FuseMax (§V, figure 4) starts a tile of keys and queries every period and keeps several in flight. A block of
queries runs so: its queries and the first keys and values are loaded; then one epoch a tile, query tiles
first, and as many more as tiles are in flight; then the queries are divided through (AV). Keys and values
come through a double buffer: one half is loaded while the other is used, and the epochs wait where it is
late. With the sizes of `EpochShape.rtl` the figures are those of ``rtl/fusemax``, cycle by cycle, when its
streams are always ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ....ir.errors import InputError, PlanError
from ....ir.schedule import Schedule

HALVES = 2
"""Key tiles that the buffer of keys and values holds."""
START_CYCLES = 1
"""Of the RTL: from the start, or from the end of a block, to the first word of the next block's queries."""
READY_CYCLES = 2
"""Of the RTL: from the last word of the first keys to the first epoch; later keys are used at once."""
FLUSH_CYCLES = 18
"""Of the RTL: from the last division to the last result leaving, beside the skew of the lanes."""


@dataclass(frozen=True)
class EpochShape:
    """What the epochs run over, and what a block costs beside them.

    Attributes:
        m1: key tiles of a block, at least 1.
        p1: query tiles of a block, at least 1; neighbours in time share their keys and values.
        blocks: blocks, one after the other: batches × heads × P2.
        q_cycles: cycles to load a block's queries.
        kv_cycles: cycles to load one tile's keys and values.
        start_cycles: cycles of a block before its loading.
        ready_cycles: cycles of a block between its loading and its first epoch.
        release_cycles: from the end of the epoch that needs keys last to the first cycle of loading others in
            their place.
        fill_cycles: cycles of a block from the end of its last epoch to its divisions.
        post_cycles: cycles of a block's divisions.
        post_busy: of them, cycles in which `post_unit` works.
        post_unit: the unit that divides.
        flush_cycles: once, from the last division to the end.
    """

    m1: int
    p1: int
    blocks: int = 1
    q_cycles: int = 0
    kv_cycles: int = 0
    start_cycles: int = 0
    ready_cycles: int = 0
    release_cycles: int = 0
    fill_cycles: int = 0
    post_cycles: int = 0
    post_busy: int = 0
    post_unit: str = "array-1d"
    flush_cycles: int = 0

    @classmethod
    def rtl(cls, rows: int, cols: int, e: int, f: int, *, m1: int, p1: int, blocks: int = 1) -> EpochShape:
        """The shape of ``rtl/fusemax``: a word of Q, K or V a cycle; a divisor, then F divisions."""
        return cls(
            m1=m1,
            p1=p1,
            blocks=blocks,
            q_cycles=p1 * e,
            kv_cycles=e + f,
            start_cycles=START_CYCLES,
            ready_cycles=READY_CYCLES,
            release_cycles=rows,
            post_cycles=p1 * (f + 1),
            post_busy=p1 * f,
            flush_cycles=FLUSH_CYCLES + cols,
        )


@dataclass(frozen=True)
class EpochCycles:
    """Where the cycles go; load, epochs, stall, drain and post add up to ``total``.

    Attributes:
        load: before the first epoch of every block, its queries and first keys on the way.
        epochs: cycles of epochs, those that fill and empty the pipeline of tiles included.
        stall: cycles in which the epochs wait for keys and values.
        drain: between the epochs of a block and its divisions, and from the last division to the end.
        post: divisions.
        total: from start to done.
        busy: cycles with a valid operation, by unit.
    """

    load: int
    epochs: int
    stall: int
    drain: int
    post: int
    total: int
    busy: Mapping[str, int]

    def utilisation(self, unit: str) -> float:
        """Share of all cycles in which the unit works."""
        return self.busy[unit] / self.total

    def to_json(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


def epoch_cycles(schedule: Schedule, shape: EpochShape) -> EpochCycles:
    """Cycles of a schedule over all tiles of all blocks.

    Args:
        schedule: of one tile; every period another tile starts.
        shape: how many, and what a block costs beside them.

    Raises:
        InputError: no tiles.
        PlanError: a tile's keys would have to be kept longer than the buffer's two halves allow.
    """
    if min(shape.m1, shape.p1, shape.blocks) < 1:
        raise InputError(f"no tiles: M1 = {shape.m1}, P1 = {shape.p1}, blocks = {shape.blocks}")
    tiles = shape.m1 * shape.p1
    load = shape.start_cycles + shape.q_cycles + shape.kv_cycles + shape.ready_cycles
    parts = {
        "load": load * shape.blocks,
        "epochs": (tiles + schedule.stages - 1) * schedule.period * shape.blocks,
        "stall": _stall(schedule, shape) * shape.blocks,
        "drain": shape.fill_cycles * shape.blocks + shape.flush_cycles,
        "post": shape.post_cycles * shape.blocks,
    }
    busy = {unit: schedule.busy(unit) * tiles * shape.blocks for unit in schedule.units}
    busy[shape.post_unit] = busy.get(shape.post_unit, 0) + shape.post_busy * shape.blocks
    return EpochCycles(**parts, total=sum(parts.values()), busy=busy)


def _stall(schedule: Schedule, shape: EpochShape) -> int:
    """Cycles a block's epochs wait for keys and values, beginning with the first epoch at cycle 0.

    The first epoch of key tile m begins when the one before it has ended and the tile is loaded. The half of
    tile m is free when its last query tile has left the last stage, after epoch m·P1 + P1 − 1 + stages − 1;
    tile m + 2 is then loaded into it.
    """
    period, p1 = schedule.period, shape.p1
    if schedule.stages > p1 and shape.m1 > HALVES:
        raise PlanError(
            f"{schedule.stages} tiles in flight over {p1} query tiles need three key tiles at once",
            accepted=f"at most {p1} tiles in flight, or more query tiles",
        )
    begins = [0]
    loaded = -shape.ready_cycles
    for tile in range(1, shape.m1):
        if tile >= HALVES:
            freed = begins[tile - 1] + (schedule.stages - 1) * period
            loaded = max(loaded, freed + shape.release_cycles)
        loaded += shape.kv_cycles
        begins.append(max(begins[-1] + p1 * period, loaded))
    return begins[-1] - (shape.m1 - 1) * p1 * period
