"""Relabelling: reshapes, transposes, repeats and slices become index expressions (FuseMax §II-A).

A copy or view costs memory traffic and hides that two Einsums share a rank; an index expression costs
nothing. Views that something else than an Einsum needs stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ...ir.errors import PassError
from ...ir.mlir import ir
from ..base import Pass
from ..graph import Graph, Links, Node, functions, load, store
from .merge import sink_collapse
from .reads import expand_before_copy, read_through, write_permuted
from .split import specialise
from .units import name_units, read_units_at_zero
from .views import compose_views

_LIMIT = 20  # rewritings per node: far above what any chain of views needs


@dataclass
class Relabel(Pass):
    """Views and copies into index expressions."""

    name: ClassVar[str] = "relabel"
    description: ClassVar[str] = "reshapes, transposes and repeats become index expressions"

    def run(self, module: ir.Module) -> ir.Module:
        """Relabel every function of the model."""
        for function in functions(module):
            graph = load(function)
            relabel(graph, function.name.value)
            graph.sort()
            store(graph)
        return module


def relabel(graph: Graph, where: str = "") -> None:
    """Apply the rules until none changes anything.

    Raises:
        PassError: the rules do not come to an end.
    """
    sunk: set[Node] = set()
    for _ in range(_LIMIT * max(1, len(graph.nodes))):
        graph.drop_dead()
        if not _round(graph, sunk):
            return
    raise PassError("the rules do not come to an end", where=where)


def _round(graph: Graph, sunk: set[Node]) -> bool:
    """Apply the first rule that fits wherever it does, consumers before producers; whether any did."""
    rules: tuple[Callable[[Node, Links], bool], ...] = (
        lambda node, links: compose_views(graph, node, links),
        lambda node, links: name_units(node),
        lambda node, links: read_units_at_zero(node, links),
        lambda node, links: expand_before_copy(graph, node, links),
        lambda node, links: write_permuted(graph, node, links),  # a merge reads rows: let them be written so
        lambda node, links: read_through(node, links),
        lambda node, links: sink_collapse(graph, node, links, sunk),
        lambda node, links: specialise(graph, node, links),
        lambda node, links: read_through(node, links, splits=True),  # what could not be written split
    )
    return any(_sweep(graph, rule) for rule in rules)


def _sweep(graph: Graph, rule: Callable[[Node, Links], bool]) -> bool:
    changed = False
    links = graph.links()
    for node in reversed(list(graph.nodes)):
        if node in links.nodes and rule(node, links):
            changed = True
            graph.drop_dead()
            links = graph.links()
    return changed
