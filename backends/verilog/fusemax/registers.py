"""Registers for the values of a modulo schedule: every value of every tile in flight, by one address a value.

A value is written at the end of a cycle and read up to a later one; the next tile's is written a period
after. One that lives no longer than a period needs one register. One that lives up to two needs two copies,
which even and odd tiles use in turn: a pair of neighbouring addresses, whose lowest bit the array flips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ....ir.errors import PlanError

COPIES = 2


@dataclass(frozen=True)
class Value:
    """What a register holds for one tile.

    Attributes:
        name: for people, ``SLNV[3]``.
        written: cycle of the write, of tile 0.
        read: cycle of the last read, later than `written`.
    """

    name: str
    written: int
    read: int

    @property
    def cycles(self) -> int:
        """How long it lives."""
        return self.read - self.written


@dataclass(frozen=True)
class Register:
    """Where a value lies: at `address`, or `address` XOR the tile's lowest bit."""

    address: int
    rotates: bool = False


def allocate(values: Sequence[Value], entries: int, period: int, *, where: str) -> dict[str, Register]:
    """An address for every value of a register file.

    Args:
        values: with different names.
        entries: registers of the file.
        period: cycles between tiles.
        where: the file, for errors.

    Raises:
        PlanError: a value that lives longer than two periods, or that no register is left for.
    """
    for value in values:
        if value.cycles < 1:
            raise PlanError(f"{value.name} is read before it is written", where=where)
        if value.cycles > COPIES * period:
            raise PlanError(
                f"{value.name} lives {value.cycles} cycles, longer than {COPIES} periods of {period}",
                where=where,
                accepted="a schedule that reads it earlier",
            )
    # Pairs first, then what lives longest; or the single ones in the order of their writes, which leaves no
    # gaps in a line of time: the circle is cut open where the fewest are alive.
    load = _load(values, period)
    cut = load.index(min(load))
    orders = (
        sorted(values, key=lambda value: (value.cycles <= period, -value.cycles, value.written)),
        sorted(values, key=lambda value: (value.cycles <= period, (value.written - cut) % period)),
    )
    misfits = []
    for order in orders:
        found, misfit = _first_fit(order, entries, period)
        if misfit is None:
            return found
        misfits.append(misfit)
    names = " or ".join(sorted({value.name for value in misfits}))
    raise PlanError(
        f"no register is left for {names}: {max(load)} values live at once",
        where=f"{where}, {entries} entries",
        accepted="a schedule with shorter lifetimes or shallower queues",
    )


def _first_fit(
    values: Iterable[Value], entries: int, period: int
) -> tuple[dict[str, Register], Value | None]:
    """Registers in the order given, or the first value that found none; time runs modulo two periods."""
    taken: list[set[int]] = [set() for _ in range(entries)]
    found: dict[str, Register] = {}
    for value in values:
        tiles = [_cells(value, tile * period, COPIES * period) for tile in range(COPIES)]
        if value.cycles > period:
            place = next(
                (
                    low
                    for low in range(0, entries - 1, COPIES)
                    if all(taken[low + tile].isdisjoint(tiles[tile]) for tile in range(COPIES))
                ),
                None,
            )
            claims = [] if place is None else [(place + tile, tiles[tile]) for tile in range(COPIES)]
        else:
            cells = tiles[0] | tiles[1]
            place = next((at for at in range(entries) if taken[at].isdisjoint(cells)), None)
            claims = [] if place is None else [(place, cells)]
        if place is None:
            return found, value
        for at, cells in claims:
            taken[at] |= cells
        found[value.name] = Register(place, value.cycles > period)
    return found, None


def _cells(value: Value, shift: int, cycle: int) -> set[int]:
    """The cycles, modulo `cycle`, in which a register holds the value."""
    return {(at + shift) % cycle for at in range(value.written + 1, value.read + 1)}


def _load(values: Iterable[Value], period: int) -> list[int]:
    """Values alive in each cycle of the period."""
    count = [0] * period
    for value in values:
        for at in range(value.written + 1, value.read + 1):
            count[at % period] += 1
    return count
