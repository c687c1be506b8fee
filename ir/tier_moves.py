"""The verifier of memory maps: no two live tensors share a byte, and nothing is read where it is not.

Written from the tier dialect's definition, sharing nothing with the planner. A function that is mapped is
flat: kernels and upstream calls, every result and every copied tensor pinned by ``tier.alloc``. What has no
``tier.alloc`` (arguments, results of the function) lies with the caller in the home tier; an argument that
does not, has ``tier.lies`` with the name of the tier.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .build import integer, string
from .cascade import FUSED, shape_of
from .entries import arguments, text_attribute
from .errors import PlanError
from .mlir import func, ir
from .steps import ALLOC, CALL, RETURN, VIEWS, body, callee, dtype_of, functions, is_upstream, root

COPY, WAIT, DROP = "tier.copy", "tier.wait", "tier.drop"
FRAMES = "tier.frames"  # on a function: bytes of its frame in each tier
LIES = "tier.lies"  # on an argument: the tier the caller keeps it in, where that is not the home tier
FLOAT_BYTES = "tier.float_bytes"  # on a function: bytes that a floating element takes in a tier


@dataclass(frozen=True)
class Room:
    """What a tier has: bytes (None: not published), and the alignment of places in it."""

    capacity: int | None
    alignment: int


@dataclass
class _Held:
    """A tensor's stay in a tier: operations ``born`` to ``last``, both ends included."""

    what: str
    tier: str
    start: int
    end: int
    born: int
    last: int


def stored_bytes(value: ir.Value, float_bytes: int) -> int:
    """Bytes a tensor takes in a tier."""
    kind = dtype_of(value)
    return max(1, math.prod(shape_of(value)) * (float_bytes if kind.mlir.startswith("f") else kind.size))


def verify_moves(module: ir.Module, rooms: Mapping[str, Room], home: str) -> None:
    """Hold every mapped function of a module to the rules above.

    Args:
        module: with functions that have ``tier.frames``.
        rooms: the target's tiers by name.
        home: the tier in which arguments and results lie.

    Raises:
        PlanError: naming the function and the operation or tensors that break a rule.
    """
    table = functions(module)
    for function in table.values():
        if FRAMES in function.attributes:
            _Check(function, table, rooms, home).run()


@dataclass
class _Check:
    function: func.FuncOp
    table: Mapping[str, func.FuncOp]
    rooms: Mapping[str, Room]
    home: str
    held: dict[ir.Value, _Held] = field(default_factory=dict)
    tokens: dict[ir.Value, tuple[ir.Value, ir.Value]] = field(default_factory=dict)
    dropped: set[ir.Value] = field(default_factory=set)
    lies: dict[ir.Value, str] = field(default_factory=dict)

    def run(self) -> None:
        self._arguments()
        for at, op in enumerate(body(self.function)):
            where = f"{self.function.name.value}, operation {at} ({op.name})"
            if op.name == ALLOC and op.operands[0] not in self.held:
                raise PlanError("places what is neither made nor copied here", where=where)
            if op.name in VIEWS:
                continue
            self._reads(op, at, where)
            if op.name == COPY:
                self._copy(op, at, where)
            elif op.name == DROP:
                self.dropped.add(root(op.operands[0]))
            elif op.name == FUSED or (op.name == CALL and is_upstream(self.table[callee(op)])):
                for number, value in enumerate(op.results):
                    self._hold(value, f"result {number} of operation {at}", at, where)
            elif op.name not in (WAIT, RETURN):
                raise PlanError(
                    f"'{op.name}' is no step of a map", where=where, accepted="kernels and upstream calls"
                )
        self._ends()
        self._places()

    def _arguments(self) -> None:
        for number, (value, table) in enumerate(
            zip(self.function.arguments, arguments(self.function), strict=True)
        ):
            tier = text_attribute(table, LIES, self.home)
            if tier not in self.rooms:
                where = f"{self.function.name.value}, argument {number}"
                raise PlanError(f"no tier {tier!r}", where=where, accepted=", ".join(self.rooms))
            self.lies[value] = tier

    def _reads(self, op: ir.Operation, at: int, where: str) -> None:
        if op.name == WAIT:
            if op.operands[0] not in self.tokens:
                raise PlanError("waits for a copy a second time", where=where)
            for value in self.tokens.pop(op.operands[0]):
                self._touch(value, at)
            return
        busy = {value: number for pair in self.tokens.values() for number, value in enumerate(pair)}
        for value in map(root, op.operands):
            what = self.held[value].what if value in self.held else "an argument"
            if value in self.dropped:
                raise PlanError(f"reads {what} after it was dropped", where=where)
            if busy.get(value) == 1:
                raise PlanError(f"reads {what} before its copy was waited for", where=where)
            if busy.get(value) == 0 and op.name == DROP:
                raise PlanError(f"drops {what} while it is copied", where=where)
            if op.name == RETURN and self._tier(value) != self.home:
                raise PlanError(f"returns {what} from {self._tier(value)}", where=where, accepted=self.home)
            self._touch(value, at)

    def _touch(self, value: ir.Value, at: int) -> None:
        if value in self.held:
            self.held[value].last = at

    def _tier(self, value: ir.Value) -> str:
        return self.held[value].tier if value in self.held else self.lies.get(value, self.home)

    def _copy(self, op: ir.Operation, at: int, where: str) -> None:
        source, target = root(op.operands[0]), op.results[0]
        self._hold(target, f"the copy at operation {at}", at, where)
        to = string(op, "to")
        if self._tier(target) != to:
            raise PlanError(f"copies to {to}, but its place is in {self._tier(target)}", where=where)
        if self._tier(source) == to:
            raise PlanError(f"copies from {to} to {to}", where=where, accepted="another tier")
        self.tokens[op.results[1]] = (source, target)

    def _hold(self, value: ir.Value, what: str, at: int, where: str) -> None:
        places = [use.owner.operation for use in value.uses if use.owner.operation.name == ALLOC]
        if len(places) > 1:
            raise PlanError(f"{what} has {len(places)} places", where=where, accepted="one tier.alloc")
        if not places:
            if not any(root(each) == value for each in _returned(self.function)):
                raise PlanError(f"{what} has no place", where=where, accepted="tier.alloc, or returned")
            return
        tier, start, size = (
            string(places[0], "tier"),
            integer(places[0], "offset"),
            integer(places[0], "bytes"),
        )
        need = stored_bytes(value, integer(self.function, FLOAT_BYTES))
        if size < need:
            raise PlanError(f"{what} needs {need} bytes, not {size}", where=where)
        if tier not in self.rooms:
            raise PlanError(f"no tier {tier!r}", where=where, accepted=", ".join(self.rooms))
        if start % self.rooms[tier].alignment:
            accepted = f"multiples of {self.rooms[tier].alignment}"
            raise PlanError(f"{what} starts at {start}", where=where, accepted=accepted)
        self.held[value] = _Held(what, tier, start, start + size, at, at)

    def _ends(self) -> None:
        where = self.function.name.value
        if self.tokens:
            raise PlanError(f"{len(self.tokens)} copies are never waited for", where=where)
        kept = [
            each.what
            for value, each in self.held.items()
            if each.tier != self.home and value not in self.dropped
        ]
        if kept:
            raise PlanError(
                f"{kept[0]} is never dropped", where=where, accepted="tier.drop after its last use"
            )

    def _with_caller(self, tier: str) -> int:
        """Bytes of arguments that are read, and of results, that lie in a tier."""
        results = {root(value) for value in _returned(self.function)}
        there = {value for value in self.lies if list(value.uses)} | results
        float_bytes = integer(self.function, FLOAT_BYTES)
        return sum(
            stored_bytes(value, float_bytes)
            for value in there
            if value not in self.held and self._tier(value) == tier
        )

    def _places(self) -> None:
        where = self.function.name.value
        frames = {each.name: ir.IntegerAttr(each.attr).value for each in _frames(self.function)}
        for tier, size in frames.items():
            room = self.rooms[tier].capacity if tier in self.rooms else 0
            beside = self._with_caller(tier)
            if room is not None and size + beside > room:
                said = f"a frame of {size} bytes in {tier} beside {beside} of arguments and results"
                raise PlanError(said, where=where, accepted=f"{room - beside} or less")
        for one in self.held.values():
            if one.end > frames.get(one.tier, 0):
                accepted = f"{frames.get(one.tier, 0)} or less"
                raise PlanError(
                    f"{one.what} ends at byte {one.end} of {one.tier}", where=where, accepted=accepted
                )
        order = sorted(self.held.values(), key=lambda each: each.born)
        for number, one in enumerate(order):
            for two in order[number + 1 :]:
                if two.born > one.last:
                    break
                if one.tier == two.tier and one.start < two.end and two.start < one.end:
                    raise PlanError(
                        f"{two.what} overlaps {one.what}: bytes [{two.start}, {two.end}) and "
                        f"[{one.start}, {one.end}) of {one.tier}",
                        where=where,
                    )


def lie_at_home(function: func.FuncOp) -> None:
    """Forget that arguments of a function lie in other tiers."""
    tables = arguments(function)
    if any(LIES in table for table in tables):
        kept = [{each.name: each.attr for each in table if each.name != LIES} for table in tables]
        function.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(each) for each in kept])


def _returned(function: func.FuncOp) -> list[ir.Value]:
    return list(list(body(function))[-1].operands)


def _frames(function: func.FuncOp) -> Iterator[ir.NamedAttribute]:
    table = ir.DictAttr(function.attributes[FRAMES])
    for at in range(len(table)):
        yield table[at]
