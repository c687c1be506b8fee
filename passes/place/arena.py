"""Placement: every tensor between steps gets a fixed place in its function's frame.

With a target that has a fast tier, tensors are mapped to it (`mapped`). Otherwise lifetimes become offsets in
one arena per entry: tensors as ``tier.alloc``, a layer's frame as ``tier.frame_offset`` on its call. A
function's results are written straight into its caller's buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...ir.build import attributes
from ...ir.errors import PassError
from ...ir.mlir import func, ir
from ...ir.steps import ALLOC, FRAME_BYTES, FRAME_OFFSET, body, callees_first, functions
from ...ir.targets import load
from ...ir.tier_check import verify_placement
from ...ir.tier_moves import COPY, DROP, FLOAT_BYTES, FRAMES, WAIT, lie_at_home
from ...ir.weights import ALIGN, aligned
from ..base import Pass
from ..lifetimes import Life, lifetimes
from ..offsets import Buffer, Infeasible, plan

if TYPE_CHECKING:
    from .effort import Progress
    from .solved import MappedProgram

LOWER_BOUND = "tier.lower_bound_bytes"
SOLVER = "tier.solver"


@dataclass
class Place(Pass):
    """Gives every tensor between steps a place.

    Attributes:
        tier: the tier of the target that holds the arena.
        time_limit_s: effort of the exact planner per function, seconds; 0 leaves it to the greedies.
        seed: of the exact planner's search, or of the player's.
        capacity: bytes an arena may have, a multiple of 64; 0: as many as it needs.
        target: a machine with a fast tier: map the tensors of every entry, its layers inlined, to that tier.
        solver: the player that maps them, a name of `players.PLAYERS`.
        effort: how far the hybrid goes, a name of `effort.EFFORTS`.
        evaluations: plans it may price; 0: as many as the effort has.
        pin: names of tensors, as shell patterns separated by ``|``, to hold in the fast tier all their lives.
    """

    name: ClassVar[str] = "place"
    description: ClassVar[str] = (
        "give every tensor between steps a place: in one arena, or in a fast tier too"
    )

    tier: str = "ddr"
    time_limit_s: float = 1.0
    seed: int = 0
    capacity: int = 0
    target: str = ""
    solver: str = "hybrid"
    effort: str = "quick"
    evaluations: int = 0
    pin: str = ""

    def __post_init__(self) -> None:
        self.maps: dict[str, MappedProgram] = {}
        self.progress: Progress | None = None
        if self.capacity < 0 or self.capacity % ALIGN:
            raise PassError(
                f"a capacity of {self.capacity} bytes", where=self.name, accepted=f"a multiple of {ALIGN}"
            )
        if self.target and self.capacity:
            raise PassError(
                "a capacity and a target, whose tiers have theirs", where=self.name, accepted="one"
            )

        if self.pin and not self.target:
            raise PassError(
                "pins without a target that has a fast tier", where=self.name, accepted="target=…"
            )

    def run(self, module: ir.Module) -> ir.Module:
        """Place every function, callees first, and verify the result; maps of entries are left in ``maps``.

        Raises:
            PassError: a function is not fused.
            Infeasible: the capacity is too small, with the tensors that are in each other's way.
            TargetError, InputError: no such target or player.
            PlanError: the independent checker refuses the placement.
        """
        if self.target:
            from .mapped import map_entries  # ortools
            from .players import Budget

            budget = Budget.of(self.solver, self.effort, self.evaluations, self.seed)
            self.maps = map_entries(module, load(self.target), self.solver, budget, self.pin, self.progress)
            return module
        frames: dict[str, int] = {}
        with module.context, ir.Location.unknown():
            for function in functions(module).values():
                unplace(function)
            for function in callees_first(module):
                frames[function.name.value] = self._place(function, frames)
        verify_placement(module)
        return module

    def _place(self, function: func.FuncOp, frames: dict[str, int]) -> int:
        lives = lifetimes(function, frames)
        buffers = [Buffer(life.name, life.start, life.end, life.bytes) for life in lives]
        try:
            found = plan(
                buffers, capacity=self.capacity or None, time_limit_s=self.time_limit_s, seed=self.seed
            )
        except Infeasible as error:
            error.where = f"the arena of {function.name.value}"
            raise
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


def unplace(function: func.FuncOp) -> None:
    """Undo an earlier placement, in an arena or in tiers."""
    for op in list(body(function)):
        if op.name in (WAIT, DROP):
            op.erase()
    for op in list(body(function)):
        if op.name in (ALLOC, COPY):
            op.results[0].replace_all_uses_with(op.operands[0])
            op.erase()
        elif FRAME_OFFSET in op.attributes:
            del op.attributes[FRAME_OFFSET]
    lie_at_home(function)
    for name in (FRAME_BYTES, LOWER_BOUND, SOLVER, FRAMES, FLOAT_BYTES):
        if name in function.attributes:
            del function.attributes[name]
