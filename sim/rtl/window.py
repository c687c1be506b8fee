"""A window of cycles that waveforms are written of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from ...ir.errors import InputError


@dataclass(frozen=True)
class Window:
    """Cycles from the start of a run: the first, and the one after the last (None: to the end)."""

    first: int
    end: int | None

    def __post_init__(self) -> None:
        if self.first < 0 or (self.end is not None and self.end <= self.first):
            raise InputError(f"no cycles in {self}", where="--trace-window", accepted="A:B with A below B")

    @classmethod
    def of(cls, text: str) -> Self:
        """``A:B``, ``A:`` or ``:B``, whole numbers.

        Raises:
            InputError: something else, or no cycles.
        """
        found = re.fullmatch(r"(\d*):(\d*)", text)
        if found is None:
            raise InputError(f"not a window of cycles, '{text}'", where="--trace-window", accepted="A:B")
        first, end = found.groups()
        return cls(int(first or 0), int(end) if end else None)

    def __str__(self) -> str:
        return f"{self.first}:{'' if self.end is None else self.end}"
