"""Which experts are near: least recently used goes first, what is pinned stays, what was written goes back.

Software keeps this table (SN40L, section V-B): the near memory is no hardware cache.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from ....ir.errors import InputError


@dataclass(frozen=True)
class Activation:
    """What making an expert active took.

    Attributes:
        hit: it was near already.
        evicted: who made room; None where nobody had to.
        write_back: whether the evicted one had been written.
    """

    hit: bool
    evicted: Hashable | None = None
    write_back: bool = False


class ExpertCache:
    """The table of the experts in so many slots.

    Raises:
        InputError: no slot.
    """

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise InputError(f"a near memory of {slots} experts", accepted="room for one or more")
        self.slots = slots
        self._written: OrderedDict[Hashable, bool] = OrderedDict()
        """Resident experts, least recently used first; whether each was written."""
        self._pins: Counter[Hashable] = Counter()

    def __contains__(self, expert: Hashable) -> bool:
        return expert in self._written

    @property
    def resident(self) -> tuple[Hashable, ...]:
        """Experts near, least recently used first."""
        return tuple(self._written)

    def activate(self, expert: Hashable) -> Activation | None:
        """Make an expert the most recently used, and near if it was not.

        None, and nothing changed, where it is not near and everyone near is pinned: it has to wait.
        """
        if expert in self._written:
            self._written.move_to_end(expert)
            return Activation(hit=True)
        evicted, written = None, False
        if len(self._written) == self.slots:
            evicted = next((each for each in self._written if not self._pins[each]), None)
            if evicted is None:
                return None
            written = self._written.pop(evicted)
        self._written[expert] = False
        return Activation(False, evicted, written)

    def write(self, expert: Hashable) -> None:
        """Note that a resident expert's writable segments changed."""
        self._written[self._near(expert)] = True

    def pin(self, expert: Hashable) -> None:
        """Keep a resident expert near until it is unpinned as often."""
        self._pins[self._near(expert)] += 1

    def unpin(self, expert: Hashable) -> None:
        """Undo one pin.

        Raises:
            InputError: it is not pinned.
        """
        if not self._pins[expert]:
            raise InputError(f"expert {expert!r} is not pinned")
        self._pins[expert] -= 1

    def _near(self, expert: Hashable) -> Hashable:
        if expert not in self._written:
            raise InputError(f"expert {expert!r} is not near")
        return expert
