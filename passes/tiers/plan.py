"""A finished placement: who lies where, what it costs, and how the other policies would have done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.errors import PlanError
from ..offsets import Buffer, check
from .pack import Packing, addresses, sharing
from .policies import Choice, choose
from .problem import Program, Tiers


@dataclass(frozen=True)
class Spilled:
    """What a policy came to.

    Attributes:
        policy: its name.
        symbols, bytes: how many it spills, and their sizes together.
        moved: bytes that they move.
        added_s: time that spilling adds, accesses one after another.
    """

    policy: str
    symbols: int
    bytes: int
    moved: int
    added_s: float

    @classmethod
    def of(cls, packing: Packing, policy: str, choice: Choice) -> Spilled:
        """The figures of a choice."""
        gone = ~choice.kept
        return cls(
            policy,
            int(gone.sum()),
            int(packing.sizes[gone].sum()),
            int(packing.moved[gone].sum()),
            float(packing.prices[gone].sum()),
        )


@dataclass(frozen=True)
class TierPlan:
    """A placement that the independent checker took.

    Attributes:
        program, tiers: what is placed, and where.
        policy: who chose.
        near, far: address of every symbol in its tier, by name.
        near_bytes, far_bytes: where the last symbol ends.
        unshared_bytes, shared_bytes: all symbols near, each at an address of its own, and sharing.
        near_s, far_s: time of all traffic of each tier.
        bound_s: no choice adds less time; None where nothing is proved.
        proved: this one adds that.
        policies: figures of each policy that was asked.
    """

    program: Program
    tiers: Tiers
    policy: str
    near: Mapping[str, int]
    far: Mapping[str, int]
    near_bytes: int
    far_bytes: int
    unshared_bytes: int
    shared_bytes: int
    near_s: float
    far_s: float
    bound_s: float | None
    proved: bool
    policies: tuple[Spilled, ...]

    @property
    def chosen(self) -> Spilled:
        """The figures of the policy whose placement it is."""
        return next(each for each in self.policies if each.policy == self.policy)

    def to_json(self) -> dict[str, Any]:
        """The placement as a JSON object."""
        return {
            "program": self.program.name,
            "steps": self.program.steps,
            "symbols": len(self.program.symbols),
            "policy": self.policy,
            "tiers": {self.tiers.near.name: dict(self.near), self.tiers.far.name: dict(self.far)},
            "capacity_bytes": {tier.name: tier.capacity_bytes for tier in (self.tiers.near, self.tiers.far)},
            "used_bytes": {self.tiers.near.name: self.near_bytes, self.tiers.far.name: self.far_bytes},
            "unshared_bytes": self.unshared_bytes,
            "shared_bytes": self.shared_bytes,
            "serial_s": self.near_s + self.far_s,
            "overlapped_s": max(self.near_s, self.far_s),
            "bound_s": self.bound_s,
            "proved": self.proved,
            "policies": [vars(each) for each in self.policies],
        }

    def text(self) -> str:
        """A few lines for people."""
        near, far = self.tiers.near, self.tiers.far
        lines = [
            f"{self.program.name}: {len(self.program.symbols)} symbols in {self.program.steps} steps",
            f"each at an address of its own {_mib(self.unshared_bytes)}, sharing {_mib(self.shared_bytes)}; "
            f"{near.name} has {_mib(near.capacity_bytes or 0)}",
            f"{near.name} {_mib(self.near_bytes)}, {far.name} {_mib(self.far_bytes)} by {self.policy}; "
            f"traffic {self._ms()}",
        ]
        if self.proved:
            lines.append("no choice adds less time: proved")
        elif self.bound_s is not None:
            lines.append(f"no choice adds less than {self.bound_s * 1e3:.4g} ms")
        gone = [s for s in self.program.symbols if s.name in self.far]
        named = ", ".join(f"{s.name} ({_mib(s.size)})" for s in sorted(gone, key=lambda s: -s.size)[:6])
        if gone:
            lines.append(f"spilled: {named}{f' and {len(gone) - 6} more' if len(gone) > 6 else ''}")
        return "\n".join(lines)

    def _ms(self) -> str:
        serial, overlapped = self.near_s + self.far_s, max(self.near_s, self.far_s)
        return f"{serial * 1e3:.4g} ms one after another, {overlapped * 1e3:.4g} ms overlapped"


def _mib(count: int) -> str:
    return f"{count / 2**20:.2f} MiB"


def place(program: Program, tiers: Tiers, policy: str = "exact", others: Sequence[str] = ()) -> TierPlan:
    """Decide who lies where.

    Args:
        program: what is placed.
        tiers: where.
        policy: one of `POLICIES`.
        others: policies to show beside it.

    Raises:
        InputError: no such policy.
        PlanError: what must be near does not fit there, or what is spilled not in the far tier.
    """
    packing = Packing(program, tiers)
    choices = {name: choose(packing, name) for name in dict.fromkeys((*others, policy))}
    chosen = choices[policy]
    spots = {}
    for tier, mask in ((tiers.near, chosen.kept), (tiers.far, ~chosen.kept)):
        try:
            spots[tier.name] = addresses(
                program, packing.symbols(mask), tier.alignment_bytes, tiers.room(tier)
            )
        except PlanError as error:
            error.where = f"{program.name}, {tier.name}"
            raise
    total = sharing(program, packing.unit)
    near_s, far_s = tiers.seconds(packing.symbols(chosen.kept), packing.symbols(~chosen.kept))
    found = TierPlan(
        program,
        tiers,
        policy,
        spots[tiers.near.name][0],
        spots[tiers.far.name][0],
        spots[tiers.near.name][1],
        spots[tiers.far.name][1],
        total["unshared"],
        total["shared"],
        near_s,
        far_s,
        chosen.bound_s,
        chosen.proved,
        tuple(Spilled.of(packing, name, choice) for name, choice in choices.items()),
    )
    verify(found)
    return found


def verify(found: TierPlan) -> None:
    """Hold a placement to the rules: everybody in one tier, nobody on another's bytes, all within their tier.

    Raises:
        PlanError: naming the symbols that break one.
    """
    tiers = {found.tiers.near.name: found.near, found.tiers.far.name: found.far}
    pool_of = {symbol: name for name, spots in tiers.items() for symbol in spots}
    if len(pool_of) != len(found.near) + len(found.far):
        raise PlanError("a symbol lies in both tiers", where=found.program.name)
    pinned = next((s for s in found.program.symbols if s.name in found.far and not s.spillable), None)
    if pinned is not None:
        raise PlanError(f"{pinned.name} may not be spilled", where=found.program.name)
    units = {tier.name: tier.alignment_bytes for tier in (found.tiers.near, found.tiers.far)}
    buffers = [
        Buffer(s.name, s.start, s.end, s.size, align=units[pool_of[s.name]])
        for s in found.program.symbols
        if s.name in pool_of
    ]
    if len(buffers) < len(found.program.symbols):
        raise PlanError("a symbol lies nowhere", where=found.program.name)
    capacities = {tier.name: tier.capacity_bytes or 0 for tier in (found.tiers.near, found.tiers.far)}
    check(buffers, {**found.near, **found.far}, pool_of=pool_of, capacities=capacities)
