"""What a model computes from its own parameters alone, worked out in advance.

Sliced position tables, rotary tables, the scale and shift of batch norm: they become parameters themselves.
Plain views of a parameter are left to the compiler.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch import fx

from .nodes import Graph, Param, is_static, node_name, op_name, resolved, tensor_nodes
from .tensor import size_of

# Largest result worked out in advance, in elements, unless it is smaller than what it comes from.
_FOLD_LIMIT = 1 << 22

_VIEWS = frozenset(
    f"aten.{name}"
    for name in (
        "view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "flatten", "unflatten", "transpose",
        "permute", "t", "mT", "alias", "detach", "contiguous", "clone", "lift_fresh_copy", "expand",
        "expand_as", "to",
    )
)  # fmt: skip


# Batch norms in inference: the places of their arguments `training` (None: never) and `epsilon`.
_BATCH_NORMS: dict[str, tuple[int | None, int]] = {
    "aten.batch_norm.default": (5, 7),
    "aten._native_batch_norm_legit_no_training.default": (None, 6),
}


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
            args = [resolved(each, self.value) for each in node.args]
            kwargs = {key: resolved(each, self.value) for key, each in node.kwargs.items()}
            with torch.no_grad():
                self.values[node] = node.target(*args, **kwargs)  # pyright: ignore
        return self.values[node]

    def vector(self, node: object) -> torch.Tensor | None:
        """The value of a node in float64, if it is constant."""
        value = self.value(node) if isinstance(node, fx.Node) and self.constant(node) else None
        return value.to(torch.float64) if isinstance(value, torch.Tensor) else None

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


def fold(copied: fx.Graph, graph: Graph) -> None:
    """Replace in the graph what depends on parameters alone by parameters.

    Args:
        copied: changed in place.
        graph: its parameters are added to.
    """
    folder = _Folder(graph, {node: frozenset((node,)) for node in graph.params}, {})
    for node in copied.nodes:
        if node.op == "call_function":
            folder.consider(node)
    for node in list(copied.nodes):
        if node.op != "call_function":
            continue
        if folder.constant(node):
            if _worth_folding(folder, node):
                _replace(copied, graph, folder, node)
        elif op_name(node) in _BATCH_NORMS:
            _fold_batch_norm(copied, graph, folder, node)


def _worth_folding(folder: _Folder, node: fx.Node) -> bool:
    needed = any(not folder.constant(user) for user in node.users)
    single = isinstance(node.meta["val"], torch.Tensor)
    return needed and single and bool(folder.sources[node]) and not folder.plain_view(node)


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
    """Batch norm in inference is a scale and a shift per channel, known now (in float64, then rounded)."""
    x, weight, bias, mean, variance, *_ = node.args
    places = _BATCH_NORMS[op_name(node)]
    training = places[0] is not None and node.args[places[0]]
    epsilon = node.args[places[1]]
    m, v = folder.vector(mean), folder.vector(variance)
    w, b = folder.vector(weight), folder.vector(bias)
    if training or m is None or v is None or (weight is not None and w is None):
        return
    if bias is not None and b is None:
        return
    assert isinstance(epsilon, float)
    root = torch.rsqrt(v + epsilon)
    scale = root if w is None else w * root
    shift = -m * scale if b is None else b - m * scale
    whole = node.meta["val"]
    like = whole[0] if isinstance(whole, tuple | list) else whole
    value = node if like is whole else _first(node)
    if value is None:
        return
    shape = (like.shape[1], *[1] * (like.dim() - 2))
    stem = _stem(graph, mean) or node.name
    ready = [
        _placeholder(copied, graph, node, f"{stem}:{part}", each.to(like.dtype).reshape(shape))
        for part, each in (("scale", scale), ("shift", shift))
    ]
    with copied.inserting_before(node):
        scaled = copied.call_function(torch.ops.aten.mul.Tensor, (x, ready[0]))
        shifted = copied.call_function(torch.ops.aten.add.Tensor, (scaled, ready[1]))
    for made in (scaled, shifted):
        made.meta = {**node.meta, "val": like}
    scaled.meta["penstock.node"] = ""
    shifted.meta["penstock.node"] = node_name(value)
    value.replace_all_uses_with(shifted)
    copied.erase_node(value)
    if value is not node:
        copied.erase_node(node)


def _first(node: fx.Node) -> fx.Node | None:
    """The user that takes the first of several results, if there is no other."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].args[1] == 0 else None


def _stem(graph: Graph, node: object) -> str:
    """Path of the module a parameter belongs to."""
    param = graph.params.get(node) if isinstance(node, fx.Node) else None
    return param.name.rpartition(".")[0] if param is not None else ""
