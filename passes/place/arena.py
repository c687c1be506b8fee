"""Placement: every tensor between steps gets a fixed place in its function's frame.

Lifetimes become offsets in one arena per entry: tensors as ``tier.alloc``, a layer's frame as
``tier.frame_offset`` on its call. A function's results are written straight into its caller's buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...ir.build import attributes
from ...ir.mlir import func, ir
from ...ir.steps import ALLOC, FRAME_BYTES, FRAME_OFFSET, body, callees_first
from ...ir.tier_check import verify_placement
from ...ir.weights import aligned
from ..base import Pass
from ..lifetimes import Life, lifetimes
from ..offsets import Buffer, plan

LOWER_BOUND = "tier.lower_bound_bytes"
SOLVER = "tier.solver"


@dataclass
class Place(Pass):
    """Gives every tensor between steps a place.

    Attributes:
        tier: the tier of the target that holds the arena.
        time_limit_s: effort of the exact planner per function, seconds; 0 leaves it to the greedies.
        seed: of the exact planner's search.
    """

    name: ClassVar[str] = "place"
    description: ClassVar[str] = "give every tensor between steps a fixed offset in one arena"

    tier: str = "ddr"
    time_limit_s: float = 1.0
    seed: int = 0

    def run(self, module: ir.Module) -> ir.Module:
        """Place every function, callees first, and verify the result.

        Raises:
            PassError: a function is not fused.
            PlanError: the independent checker refuses the placement.
        """
        frames: dict[str, int] = {}
        with module.context, ir.Location.unknown():
            for function in callees_first(module):
                _unplace(function)
                frames[function.name.value] = self._place(function, frames)
        verify_placement(module)
        return module

    def _place(self, function: func.FuncOp, frames: dict[str, int]) -> int:
        lives = lifetimes(function, frames)
        buffers = [Buffer(life.name, life.start, life.end, life.bytes) for life in lives]
        found = plan(buffers, time_limit_s=self.time_limit_s, seed=self.seed)
        for life in lives:
            self._pin(life, found.offsets[life.name])
        frame = aligned(found.peak_bytes)
        facts = {FRAME_BYTES: frame, LOWER_BOUND: found.lower_bound_bytes, SOLVER: found.solver}
        for name, value in attributes(facts).items():
            function.attributes[name] = value
        return frame

    def _pin(self, life: Life, offset: int) -> None:
        if life.call is not None:
            life.call.attributes[FRAME_OFFSET] = attributes({"offset": offset})["offset"]
        if life.value is not None:
            owner = life.value.owner
            place = attributes({"tier": self.tier, "offset": offset, "bytes": life.bytes})
            pinned = ir.Operation.create(
                ALLOC,
                [life.value.type],
                [life.value],
                place,
                loc=owner.location,
                ip=ir.InsertionPoint.after(owner),
            )
            life.value.replace_all_uses_except(pinned.results[0], pinned)


def _unplace(function: func.FuncOp) -> None:
    """Undo an earlier placement."""
    for op in list(body(function)):
        if op.name == ALLOC:
            op.results[0].replace_all_uses_with(op.operands[0])
            op.erase()
        elif FRAME_OFFSET in op.attributes:
            del op.attributes[FRAME_OFFSET]
