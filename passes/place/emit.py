"""A memory map as ``tier`` operations: places, copies where the plan starts them, waits, drops.

Slow memory holds what the plan keeps there; its places come from the offset planner. Arguments and results of
the function lie with the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ir.build import attributes
from ...ir.errors import PlanError
from ...ir.mlir import func, ir
from ...ir.steps import ALLOC, VIEWS, body, returned, root, steps
from ...ir.targets.description import Tier
from ...ir.tier_moves import COPY, DROP, FLOAT_BYTES, FRAMES, WAIT
from ..offsets import Buffer, Infeasible
from ..offsets import plan as plan_offsets
from .compiled import BF16_BYTES, Program
from .plan import Copy, MemoryMap

TOKEN = "!tier.token"
EFFORT_S = 1.0
"""Of the exact planner of slow memory's places."""


@dataclass
class _Stay:
    """A tensor in slow memory: its ``tier.alloc``, and when it is needed, on the emitter's clock."""

    alloc: ir.Operation
    tensor: int
    born: int
    last: int


class Emitter:
    """Writes one entry's map into its function, which is flat and has no ``tier`` operations."""

    def __init__(
        self, function: func.FuncOp, program: Program, plan: MemoryMap, tiers: tuple[Tier, Tier]
    ) -> None:
        self.function, self.program, self.plan = function, program, plan
        self.tensors = program.problem.tensors
        self.fast_tier, self.slow_tier = tiers
        self.number = {value: at for at, value in enumerate(program.values)}
        self.served = {
            (access.instruction, access.tensor, access.output): fast
            for access, fast in zip(program.problem.accesses, plan.served_fast, strict=True)
        }
        self.given = {self.number[value] for value in map(root, returned(function)) if value in self.number}
        self.slow = {x: program.values[x] for x, each in enumerate(self.tensors) if each.kind == "param"}
        self.fast: dict[int, ir.Value] = {}
        self.tokens: dict[int, ir.Value] = {}
        self.saved: dict[int, ir.Value] = {}
        self.stays: dict[ir.Value, _Stay] = {}
        self.now = 0

    def emit(self) -> None:
        """Write the map and the function's frames.

        Raises:
            Infeasible: what lies in slow memory does not fit there, with the tensors in each other's way.
        """
        sequence = steps(self.function)
        end = list(body(self.function))[-1]
        for k, (op, following) in enumerate(zip(sequence, [*sequence[1:], end], strict=True)):
            self.at = ir.InsertionPoint(op)
            self._before(k)
            self._redirect(op, k)
            self.at = ir.InsertionPoint(following)
            self._after(op, k)
        self._redirect(end, None)
        _erase_unused_views(self.function)
        self._frames()

    def _before(self, k: int) -> None:
        for at, copy in enumerate(self.plan.copies):
            if not copy.out and copy.start == k:
                self._copy_in(at, copy)
        self._wait(k, out=False)
        for at, copy in enumerate(self.plan.copies):
            if copy.out and copy.charges and copy.start == k:
                self._copy_out(at, copy)

    def _after(self, op: ir.Operation, k: int) -> None:
        for value in op.results:
            x = self.number[value]
            if self.served[k, x, True]:
                held = self._rectangle(k, x, made=True)
                self.fast[held] = self._fast_place(value, held)
            else:
                self.slow[x] = self._slow_place(value, x)
        for at, copy in enumerate(self.plan.copies):
            if (
                copy.out and not copy.charges and copy.ready == k
            ):  # it moves in no idle time: all of it is a wait
                self._copy_out(at, copy)
        self._wait(k, out=True)
        for at, held in enumerate(self.plan.rectangles):
            if held.last == k:
                self._create(DROP, [], [self.fast[at]])

    def _rectangle(self, k: int, x: int, *, made: bool = False) -> int:
        """The rectangle that holds a tensor at an instruction."""
        return next(
            at
            for at, held in enumerate(self.plan.rectangles)
            if held.tensor == x and held.first <= k <= held.last and (made or at in self.fast)
        )

    def _copy_in(self, at: int, copy: Copy) -> None:
        source = self.slow[self.plan.rectangles[copy.rectangle].tensor]
        made = self._copy(at, source, self.fast_tier)
        self.fast[copy.rectangle] = self._fast_place(made, copy.rectangle)
        self.saved[at] = source
        self._touch(source)

    def _copy_out(self, at: int, copy: Copy) -> None:
        made = self._copy(at, self.fast[copy.rectangle], self.slow_tier)
        self.saved[at] = self._slow_place(made, self.plan.rectangles[copy.rectangle].tensor)

    def _copy(self, at: int, source: ir.Value, tier: Tier) -> ir.Value:
        made = self._create(COPY, [source.type, ir.Type.parse(TOKEN)], [source], {"to": tier.name})
        self.tokens[at] = made.results[1]
        return made.results[0]

    def _wait(self, k: int, *, out: bool) -> None:
        for at, copy in enumerate(self.plan.copies):
            if copy.out == out and copy.ready == k:
                self._create(WAIT, [], [self.tokens[at]])
                self._touch(self.saved[at])
                if out:
                    self.slow.setdefault(self.plan.rectangles[copy.rectangle].tensor, self.saved[at])

    def _touch(self, value: ir.Value) -> None:
        if value in self.stays:
            self.stays[value].last = self.now

    def _create(
        self,
        name: str,
        results: list[ir.Type],
        operands: list[ir.Value],
        facts: Mapping[str, str | int] | None = None,
    ) -> ir.Operation:
        self.now += 1
        return ir.Operation.create(name, results, operands, attributes(facts or {}), ip=self.at)

    def _fast_place(self, value: ir.Value, held: int) -> ir.Value:
        rectangle = self.plan.rectangles[held]
        return self._place(value, self.fast_tier, rectangle.tensor, rectangle.offset).results[0]

    def _slow_place(self, value: ir.Value, x: int) -> ir.Value:
        """A place in slow memory, its offset not known yet; the function's results lie with the caller."""
        if x in self.given and x not in self.slow:
            return value
        born = self.now
        made = self._place(value, self.slow_tier, x, 0)
        self.stays[made.results[0]] = _Stay(made, x, born, born)
        return made.results[0]

    def _place(self, value: ir.Value, tier: Tier, x: int, offset: int) -> ir.Operation:
        facts = {"tier": tier.name, "offset": offset, "bytes": self.tensors[x].size}
        return ir.Operation.create(ALLOC, [value.type], [value], attributes(facts), ip=self.at)

    def _redirect(self, op: ir.Operation, k: int | None) -> None:
        """Have a step, or the return, read every tensor where the plan says it lies."""
        self.now += 1
        for at, value in enumerate(list(op.operands)):
            x = self.number.get(root(value))
            if x is None:
                continue  # an argument that is only returned
            fast = k is not None and self.served[k, x, False]
            place = self.fast[self._rectangle(k, x)] if fast and k is not None else self.slow[x]
            self._touch(place)
            op.operands[at] = _seen(value, place, ir.InsertionPoint(op))

    def _frames(self) -> None:
        """Offsets in slow memory, and the size of the frame in each tier."""
        unit = self.slow_tier.alignment_bytes
        buffers, stays = [], {}
        for at, stay in enumerate(self.stays.values()):
            each = self.tensors[stay.tensor]
            name = each.name if each.name not in stays else f"{each.name}, again {at}"
            stays[name] = stay
            buffers.append(Buffer(name, stay.born, stay.last + 1, -(-each.size // unit) * unit))
        with_caller = sum(
            each.size for x, each in enumerate(self.tensors) if each.kind == "param" or x in self.given
        )
        capacity = self.slow_tier.capacity_bytes
        if capacity is not None:
            capacity -= with_caller
            if capacity < 0:
                raise self._overfull(with_caller)
        try:
            found = plan_offsets(buffers, capacity=capacity, time_limit_s=EFFORT_S)
        except Infeasible as error:
            beside = f"{self.slow_tier.name} beside {with_caller} bytes of arguments and results"
            error.where = f"{self.function.name.value}, {beside}"
            raise
        for name, stay in stays.items():
            stay.alloc.attributes["offset"] = attributes({"offset": found.offsets[name]})["offset"]
        top = max((held.offset + self.tensors[held.tensor].size for held in self.plan.rectangles), default=0)
        sizes = attributes({self.fast_tier.name: top, self.slow_tier.name: found.peak_bytes})
        self.function.attributes[FRAMES] = ir.DictAttr.get(sizes)
        self.function.attributes[FLOAT_BYTES] = attributes({FLOAT_BYTES: BF16_BYTES})[FLOAT_BYTES]

    def _overfull(self, held: int) -> PlanError:
        names = sorted(
            (each for x, each in enumerate(self.tensors) if each.kind == "param" or x in self.given),
            key=lambda each: -each.size,
        )
        largest = ", ".join(f"{each.name} ({each.size} bytes)" for each in names[:3])
        return PlanError(
            f"arguments and results alone take {held} bytes; the largest are {largest}",
            where=f"{self.function.name.value}, {self.slow_tier.name}",
            accepted=f"{self.slow_tier.capacity_bytes} bytes or less",
        )


def _seen(value: ir.Value, place: ir.Value, at: ir.InsertionPoint) -> ir.Value:
    """The same view of a tensor at its place."""
    chain = []
    while not isinstance(value.owner, ir.Block) and value.owner.operation.name in VIEWS:
        chain.append(value.owner.operation)
        value = chain[-1].operands[0]
    for view in reversed(chain):
        again = view.clone(ip=at).operation
        again.operands[0] = place
        place = again.results[0]
    return place


def _erase_unused_views(function: func.FuncOp) -> None:
    for op in reversed(list(body(function))):
        if op.name in VIEWS and op.name != ALLOC and not list(op.results[0].uses):
            op.erase()
