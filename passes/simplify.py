"""Removes what need not be computed: equal Einsums, unread ones, constants, and copies of whole tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..ir.einsum import Access, Coord, Einsum, Literal, Operand, solve_extents
from ..ir.mlir import ir
from ..ir.operators import MAPS
from .base import Pass
from .graph import Graph, Node, Tensor, functions, load, relabel_operands, store

_FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
_CASTS = {"to_float": ("f16", "bf16", "f32", "f64"), "to_int": ("i32", "i64"), "to_bool": ("i1",)}
_NEUTRAL = {"mul": (1, (0, 1)), "div": (1, (1,)), "div_left": (1, (1,)), "sub": (0, (1,))}


@dataclass
class Simplify(Pass):
    """Equal Einsums computed once, unread ones not at all; constants and whole copies folded."""

    name: ClassVar[str] = "simplify"
    description: ClassVar[str] = "common Einsums once, dead ones never, constants and copies folded"

    def run(self, module: ir.Module) -> ir.Module:
        """Simplify every function of the model."""
        for function in functions(module):
            graph = load(function)
            simplify(graph)
            store(graph)
        return module


def simplify(graph: Graph) -> None:
    """Apply the rules until none changes anything."""
    changed = True
    while changed:
        changed = graph.drop_dead()
        for node in list(graph.nodes):
            changed |= any(rule(graph, node) for rule in (fold_literal, fold_copy, fold_exponential))
        changed |= share_equal(graph)


def fold_literal(graph: Graph, node: Node) -> bool:
    """Readers of a constant tensor take its value as a literal."""
    if not node.pointwise or not all(isinstance(each, Literal) for each in node.notation.operands):
        return False
    value = _constant(node)
    if value is None:
        return False
    changed = False
    for reader in graph.nodes:
        if reader.einsum is None or node.result not in reader.operands or not _inside(reader, node.result):
            continue
        operands = iter(reader.operands)
        places: list[Operand] = []
        kept: list[Tensor] = []
        for operand in reader.notation.operands:
            tensor = next(operands) if isinstance(operand, Access) else None
            if tensor is node.result:
                operand = Literal(value)
            elif tensor is not None:
                kept.append(tensor)
            places.append(operand)
        einsum = reader.notation
        # A reduced rank takes its extent from a plain index: a window's constant may hold the only one.
        covered = {rank for place in places if isinstance(place, Access) for rank in place.plain}
        if not set(einsum.reduced) <= covered:
            continue
        reader.einsum = Einsum(einsum.output, einsum.map, tuple(places), einsum.reduce, einsum.reduced)
        reader.operands = kept
        relabel_operands(reader)
        changed = True
    return changed


def _inside(reader: Node, tensor: Tensor) -> bool:
    """Whether an Einsum reads a tensor at its own coordinates only: a literal has no absent points."""
    einsum = reader.notation
    extents = solve_extents(einsum, [each.shape for each in reader.operands], reader.result.shape)
    bounds = [
        (index.bounds(extents), size)
        for access, operand in zip(einsum.accesses, reader.operands, strict=True)
        if operand is tensor
        for index, size in zip(access.index, operand.shape, strict=True)
    ]
    return all(low >= 0 and high < size for (low, high), size in bounds)


def _constant(node: Node) -> float | int | bool | None:
    values = [np.asarray(each.value) for each in node.notation.operands if isinstance(each, Literal)]
    with np.errstate(all="ignore"):
        value = np.asarray(MAPS[node.notation.map].evaluate(*values)).item()
    element = node.result.element
    if element == "i1":
        return bool(value)
    if element in _FLOATS:
        return float(_FLOATS[element](value))
    if element.startswith("i") and math.isfinite(value) and float(value).is_integer():
        return int(value)
    return None


def fold_copy(graph: Graph, node: Node) -> bool:
    """An Einsum that gives one of its operands unchanged is that operand."""
    if not node.pointwise or len(node.operands) != 1:
        return False
    source = node.operands[0]
    access = node.notation.accesses[0]
    whole = access.index == node.notation.output.index and source.shape == node.result.shape
    if not whole or source.element != node.result.element or not _unchanged(node.notation, source):
        return False
    producer = graph.producers().get(source)
    if node.fx is not None and producer is not None and producer.fx is None and producer.op is None:
        producer.fx = node.fx
    graph.replace(node.result, source)
    graph.nodes.remove(node)
    return True


def fold_exponential(graph: Graph, node: Node) -> bool:
    """The exponential of a difference is one operator, ``exp_sub`` (FuseMax §II-C)."""
    if node.einsum is None or node.einsum.map != "exp" or len(node.operands) != 1:
        return False
    difference = graph.producers().get(node.operands[0])
    if difference is None or difference.einsum is None or not difference.pointwise:
        return False
    readers = [reader for reader in graph.nodes if difference.result in reader.operands]
    if (
        difference.einsum.map != "sub"
        or len(readers) != 1
        or difference.result.element != node.result.element
    ):
        return False
    table = dict(zip(difference.einsum.output.ranks, node.einsum.accesses[0].index, strict=True))
    inner = difference.einsum.substitute(table)
    node.einsum = replace(node.einsum, map="exp_sub", operands=inner.operands)
    node.operands = difference.operands
    relabel_operands(node)
    graph.nodes.remove(difference)
    return True


def _unchanged(einsum: Einsum, source: Tensor) -> bool:
    if einsum.map == "id":
        return True
    if einsum.map in _CASTS:
        return source.element in _CASTS[einsum.map]
    if einsum.map not in _NEUTRAL:
        return False
    value, places = _NEUTRAL[einsum.map]
    return any(
        isinstance(operand, Literal) and not isinstance(operand.value, bool) and operand.value == value
        for place, operand in enumerate(einsum.operands)
        if place in places
    )


def share_equal(graph: Graph) -> bool:
    """Einsums and views that compute the same from the same are computed once."""
    seen: dict[object, Node] = {}
    changed = False
    for node in list(graph.nodes):
        key = _key(node)
        if key is None:
            continue
        first = seen.setdefault(key, node)
        if first is not node:
            first.fx = first.fx or node.fx
            graph.replace(node.result, first.result)
            graph.nodes.remove(node)
            changed = True
    return changed


def _key(node: Node) -> object | None:
    operands = tuple(id(tensor) for tensor in node.operands)
    result = (node.result.shape, node.result.element) if node.results else None
    if node.view is not None:
        return ("view", node.view, node.expands, operands, result)
    if node.einsum is None:
        return None
    einsum = node.einsum
    ranks = dict.fromkeys([*einsum.ranks, *(r for each in _indexed(einsum) for r in each.ranks)])
    table = {rank: f"x{place}" for place, rank in enumerate(ranks)}
    # Index terms keep their order of appearance, so equal sums written differently stay apart: harmless.
    same = einsum.renamed(table).with_tensors("", [""] * len(node.operands))
    return (same, operands, result)


def _indexed(einsum: Einsum) -> list[Access | Coord]:
    return [operand for operand in einsum.operands if not isinstance(operand, Literal)]
