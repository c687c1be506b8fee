"""A function of Einsums as a graph to stream through: who reads whom tile by tile, and who needs all of it.

A tile is a slice of one rank, the tokens. It is followed from the inputs: an Einsum whose result has the rank
works tile by tile; operands that do not are needed whole, weights for instance, or the keys of attention,
whose rank is another one. A function that makes a causal mask, by comparing coordinates, is taken to apply
it: then a query needs the keys before it only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...ir.build import EinsumView, is_einsum
from ...ir.cascade import shape_of
from ...ir.einsum import Access, Coord, Einsum
from ...ir.entries import RANKS, arguments, is_param
from ...ir.errors import PassError
from ...ir.mlir import func, ir
from ...ir.steps import RETURN, VIEWS, body, functions, root
from ...ir.targets import Target
from ...ir.tier_moves import stored_bytes
from ...sim.cost.module import operations_of
from ...sim.cost.roofline import FREE
from ...sim.cost.streaming import Graph, How, Operator, Use

FLOAT, FLOAT_BYTES = "bf16", 2
"""What floats are stored and computed in, as on accelerators of this kind."""
ANYWHERE = -1
"""Axis of what is made from coordinates: a slice along any axis can be made when it is needed."""
CAUSAL: Mapping[str, tuple[int, int]] = {"le": (1, 0), "lt": (1, 0), "ge": (0, 1), "gt": (0, 1)}
"""Comparison of coordinates → which operand is the query, and which the key."""


def graphs(module: ir.Module, target: Target) -> tuple[dict[str, Graph], dict[str, str]]:
    """Every function of Einsums and views, and for the others the operation that keeps them out.

    Raises:
        TargetError: the target does not perform an operator.
        PassError: no function is of Einsums alone.
    """
    found, left = {}, {}
    for name, function in functions(module).items():
        odd = next(
            (op.name for op in body(function) if not (is_einsum(op) or op.name in (*VIEWS, RETURN))), None
        )
        if odd is None and any(is_einsum(op) for op in body(function)):
            found[name] = _Reader(function, target).graph()
        elif odd is not None:
            left[name] = odd
    if not found:
        said = ", ".join(f"{name} has {odd}" for name, odd in left.items()) or "there is no Einsum"
        raise PassError(
            f"no function to stream: {said}", accepted="a module after relabel,simplify with a layer in it"
        )
    return found, left


@dataclass
class _Reader:
    function: func.FuncOp
    target: Target
    axis: dict[ir.Value, int | None] = field(default_factory=dict)
    number: dict[ir.Value, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    length: int = 1
    operations: float = 0.0

    def graph(self) -> Graph:
        self._arguments()
        self.causal = {
            pair for op in body(self.function) if is_einsum(op) for pair in _mask(EinsumView.of(op))
        }
        operators, returned = [], []
        for op in body(self.function):
            if is_einsum(op):
                operators.append(self._operator(EinsumView.of(op)))
            elif op.name == RETURN:
                returned = [self._tensor(root(value)) for value in op.operands]
            else:
                self.axis[op.results[0]] = _seen_through(op, self.axis.get(op.operands[0]))
        return Graph(
            self.function.name.value,
            tuple(operators),
            tuple(self.names),
            tuple(self.sizes),
            frozenset(returned),
            self.length,
            self.operations,
        )

    def _arguments(self) -> None:
        """The streamed axis of each input: its ragged one, or the first of more than one where none is."""
        inputs = []
        for value, table in zip(self.function.arguments, arguments(self.function), strict=True):
            if is_param(table):
                continue
            ragged = (
                [ir.StringAttr(rank).value for rank in ir.ArrayAttr(table[RANKS])] if RANKS in table else []
            )
            named = next((at for at, rank in enumerate(ragged) if rank), None)
            wide = next((at for at, extent in enumerate(shape_of(value)) if extent > 1), None)
            inputs.append((value, wide if named is None else named, named is not None))
        known = [each for each in inputs if each[2]] or inputs[:1]
        for value, axis, _ in known:
            self.axis[value] = axis
            if axis is not None:
                self.length = max(self.length, shape_of(value)[axis])

    def _tensor(self, value: ir.Value, name: str | None = None) -> int:
        if value not in self.number:
            self.number[value] = len(self.names)
            self.names.append(name or f"tensor{len(self.names)}")
            self.sizes.append(stored_bytes(value, FLOAT_BYTES))
        return self.number[value]

    def _operator(self, view: EinsumView) -> Operator:
        einsum, output = view.einsum, view.einsum.output
        streamed = self._streamed(view)
        uses: dict[int, How] = {}
        for access, value in zip(einsum.accesses, view.operands, strict=True):
            how = self._how(access, value, streamed)
            tensor = self._tensor(root(value), access.tensor)
            uses[tensor] = _wider(uses.get(tensor, how), how)
        if streamed is not None:
            self.axis[view.result] = output.plain.index(streamed)
        else:
            free = all(self.axis.get(value) == ANYWHERE for value in view.operands)
            self.axis[view.result] = ANYWHERE if free else None
        result = self._tensor(view.result, output.tensor)
        return Operator(
            output.tensor, self._seconds(view), tuple(Use(*each) for each in uses.items()), result
        )

    def _streamed(self, view: EinsumView) -> str | None:
        """The rank of the result that tiles are slices of; None where it is complete only at the end."""
        for access, value in zip(view.einsum.accesses, view.operands, strict=True):
            axis = self.axis.get(value)
            if axis is None or axis == ANYWHERE:
                continue
            rank = access.plain[axis]
            if rank is not None and rank in view.einsum.output.plain:
                return rank
        return None

    def _how(self, access: Access, value: ir.Value, streamed: str | None) -> How:
        axis = self.axis.get(value)
        if streamed is None:
            return How.TILED if axis not in (None, ANYWHERE) else How.WHOLE
        made_here = not isinstance(root(value).owner, ir.Block)
        if axis == ANYWHERE:
            return How.TILED if streamed in access.plain else How.GROWING  # it is there at once
        if axis is None and not made_here:
            return How.TILED if streamed in access.plain else How.WHOLE
        if axis is None:
            return How.WHOLE
        rank = access.plain[axis]
        if rank == streamed:
            return How.TILED
        return How.GROWING if (streamed, rank) in self.causal else How.WHOLE

    def _seconds(self, view: EinsumView) -> float:
        """Of all operations on one PCU, one class after another."""
        unit = self.target.find_unit("pcu")
        total = 0.0
        for operator, count in operations_of(view.op).items():
            if operator != FREE:
                self.operations += count
                dtype = self.target.nearest_dtype(operator, FLOAT)
                total += count / (self.target.ops_per_s(operator, dtype) / unit.instances)
        return total


def _wider(one: How, other: How) -> How:
    """How a tensor is read that is read in two ways."""
    order = list(How)
    return max(one, other, key=order.index)


def _mask(view: EinsumView) -> list[tuple[str, str]]:
    """The query's and the key's rank where an Einsum compares coordinates as a causal mask does."""
    einsum: Einsum = view.einsum
    coordinates = [each.index.plain if isinstance(each, Coord) else None for each in einsum.operands]
    if einsum.map not in CAUSAL or None in coordinates or len(coordinates) != 2:
        return []
    query, key = (coordinates[at] for at in CAUSAL[einsum.map])
    return [(query, key)] if query and key else []


def _seen_through(op: ir.Operation, axis: int | None) -> int | None:
    """The streamed axis of a view; None where the view merges it with others or splits it."""
    if axis is None or axis == ANYWHERE or "reassociation" not in op.attributes:
        return axis
    groups = [
        [ir.IntegerAttr(number).value for number in ir.ArrayAttr(group)]
        for group in ir.ArrayAttr(op.attributes["reassociation"])
    ]
    if "collapse" in op.name:
        return next((at for at, group in enumerate(groups) if group == [axis]), None)
    return groups[axis][0] if len(groups[axis]) == 1 else None
