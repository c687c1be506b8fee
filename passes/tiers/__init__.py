"""Placement in a near and a far tier, after SN40L (Prabhakar et al., MICRO 2024, section V-A).

Everything lies near by default and shares addresses by lifetime; what does not fit is spilled to the far one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...ir.errors import PassError
from ...ir.mlir import ir
from ...ir.targets import load
from ...ir.tier_moves import Room, verify_moves
from ..base import Pass
from ..place.arena import SOLVER


@dataclass
class PlaceInTiers(Pass):
    """Gives every tensor a place in the main tier of a target, or in the next farther one.

    Attributes:
        target: the machine.
        policy: who chooses what is spilled, a name of `policies.POLICIES`.
        near_bytes: size of the main tier; 0: the target's.
        others: policies to show beside it, separated by commas.
    """

    name: ClassVar[str] = "tiers"
    description: ClassVar[str] = "give every tensor a place in the main tier, or spill it to a farther one"

    target: str = "sn40l-socket"
    policy: str = "exact"
    near_bytes: int = 0
    others: str = ""

    def __post_init__(self) -> None:
        from .plan import TierPlan

        self.plans: dict[str, TierPlan] = {}
        if self.near_bytes < 0:
            raise PassError(f"{self.near_bytes} bytes", where=self.name, accepted="0 or more")

    def run(self, module: ir.Module) -> ir.Module:
        """Inline every entry's layers, place its tensors, and verify the result; plans are left in ``plans``.

        Raises:
            PassError: a function is not fused.
            TargetError, InputError: no such target or policy, or no farther tier.
            PlanError: what must be near does not fit there, or a verifier refuses the placement.
        """
        from ..place.mapped import flat_programs
        from .emit import emit
        from .plan import place
        from .problem import Tiers, of_problem

        target = load(self.target)
        tiers = Tiers.of(target, self.near_bytes or None)
        others = tuple(filter(None, self.others.split(",")))
        with module.context, ir.Location.unknown():
            for name, function, compiled in flat_programs(module, target):
                found = place(of_problem(compiled.problem), tiers, self.policy, others)
                emit(function, compiled, found)
                function.attributes[SOLVER] = ir.StringAttr.get(self.policy)
                self.plans[name] = found
        rooms = {
            tier.name: Room(tier.capacity_bytes, tier.alignment_bytes) for tier in (tiers.near, tiers.far)
        }
        verify_moves(module, rooms, tiers.near.name)
        return module
