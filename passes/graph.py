"""A function body as a graph of Einsums, views and everything else, which passes rewrite and write back.

Tensors have names that are unique in the function, and the notation of every Einsum uses them, so a
list of nodes reads as a cascade. What is neither an Einsum nor a view is kept as the op it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..ir.build import EinsumView, build_einsum, is_einsum, string, tensor_type
from ..ir.cascade import shape_of
from ..ir.einsum import Access, Einsum
from ..ir.errors import NotationError
from ..ir.mlir import func, ir

NODE = "penstock.node"
UPSTREAM = "penstock.upstream"
EXPAND, COLLAPSE = "tensor.expand_shape", "tensor.collapse_shape"

Groups = tuple[tuple[int, ...], ...]


@dataclass(eq=False)
class Tensor:
    """A tensor value: name, static shape, element type as text, and its value in the module if it has one.

    `stem` is the name before it was made unique in the function.
    """

    name: str
    shape: tuple[int, ...]
    element: str
    value: ir.Value | None = None
    stem: str = ""

    def __repr__(self) -> str:
        return f"{self.name}:{'x'.join(map(str, self.shape))}x{self.element}"


@dataclass(eq=False)
class Node:
    """One step of a function.

    Exactly one of four kinds: an Einsum (`einsum`), a view (`view` holds the reassociation and
    `expands` its direction), an op kept as it is (`op`), or a group (`build` makes its op).

    Attributes:
        operands: tensors read; for an Einsum one per access in order.
        results: tensors written.
        positions: for a kept op, the operand number of each tensor in `operands`.
        fx: the model's node whose value this computes, or None.
        location: where in the model it came from.
    """

    operands: list[Tensor]
    results: list[Tensor]
    einsum: Einsum | None = None
    view: Groups | None = None
    expands: bool = False
    op: ir.Operation | None = None
    build: Callable[[list[ir.Value]], Sequence[ir.Value]] | None = None
    positions: tuple[int, ...] = ()
    fx: str | None = None
    location: ir.Location | None = None

    @property
    def result(self) -> Tensor:
        """The only result."""
        return self.results[0]

    @property
    def notation(self) -> Einsum:
        """The Einsum, for nodes known to be one."""
        if self.einsum is None:
            raise NotationError("not an Einsum", where=str(self.op.name if self.op else "view"))
        return self.einsum

    @property
    def pointwise(self) -> bool:
        """Whether it is an Einsum without a reduction."""
        return self.einsum is not None and self.einsum.reduce is None

    def __repr__(self) -> str:
        if self.einsum is not None:
            return str(self.einsum)
        kind = "view" if self.view is not None else self.op.name if self.op is not None else "?"
        return f"{self.results} = {kind}({self.operands})"


@dataclass(frozen=True)
class Links:
    """Who writes and who reads each tensor, as a graph stood when asked.

    Attributes:
        nodes: its nodes.
        producers: tensor → the node that writes it (arguments have none).
        consumers: tensor → the nodes that read it, each once, in order.
    """

    nodes: frozenset[Node]
    producers: dict[Tensor, Node]
    consumers: dict[Tensor, list[Node]]

    def readers(self, tensor: Tensor) -> list[Node]:
        """The nodes that read a tensor."""
        return self.consumers.get(tensor, [])


@dataclass
class Graph:
    """The body of one function: nodes in an order that respects dependencies; the last one returns."""

    function: func.FuncOp
    nodes: list[Node] = field(default_factory=list)
    arguments: list[Tensor] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    sources: list[tuple[ir.Operation, Node]] = field(default_factory=list)

    def fresh(self, wanted: str) -> str:
        """A tensor name not yet used, close to the one wanted."""
        stem = _clean(wanted)
        name, count = stem, 1
        while name in self.names:
            count += 1
            name = f"{stem}_{count}"
        self.names.add(name)
        return name

    def tensor(self, wanted: str, shape: Sequence[int], element: str) -> Tensor:
        """A new tensor with a fresh name."""
        return Tensor(self.fresh(wanted), tuple(shape), element, stem=_clean(wanted))

    def links(self) -> Links:
        """Who writes and who reads each tensor now."""
        return Links(frozenset(self.nodes), self.producers(), self.consumers())

    def producers(self) -> dict[Tensor, Node]:
        """Tensor → the node that writes it (arguments have none)."""
        return {result: node for node in self.nodes for result in node.results}

    def consumers(self) -> dict[Tensor, list[Node]]:
        """Tensor → the nodes that read it, each once, in order."""
        found: dict[Tensor, list[Node]] = {}
        for node in self.nodes:
            for operand in dict.fromkeys(node.operands):
                found.setdefault(operand, []).append(node)
        return found

    def sort(self) -> None:
        """Put the nodes in an order that respects dependencies, as near to the present one as possible."""
        producers = self.producers()
        done: set[Node] = set()
        order: list[Node] = []

        def place(start: Node) -> None:
            stack = [(start, iter(start.operands))]
            opened = {start}
            while stack:
                node, operands = stack[-1]
                for tensor in operands:
                    before = producers.get(tensor)
                    if before is None or before in done:
                        continue
                    if before in opened:
                        raise NotationError("a cycle between groups", where=repr(before))
                    opened.add(before)
                    stack.append((before, iter(before.operands)))
                    break
                else:
                    stack.pop()
                    if node not in done:
                        done.add(node)
                        order.append(node)

        for node in self.nodes:
            if node not in done:
                place(node)
        self.nodes = order

    def drop_dead(self) -> bool:
        """Remove Einsums and views that nobody reads; whether there were any."""
        before = len(self.nodes)
        while True:
            used = {tensor for node in self.nodes for tensor in node.operands}
            alive = [n for n in self.nodes if n.op is not None or n.build is not None or n.result in used]
            if len(alive) == len(self.nodes):
                return len(alive) != before
            self.nodes = alive

    def replace(self, old: Tensor, new: Tensor) -> None:
        """Let everybody who reads `old` read `new`, which has the same shape."""
        for node in self.nodes:
            if old in node.operands:
                node.operands = [new if operand is old else operand for operand in node.operands]
                relabel_operands(node)


def _clean(wanted: str) -> str:
    stem = re.sub(r"[^\w]", "_", wanted) or "T"
    return stem if not stem[0].isdigit() else f"T{stem}"


def einsum_node(
    einsum: Einsum,
    operands: Iterable[Tensor],
    result: Tensor,
    like: Node | None = None,
    fx: str | None = None,
) -> Node:
    """An Einsum node with tensor names put into its notation; `like` lends its source location."""
    node = Node(list(operands), [result], einsum, fx=fx, location=like.location if like else None)
    relabel_operands(node)
    return node


def relabel_operands(node: Node) -> None:
    """Put the names of a node's tensors into its notation."""
    if node.einsum is not None:
        node.einsum = node.einsum.with_tensors(node.result.name, [tensor.name for tensor in node.operands])


def functions(module: ir.Module) -> list[func.FuncOp]:
    """The model's functions: those with a body that is not upstream code."""
    found = []
    for op in module.body.operations:
        if isinstance(op, func.FuncOp) and not op.is_external and UPSTREAM not in op.attributes:
            found.append(op)
    return found


def load(function: func.FuncOp) -> Graph:
    """Read a function's body.

    Raises:
        NotationError: the body has several blocks.
    """
    if len(function.body.blocks) != 1:
        raise NotationError("a function with one block is needed", where=function.name.value)
    return _Loader(Graph(function)).load()


class _Loader:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: dict[ir.Value, Tensor] = {}

    def load(self) -> Graph:
        block = self.graph.function.body.blocks[0]
        self.graph.arguments = [self.argument(number, value) for number, value in enumerate(block.arguments)]
        for op in block.operations:
            node = self.node(op.operation)
            self.graph.nodes.append(node)
            self.graph.sources.append((op.operation, node))
        return self.graph

    def argument(self, number: int, value: ir.Value) -> Tensor:
        return self.new(value, _short(_argument_name(self.graph.function, number)))

    def new(self, value: ir.Value, wanted: str) -> Tensor:
        shape, element = (), str(value.type)
        if isinstance(value.type, ir.RankedTensorType):
            shape, element = shape_of(value), str(value.type.element_type)
        tensor = self.graph.tensor(wanted, shape, element)
        tensor.value = value
        self.tensors[value] = tensor
        return tensor

    def node(self, op: ir.Operation) -> Node:
        operands = [self.tensors[value] for value in op.operands]
        fx = string(op, NODE) if NODE in op.attributes else None
        common = {"fx": fx, "location": op.location}
        if is_einsum(op):
            view = EinsumView.of(op)
            stem = re.sub(r"_\d+$", "", view.einsum.output.tensor)
            node = Node(operands, [self.new(view.result, stem)], view.einsum, **common)
            relabel_operands(node)
            return node
        if op.name in (EXPAND, COLLAPSE):
            groups = tuple(
                tuple(ir.IntegerAttr(number).value for number in ir.ArrayAttr(group))
                for group in ir.ArrayAttr(op.attributes["reassociation"])
            )
            result = self.new(op.results[0], operands[0].stem)
            return Node(operands, [result], view=groups, expands=op.name == EXPAND, **common)
        results = [self.new(value, "T") for value in op.results]
        return Node(operands, results, op=op, positions=tuple(range(len(operands))), **common)


def _argument_name(function: func.FuncOp, number: int) -> str:
    name = "penstock.name"
    if "arg_attrs" in function.attributes:
        given = ir.DictAttr(ir.ArrayAttr(function.attributes["arg_attrs"])[number])
        if name in given:
            return ir.StringAttr(given[name]).value
    return f"arg{number}"


def _short(name: str) -> str:
    """``encoder.layer.3.query.weight`` → ``query_weight``: enough to know it by in a cascade."""
    parts = [part for part in name.split(".") if not part.isdigit()]
    return "_".join(parts[-2:]) if parts else "T"


def store(graph: Graph) -> None:
    """Write the graph back as the function's body, tensors named afresh by their stems."""
    _rename(graph)
    end = graph.sources[-1][0]
    values = {tensor: _value(tensor) for tensor in graph.arguments}
    with ir.InsertionPoint(end), ir.Location.unknown(end.context):
        for node in graph.nodes:
            if node.op is not None:
                _place(node, values, end)
            elif node.build is not None:
                made = node.build([values[tensor] for tensor in node.operands])
                values.update(zip(node.results, made, strict=True))
            else:
                values[node.result] = _build(node, values)
    kept = {id(node) for node in graph.nodes if node.op is not None}
    for op, node in reversed(graph.sources):
        if id(node) not in kept:
            op.erase()


def _rename(graph: Graph) -> None:
    graph.names.clear()
    tensors = [*graph.arguments, *(result for node in graph.nodes for result in node.results)]
    for tensor in tensors:
        tensor.name = graph.fresh(tensor.stem)
    for node in graph.nodes:
        relabel_operands(node)


def _value(tensor: Tensor) -> ir.Value:
    if tensor.value is None:
        raise NotationError(f"{tensor.name} has no value in the module")
    return tensor.value


def _place(node: Node, values: dict[Tensor, ir.Value], end: ir.Operation) -> None:
    op = node.op
    if op is None:
        return
    if op != end:
        op.move_before(end)
    for position, tensor in zip(node.positions, node.operands, strict=True):
        op.operands[position] = values[tensor]
    if NODE in op.attributes and node.fx is None:
        del op.attributes[NODE]
    for result in node.results:
        values[result] = _value(result)


def _build(node: Node, values: dict[Tensor, ir.Value]) -> ir.Value:
    operands = [values[tensor] for tensor in node.operands]
    if node.einsum is not None:
        value = build_einsum(
            node.einsum,
            operands,
            shape=node.result.shape,
            element=node.result.element,
            location=node.location,
        )
    else:
        value = build_view(operands[0], node.view or (), node.result.shape, node.expands, node.location)
    if node.fx is not None:
        value.owner.attributes[NODE] = ir.StringAttr.get(node.fx)
    return value


def build_view(
    value: ir.Value, groups: Groups, shape: Sequence[int], expands: bool, location: ir.Location | None = None
) -> ir.Value:
    """Build ``tensor.expand_shape`` or ``tensor.collapse_shape`` at the current insertion point."""
    attributes = {"reassociation": ir.Attribute.parse(str([list(group) for group in groups]))}
    if expands:
        static = ", ".join(map(str, shape))
        attributes["static_output_shape"] = ir.Attribute.parse(f"array<i64: {static}>")
    kind = tensor_type(shape, ir.RankedTensorType(value.type).element_type)
    name = EXPAND if expands else COLLAPSE
    return ir.Operation.create(name, [kind], [value], attributes, loc=location).results[0]


def substitute_access(einsum: Einsum, place: int, access: Access) -> Einsum:
    """The Einsum with its access number `place` replaced."""
    operands, number = [], 0
    for operand in einsum.operands:
        if isinstance(operand, Access):
            operands.append(access if number == place else operand)
            number += 1
        else:
            operands.append(operand)
    return replace(einsum, operands=tuple(operands))
