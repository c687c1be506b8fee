"""An exported program made ready: live nodes only, parameters known, what depends on them alone worked out.

Folding keeps what a model computes from its own weights out of the running code (sliced position tables,
rotary tables, the scale and shift of batch norm). Plain views of a parameter are left to the compiler.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind

from ..ir.errors import InputError
from .tensor import Number, size_of

# Largest result worked out in advance, in elements, unless it is smaller than what it comes from.
_FOLD_LIMIT = 1 << 22

_VIEWS = frozenset(
    f"aten.{name}"
    for name in (
        "view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "flatten", "unflatten", "transpose", "permute",
        "t", "mT", "alias", "detach", "contiguous", "clone", "lift_fresh_copy", "expand", "expand_as", "to",
    )
)  # fmt: skip

_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._assert_async", "aten._functional_assert", "aten.sym_")

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in')
_TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class Param:
    """A parameter, buffer or constant: its name in the weights and its value."""

    name: str
    value: torch.Tensor


@dataclass
class Graph:
    """A program's nodes.

    Attributes:
        nodes: calls that matter, in order.
        inputs: placeholders of what the caller brings.
        params: placeholder → what the model brings.
        literals: placeholder → number, for constants without dimensions.
        outputs: nodes returned, with the place each had among the program's outputs.
    """

    nodes: list[fx.Node] = field(default_factory=list)
    inputs: list[fx.Node] = field(default_factory=list)
    params: dict[fx.Node, Param] = field(default_factory=dict)
    literals: dict[fx.Node, Number] = field(default_factory=dict)
    outputs: list[tuple[int, fx.Node]] = field(default_factory=list)


def op_name(node: fx.Node) -> str:
    """``aten.add.Tensor``; ``getitem`` for the choice of one of several results."""
    return "getitem" if node.target is operator.getitem else str(node.target)


def node_name(node: fx.Node) -> str:
    """Name of the FX node whose value this node computes; empty for a step inside it."""
    return node.meta.get("penstock.node", node.name)


def source_line(node: fx.Node) -> tuple[str, int] | None:
    """File and line of the call in the model's own code, PyTorch's frames passed over."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    if not frames:
        return None
    own = [frame for frame in frames if not frame[0].startswith(_TORCH)] or frames
    return own[-1][0], int(own[-1][1])


def tensor_nodes(node: fx.Node) -> list[fx.Node]:
    """The nodes a node reads, in order, repeats included."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), lambda each: found.append(each) or each)
    return found


def is_static(node: fx.Node) -> bool:
    """Whether every result is a tensor of known shape."""
    value = node.meta.get("val")
    values = value if isinstance(value, tuple | list) else (value,)
    return all(
        isinstance(each, torch.Tensor) and all(isinstance(extent, int) for extent in each.shape)
        for each in values
        if each is not None
    )


def prepare(program: ExportedProgram) -> Graph:
    """The graph of a functional program (no op changes its operands).

    Raises:
        InputError: the program updates its own buffers, or takes objects that are not tensors.
    """
    copied = fx.Graph()
    memo: dict[fx.Node, fx.Node] = {}
    returned = copied.graph_copy(program.graph, memo)
    graph = Graph()
    placeholders = [node for node in copied.nodes if node.op == "placeholder"]
    for spec, node in zip(program.graph_signature.input_specs, placeholders, strict=True):
        _classify(program, graph, spec, node)
    results = returned if isinstance(returned, tuple | list) else (returned,)
    for place, (spec, node) in enumerate(zip(program.graph_signature.output_specs, results, strict=True)):
        if spec.kind == OutputKind.BUFFER_MUTATION:
            raise InputError(
                f"the model changes its buffer '{spec.target}' when called; only functions of the inputs are "
                "compiled",
                accepted="a model in inference mode whose state is an input and an output",
            )
        if spec.kind == OutputKind.USER_OUTPUT and isinstance(node, fx.Node):
            graph.outputs.append((place, node))
    copied.output(tuple(node for _, node in graph.outputs))
    for node in reversed(list(copied.nodes)):
        if node.op == "call_function" and op_name(node).startswith(_CHECKS) and not node.users:
            copied.erase_node(node)
    copied.eliminate_dead_code()
    _fold(copied, graph)
    end = next(node for node in copied.nodes if node.op == "output")
    graph.outputs = [(place, node) for (place, _), node in zip(graph.outputs, end.args[0], strict=True)]  # pyright: ignore
    copied.eliminate_dead_code()
    graph.nodes = [node for node in copied.nodes if node.op == "call_function"]
    return graph


def _classify(program: ExportedProgram, graph: Graph, spec: object, node: fx.Node) -> None:
    kind, target = spec.kind, spec.target  # pyright: ignore[reportAttributeAccessIssue]
    if kind == InputKind.USER_INPUT:
        if not isinstance(spec.arg, ConstantArgument):  # pyright: ignore[reportAttributeAccessIssue]
            if not is_static(node):
                shape = tuple(getattr(node.meta.get("val"), "shape", ()))
                raise InputError(
                    f"input '{node.name}' has a shape that is not fixed: {list(shape)}",
                    accepted="a program exported with fixed shapes; several lengths are several entries",
                )
            graph.inputs.append(node)
        return
    if kind not in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
        raise InputError(f"the model takes '{target}', which is not a tensor")
    value = program.state_dict.get(target)
    if value is None:
        value = program.constants[target]
    assert isinstance(value, torch.Tensor)
    if kind == InputKind.CONSTANT_TENSOR and not value.shape:
        graph.literals[node] = value.item()
    graph.params[node] = Param(target, value.detach())


# -- folding -------------------------------------------------------------------------------------------


@dataclass
class _Folder:
    """Which nodes depend on parameters alone, and their values on demand."""

    graph: Graph
    sources: dict[fx.Node, frozenset[fx.Node]]
    values: dict[fx.Node, object]

    def constant(self, node: fx.Node) -> bool:
        return node in self.sources

    def consider(self, node: fx.Node) -> None:
        """Record the node if it is a function of parameters (and of nothing the caller brings)."""
        if not _pure(node) or not is_static(node):
            return
        read = tensor_nodes(node)
        if all(self.constant(each) for each in read):
            sources = frozenset().union(*(self.sources[each] for each in read))
            known = sum(size_of(self.graph.params[each].value.shape) for each in sources)
            if _elements(node) <= max(known, _FOLD_LIMIT):
                self.sources[node] = sources

    def value(self, node: fx.Node) -> object:
        """The node's value, worked out by PyTorch."""
        if node in self.graph.params:
            return self.graph.params[node].value
        if node not in self.values:
            args, kwargs = fx.map_arg((node.args, node.kwargs), lambda each: self.value(each))
            with torch.no_grad():
                self.values[node] = node.target(*args, **kwargs)  # pyright: ignore
        return self.values[node]

    def plain_view(self, node: fx.Node) -> bool:
        """Whether the node holds the elements of one parameter, as they are."""
        while node not in self.graph.params:
            read = tensor_nodes(node)
            if op_name(node).rpartition(".")[0] not in _VIEWS or len(read) != 1:
                return False
            before, after = read[0].meta.get("val"), node.meta.get("val")
            if not isinstance(before, torch.Tensor) or not isinstance(after, torch.Tensor):
                return False
            if before.numel() != after.numel() or before.dtype != after.dtype:
                return False
            node = read[0]
        return node not in self.graph.literals


def _pure(node: fx.Node) -> bool:
    if node.target is operator.getitem:
        return True
    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or target._schema.is_mutable:
        return False
    return torch.Tag.nondeterministic_seeded not in target.tags and target.namespace in ("aten", "prims")


def _elements(node: fx.Node) -> int:
    value = node.meta["val"]
    values = value if isinstance(value, tuple | list) else (value,)
    return sum(each.numel() for each in values if each is not None)


def _fold(copied: fx.Graph, graph: Graph) -> None:
    folder = _Folder(graph, {node: frozenset((node,)) for node in graph.params}, {})
    for node in copied.nodes:
        if node.op == "call_function":
            folder.consider(node)
    for node in list(copied.nodes):
        if node.op != "call_function":
            continue
        if folder.constant(node):
            needed = any(not folder.constant(user) for user in node.users)
            if needed and folder.sources[node] and isinstance(node.meta["val"], torch.Tensor):
                if not folder.plain_view(node):
                    _replace(copied, graph, folder, node)
        elif op_name(node) == "aten.batch_norm.default":
            _fold_batch_norm(copied, graph, folder, node)


def _replace(copied: fx.Graph, graph: Graph, folder: _Folder, node: fx.Node) -> None:
    value = folder.value(node)
    assert isinstance(value, torch.Tensor)
    roots = [root for root in graph.params if root in folder.sources[node]]
    fresh = _placeholder(copied, graph, node, f"{graph.params[roots[0]].name}:{node.name}", value)
    if not value.shape and all(root in graph.literals for root in roots):
        graph.literals[fresh] = value.item()
    node.replace_all_uses_with(fresh)


def _placeholder(copied: fx.Graph, graph: Graph, node: fx.Node, name: str, value: torch.Tensor) -> fx.Node:
    extents = "x".join(map(str, value.shape))
    first = next(iter(copied.nodes))
    with copied.inserting_before(first):
        fresh = copied.placeholder(f"folded_{node.name}")
    fresh.meta["val"] = value
    graph.params[fresh] = Param(f"{name}[{extents}]", value)
    return fresh


def _fold_batch_norm(copied: fx.Graph, graph: Graph, folder: _Folder, node: fx.Node) -> None:
    """Batch norm in inference is a scale and a shift per channel, both known now (in float64, then rounded)."""
    x, weight, bias, mean, variance, training, _, epsilon, *_ = node.args
    vectors = (weight, bias, mean, variance)
    if training or not all(v is None or (isinstance(v, fx.Node) and folder.constant(v)) for v in vectors):
        return
    if mean is None or variance is None:
        return
    w, b, m, v = (None if each is None else _double(folder.value(each)) for each in vectors)  # pyright: ignore
    assert isinstance(x, fx.Node) and m is not None and v is not None
    scale = torch.rsqrt(v + epsilon) if w is None else w * torch.rsqrt(v + epsilon)  # pyright: ignore
    shift = -m * scale if b is None else b - m * scale
    like = node.meta["val"]
    shape = (like.shape[1], *[1] * (like.dim() - 2))
    name = graph.params[mean].name if mean in graph.params else node.name  # pyright: ignore
    stem = name.rpartition(".")[0] or node.name
    ready = [
        _placeholder(copied, graph, node, f"{stem}:{part}", each.to(like.dtype).reshape(shape))
        for part, each in (("scale", scale), ("shift", shift))
    ]
    with copied.inserting_before(node):
        scaled = copied.call_function(torch.ops.aten.mul.Tensor, (x, ready[0]))
        shifted = copied.call_function(torch.ops.aten.add.Tensor, (scaled, ready[1]))
    for made in (scaled, shifted):
        made.meta = dict(node.meta)
    scaled.meta["penstock.node"] = ""
    shifted.meta["penstock.node"] = node_name(node)
    node.replace_all_uses_with(shifted)
    copied.erase_node(node)


def _double(value: object) -> torch.Tensor:
    assert isinstance(value, torch.Tensor)
    return value.to(torch.float64)


def bound_arguments(
    target: torch._ops.OpOverload, args: Sequence[object], kwargs: dict[str, object]
) -> tuple[list[object], dict[str, object]]:
    """Positional arguments filled up with the schema's defaults; keyword-only ones that say something."""
    positional = list(args)
    named = dict(kwargs)
    listed = [argument for argument in target._schema.arguments if not argument.kwarg_only]
    for argument in listed[len(positional) :]:
        positional.append(named.pop(argument.name, argument.default_value))
    ignored = ("layout", "device", "pin_memory", "memory_format", "non_blocking", "generator", "copy")
    return positional, {
        key: value for key, value in named.items() if key not in ignored and value is not None
    }
