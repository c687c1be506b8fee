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
from ..graph import Graph, Node, functions, load, store
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
        if not _step(graph, sunk):
            return
    raise PassError("the rules do not come to an end", where=where)


def _step(graph: Graph, sunk: set[Node]) -> bool:
    """Apply the first rule that fits, consumers before producers."""
    producers = graph.producers()
    backwards = list(reversed(graph.nodes))
    rules: tuple[Callable[[Node], bool], ...] = (
        lambda node: compose_views(graph, node, producers),
        name_units,
        lambda node: read_units_at_zero(node, producers),
        lambda node: expand_before_copy(graph, node, producers),
        lambda node: write_permuted(graph, node, producers),  # a merge reads rows: let them be written so
        lambda node: read_through(graph, node, producers),
        lambda node: sink_collapse(graph, node, producers, sunk),
        lambda node: specialise(graph, node),
        lambda node: read_through(graph, node, producers, splits=True),  # what could not be written split
    )
    return any(rule(node) for rule in rules for node in backwards)
