"""What is to be placed: a program's symbols, when each is needed, and what it moves (SN40L, section V-A).

Everything lies in the near tier by default; what does not fit is spilled to the far one for its whole life,
and read and written there. Two symbols that are never needed at once may share an address. Sizes and traffic
are bytes, steps are numbered from 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...ir.errors import InputError, TargetError
from ...ir.targets import Target
from ...ir.targets.description import Tier
from ..place.problem import Problem


@dataclass(frozen=True)
class Symbol:
    """A value with a device address.

    Attributes:
        name: unique.
        size: bytes.
        start, end: first step that needs it, and the step after the last.
        read, written: bytes moved over the whole run, every trip of a loop counted.
        spillable: whether it may lie in the far tier.

    Raises:
        InputError: an empty life, a size below 1, negative traffic.
    """

    name: str
    size: int
    start: int
    end: int
    read: int
    written: int
    spillable: bool = True

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.start < self.end or self.read < 0 or self.written < 0:
            raise InputError(
                f"size {self.size}, life [{self.start}, {self.end}), {self.read} + {self.written} B moved",
                where=self.name,
                accepted="a byte or more, a step or more, traffic of 0 or more",
            )

    @property
    def moved(self) -> int:
        """Bytes moved, both ways: the paper's measure."""
        return self.read + self.written


@dataclass(frozen=True)
class Program:
    """Symbols of a run of so many steps.

    Raises:
        InputError: two symbols of one name, or one that outlives the run.
    """

    name: str
    steps: int
    symbols: tuple[Symbol, ...]

    def __post_init__(self) -> None:
        if len({symbol.name for symbol in self.symbols}) != len(self.symbols):
            raise InputError("two symbols of one name", where=self.name)
        late = next((symbol for symbol in self.symbols if symbol.end > self.steps), None)
        if late is not None:
            raise InputError(
                f"{late.name} is needed in step {late.end - 1}",
                where=self.name,
                accepted=f"{self.steps} steps",
            )

    def permanent(self, symbol: Symbol) -> bool:
        """Whether a symbol is needed from the first step to the last, and shares with nobody."""
        return symbol.start == 0 and symbol.end == self.steps


def of_problem(problem: Problem) -> Program:
    """A compiled entry: parameters and results are there from its first step to its last.

    A result is handed to the caller in the near tier, so it is not spilled.
    """
    count = max(1, len(problem.instructions))
    lives: dict[int, list[int]] = {}
    moved = np.zeros((len(problem.tensors), 2), np.int64)
    for access in problem.accesses:
        life = lives.setdefault(access.tensor, [access.instruction, access.instruction])
        life[1] = access.instruction
        moved[access.tensor, int(access.output)] += access.bytes
    symbols = []
    for at, tensor in enumerate(problem.tensors):
        first, last = (0, count - 1) if tensor.kind != "temp" else lives[at]
        read, written = map(int, moved[at])
        symbols.append(
            Symbol(tensor.name, tensor.size, first, last + 1, read, written, tensor.kind != "result")
        )
    return Program(problem.name, count, tuple(symbols))


@dataclass(frozen=True)
class Tiers:
    """The near tier and the far one, both of known size and bandwidth."""

    near: Tier
    far: Tier

    @classmethod
    def of(cls, target: Target, near_bytes: int | None = None) -> Tiers:
        """The main tier of a target and the next farther one.

        Args:
            target: the machine.
            near_bytes: size of the near tier, where it is not the target's.

        Raises:
            TargetError: there is no farther tier, or a size or bandwidth is unpublished.
        """
        farther = target.tier[target.tier.index(target.main) + 1 :]
        if not farther:
            raise TargetError(
                f"no tier is farther than {target.main.name}", where=target.name, accepted="sn40l-socket"
            )
        near = target.main if near_bytes is None else replace(target.main, capacity_bytes=near_bytes)
        for tier in (near, farther[0]):
            if tier.capacity_bytes is None:
                raise TargetError(f"the size of {tier.name} is unpublished", where=target.name)
            tier.seconds(1, 1)
        return cls(near, farther[0])

    def room(self, tier: Tier) -> int:
        """Bytes of a tier that symbols may take: whole units of its alignment."""
        return (tier.capacity_bytes or 0) // tier.alignment_bytes * tier.alignment_bytes

    def price_s(self, symbol: Symbol) -> float:
        """Seconds that spilling a symbol adds, accesses one after another."""
        near = self.near.seconds(symbol.read, symbol.written)
        return max(0.0, self.far.seconds(symbol.read, symbol.written) - near)

    def seconds(self, kept: Iterable[Symbol], spilled: Iterable[Symbol]) -> tuple[float, float]:
        """Time of all traffic: of each tier's."""
        found = []
        for tier, symbols in ((self.near, tuple(kept)), (self.far, tuple(spilled))):
            found.append(tier.seconds(sum(s.read for s in symbols), sum(s.written for s in symbols)))
        return found[0], found[1]


def aligned(size: int, unit: int) -> int:
    """Bytes a symbol takes in a tier."""
    return -(-size // unit) * unit


@dataclass(frozen=True)
class Demand:
    """Bytes each symbol takes at each step that some symbol begins in; there the sum is largest."""

    program: Program
    unit: int

    @cached_property
    def bytes(self) -> np.ndarray:
        """[steps, symbols], int64."""
        begins = sorted({symbol.start for symbol in self.program.symbols})
        sizes = np.array([aligned(symbol.size, self.unit) for symbol in self.program.symbols], np.int64)
        starts = np.array([symbol.start for symbol in self.program.symbols])
        ends = np.array([symbol.end for symbol in self.program.symbols])
        steps = np.array(begins)[:, None]
        return np.where((starts <= steps) & (steps < ends), sizes, 0)

    def peak(self, kept: np.ndarray) -> int:
        """Most bytes live at once, for a mask of symbols."""
        return int((self.bytes @ kept.astype(np.int64)).max(initial=0))
