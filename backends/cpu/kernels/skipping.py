"""Generations that change nothing, and the loop bounds that leave them out.

Where a mask hides every point of a tile from a generation, its scores are -inf, their maximum is no news,
their exponentials are 0, and every carried value stays what it was. That is proved here on the Einsums of
the body; the mask's affine conditions then give the first and last generation worth computing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ....ir.einsum import Access, Index, Literal
from .access import Places
from .frame import Frame
from .group import Group, Iteration, Step, Tensor
from .masks import All, Atom, Formula, Read, Reads, hidden
from .text import Linear, Writer

_KEPT, _ONE = "kept", "one"
_FAR = 60  # 2^60 is farther than any coordinate, and a few of it add up in an index
State = float | str | tuple[str, Tensor] | None
"""A number, a factor that changes nothing, the value a carried tensor had before, or not known."""


@dataclass(frozen=True)
class Live:
    """Which points of an iteration matter: those where `formula` holds, as the scores `masked` say.

    `reads` are the numbers the formula names that are known when the kernel runs.
    """

    masked: Step
    formula: Formula
    reads: Mapping[str, Read]


def live_points(group: Group, node: Iteration) -> Live | None:
    """What must hold at some point for a generation to change anything; None where that is not known."""
    outside = {other.output for other in group.nodes if isinstance(other, Step)}
    carried = {step.output for step in node.body} & outside
    reads: Reads = {}
    for step, formula in hidden(node.body, reads):
        if _changes_nothing(node.body, step, carried):
            return Live(step, formula, reads)
    return None


def _changes_nothing(body: Iterable[Step], masked: Step, carried: set[Tensor]) -> bool:
    """Whether every carried tensor keeps its value when all of `masked` is -inf.

    Where the running maximum itself is still -inf, its correction is 0 and not 1, but so are the sums it
    is a factor of.
    """
    states: dict[Tensor, State] = {tensor: (_KEPT, tensor) for tensor in carried}
    for step in body:
        states[step.output] = -math.inf if step is masked else _state(step, states)
    return all(states[tensor] == (_KEPT, tensor) for tensor in carried)


def _state(step: Step, states: Mapping[Tensor, State]) -> State:
    tensors = iter(step.inputs)
    operands: list[State] = []
    for operand in step.einsum.operands:
        if isinstance(operand, Literal):
            operands.append(float(operand.value))
        elif isinstance(operand, Access):
            state = states.get(next(tensors))
            moved = isinstance(state, tuple) and operand.index != step.einsum.output.index
            operands.append(None if moved else state)
        else:
            operands.append(None)
    value = _applied(step.einsum.map, operands)
    unit = {None: value, "sum": 0.0, "max": -math.inf}.get(step.einsum.reduce)
    return value if value is not None and value == unit else None


def _applied(operator: str, operands: list[State]) -> State:
    a, b = (operands * 2)[:2]
    if operator in ("id", "to_float"):
        return a
    if operator == "exp_sub_left":
        if a == -math.inf:
            return 0.0
        return _ONE if isinstance(a, tuple) and a == b else None
    units: dict[str, State] = {"max": -math.inf, "add": 0.0, "mul": _ONE}
    if operator == "mul" and 0.0 in (a, b):
        return 0.0
    if operator in units:
        return b if a == units[operator] else a if b == units[operator] else None
    return None


class Spans:
    """Writes the range of generations in which something of an iteration is live at some point of a tile.

    Args:
        frame: where the tile is.
        node: the iteration.
        live: its points that matter.
    """

    def __init__(self, frame: Frame, node: Iteration, live: Live) -> None:
        self.frame, self.node, self.live = frame, node, live
        self.writer: Writer = frame.writer

    def written(self) -> tuple[str, str]:
        """First generation worth computing, and the one behind the last."""
        return self._somewhere(self.live.formula)

    def _somewhere(self, formula: Formula) -> tuple[str, str]:
        """First generation and the one behind the last in which it holds at some point of the tile."""
        if isinstance(formula, Atom):
            return self._atom(formula.index)
        low, high = ("maxui", "minui") if isinstance(formula, All) else ("minui", "maxui")
        none, all_ = self.writer.number(0), self.writer.number(self.node.generations)
        first, end = (none, all_) if isinstance(formula, All) else (all_, none)
        for number, part in enumerate(formula.parts):
            begins, ends = self._somewhere(part)
            first = begins if number == 0 else self._of(low, first, begins)
            end = ends if number == 0 else self._of(high, end, ends)
        return first, end

    def _number(self, read: Read, largest: bool) -> str | None:
        """The largest or the smallest of a tensor's elements in the tile, kept from overflowing in sums.

        None where it has elements of its own in every generation, or is read where it has none.
        """
        frame, writer, kind = self.frame, self.writer, read.tensor.element
        ranks = [r for r in read.access.ranks if r not in frame.fixed and frame.extent(read.step, r) > 1]
        stream = frame.stream(read.step, read.access, read.tensor, ranks)
        if self.node.rank in read.access.ranks or stream.guards:
            return None

        def walk(ranks: Sequence[str], places: Places, found: list[str]) -> list[str]:
            if not ranks:
                at = writer.index(stream.at(places))
                element = writer.op("at", f"memref.load {stream.buffer.name}[{at}] : {stream.buffer.kind}")
                text = f"arith.{'maxsi' if largest else 'minsi'} {element}, {found[0]} : {kind}"
                return [writer.op("bound", text)]
            carried = [(found[0], kind)]
            extent = frame.extent(read.step, ranks[0])
            return writer.fold(
                ranks[0], extent, 1, carried,
                lambda place, names: walk(ranks[1:], {**places, ranks[0]: place}, names),
            )  # fmt: skip

        beyond = 1 << (_FAR if kind == "i64" else 30)
        (found,) = walk(ranks, {}, [writer.constant(f"{-beyond if largest else beyond} : {kind}", "far")])
        found = writer.op("bound", f"arith.index_cast {found} : {kind} to index")
        if largest:
            return self._of("minsi", found, writer.number(1 << _FAR))
        return self._of("maxsi", found, writer.number(-1 << _FAR))

    def _of(self, operation: str, a: str, b: str) -> str:
        return self.writer.pure("bound", f"arith.{operation} {a}, {b} : index")

    def _atom(self, index: Index) -> tuple[str, str]:
        """Where step·generation + rest <= 0, with the least rest of the tile."""
        step, rest = 0, Linear((), index.const)
        number, writer = self.writer.number, self.writer
        all_ = number(self.node.generations)
        for rank, coeff in index.terms:
            if rank == self.node.rank:
                step += coeff
                continue
            if rank in self.live.reads:
                found = self._number(self.live.reads[rank], largest=coeff < 0)
                if found is None:
                    return number(0), all_
                rest = rest + Linear.of(found) * coeff
                continue
            rest = rest + self.frame.coordinate(rank) * coeff
            if rank not in self.frame.fixed:
                size = self.frame.extent(self.live.masked, rank)
                rest = rest + min(0, coeff * (size - 1))
        if step == 0:
            holds = writer.pure("holds", f"arith.cmpi sle, {writer.index(rest)}, {number(0)} : index")
            end = writer.pure("bound", f"arith.select {holds}, {all_}, {number(0)} : index")
            return number(0), end
        # Up to floor(-rest / step), or from ceil(rest / -step) on; numerators are kept from being negative.
        top = rest * -1 + step if step > 0 else rest + (-step - 1)
        top_name = self._of("maxsi", writer.index(top), number(0))
        place = self._of("divui", top_name, number(abs(step)))
        if step > 0:
            return number(0), self._of("minui", place, all_)
        return self._of("minui", place, all_), all_
