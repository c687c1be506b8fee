"""Derivation steps: what a rewriting changed and why it may, as text a person can follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...ir.einsum import Einsum


@dataclass(frozen=True)
class Step:
    """One rewriting: its name, the Einsums before and after it, and what makes it legal.

    `corrects` says that a sum so far is corrected in each generation.
    """

    name: str
    before: tuple[Einsum, ...]
    after: tuple[Einsum, ...]
    why: str
    corrects: bool = False

    def lines(self) -> list[str]:
        """The step as lines: a heading, then ``-`` what went and ``+`` what came."""
        gone = [f"  - {einsum}" for einsum in self.before if einsum not in self.after]
        come = [f"  + {einsum}" for einsum in self.after if einsum not in self.before]
        return [f"{self.name}: {self.why}", *gone, *come]


def fresh_name(wanted: str, taken: Iterable[str]) -> str:
    """A name not in `taken`, close to the one wanted."""
    used = set(taken)
    name, count = wanted, 1
    while name in used:
        count += 1
        name = f"{wanted}_{count}"
    return name
