"""Identical layers found by structure: same ops, shapes, numbers and wiring, not just similar names.

The calls of modules (``nn_module_stack``) propose segments of the graph, outermost first; segments with
equal structure are raised once and called with their own parameters.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from .nodes import Graph, op_name

# A segment worth a function of its own holds at least this many products of tensors.
_LEAST_CONTRACTIONS = 2
_CONTRACTIONS = (
    "aten.linear", "aten.matmul", "aten.mm", "aten.bmm", "aten.addmm", "aten.baddbmm", "aten.einsum",
    "aten.conv", "aten.scaled_dot_product_attention",
)  # fmt: skip


@dataclass(frozen=True)
class Instance:
    """One call of a layer.

    Attributes:
        label: path of the module, ``encoder.layer.3``.
        nodes: its nodes, in order.
        externals: nodes from outside that it reads, in order of first use.
    """

    label: str
    nodes: tuple[fx.Node, ...]
    externals: tuple[fx.Node, ...]


@dataclass(frozen=True)
class Layer:
    """Instances of one structure.

    Attributes:
        name: what they have in common, ``encoder_layer``.
        instances: in order; the first stands for all.
        outputs: positions in `nodes` of the values that some instance's surroundings read.
    """

    name: str
    instances: tuple[Instance, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class _Call:
    """A module's call as a span of node positions."""

    keys: tuple[str, ...]
    label: str
    first: int
    last: int


def find_layers(graph: Graph) -> list[Layer]:
    """Layers with at least two instances, none inside another."""
    stacks = [_stack(node) for node in graph.nodes]
    layers: list[Layer] = []
    taken: set[str] = set()
    spans = [(0, len(graph.nodes))]
    depth = 1
    while spans:
        alike: dict[object, list[Instance]] = defaultdict(list)
        calls = [call for first, last in spans for call in _calls(stacks, depth, first, last)]
        keys: dict[_Call, object] = {}
        for call in calls:
            nodes = tuple(graph.nodes[call.first : call.last])
            if sum(op_name(node).startswith(_CONTRACTIONS) for node in nodes) >= _LEAST_CONTRACTIONS:
                keys[call], externals = _structure(graph, nodes)
                alike[keys[call]].append(Instance(call.label, nodes, externals))
        shared = {key for key, instances in alike.items() if len(instances) > 1}
        layers += [_layer(alike[key], graph, taken) for key in alike if key in shared]
        spans = [(call.first, call.last) for call in calls if keys.get(call) not in shared]
        depth += 1
    return layers


def _stack(node: fx.Node) -> tuple[tuple[str, str], ...]:
    """(key, path) of the module calls around a node; the key tells repeated calls of one module apart."""
    if op_name(node) == "getitem" and isinstance(node.args[0], fx.Node):
        return _stack(node.args[0])
    stack = node.meta.get("nn_module_stack") or {}
    return tuple((key, entry[0] + _again(key)) for key, entry in stack.items())


def _again(key: str) -> str:
    found = re.search(r"@\d+$", key)
    return found.group() if found else ""


def _calls(
    stacks: Sequence[tuple[tuple[str, str], ...]], depth: int, first: int, last: int
) -> Iterator[_Call]:
    """Calls at a depth whose nodes lie together inside a span."""
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in range(first, last):
        if len(stacks[place]) > depth:
            places[tuple(key for key, _ in stacks[place][: depth + 1])].append(place)
    for keys, found in places.items():
        if found[-1] - found[0] + 1 == len(found):
            yield _Call(keys, stacks[found[0]][depth][1], found[0], found[-1] + 1)


def _structure(graph: Graph, nodes: tuple[fx.Node, ...]) -> tuple[object, tuple[fx.Node, ...]]:
    """What two segments must share to be one function, and the nodes read from outside."""
    inside = {node: place for place, node in enumerate(nodes)}
    outside: dict[fx.Node, int] = {}

    def described(argument: object) -> object:
        if isinstance(argument, fx.Node):
            if argument in inside:
                return ("node", inside[argument])
            if argument in graph.literals:
                return ("literal", repr(graph.literals[argument]))
            place = outside.setdefault(argument, len(outside))
            kind = "param" if argument in graph.params else "value"
            return (kind, place, _types(argument))
        if isinstance(argument, list | tuple):
            return tuple(described(each) for each in argument)
        if isinstance(argument, dict):
            return tuple((key, described(each)) for key, each in sorted(argument.items()))
        return repr(argument)

    rows = tuple(
        (op_name(node), described(node.args), described(node.kwargs), _types(node)) for node in nodes
    )
    return rows, tuple(outside)


def _types(node: fx.Node) -> tuple[tuple[str, tuple[object, ...]], ...]:
    value = node.meta.get("val")
    values = value if isinstance(value, tuple | list) else (value,)
    return tuple((str(each.dtype), tuple(each.shape)) for each in values if isinstance(each, torch.Tensor))


def _layer(instances: list[Instance], graph: Graph, taken: set[str]) -> Layer:
    stem = re.sub(r"(\.\d+)?(@\d+)?$", "", instances[0].label) or "layer"
    wanted = re.sub(r"\W+", "_", stem)
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    taken.add(name)
    returned = {node for _, node in graph.outputs} | set(graph.updates.values())
    used: set[int] = set()
    for instance in instances:
        own = set(instance.nodes)
        for place, node in enumerate(instance.nodes):
            if node in returned or any(user not in own for user in node.users if user.op != "output"):
                used.add(place)
    return Layer(name, tuple(instances), tuple(sorted(used)))
