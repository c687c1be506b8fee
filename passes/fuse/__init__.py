"""Fusion, discovered: finds cascades, rewrites them to fewer passes, and forms one group per kernel.

FuseMax §III: count passes on the dependency graph, defer divisions, carry running values. No op name
decides anything; a cascade is what streams a rank, closes it by a reduction, and streams it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...ir.errors import PassError
from ...ir.mlir import ir
from ..base import Pass
from ..graph import Graph, Node, functions, load, store
from .emit import GroupSpec, emit_group
from .groups import Former, Group, finish
from .rewrite import Rewriting, measure, one_pass, rewrite_text

__all__ = ["Fuse", "Group", "Rewriting", "form", "measure", "one_pass", "rewrite_text"]


@dataclass
class Fuse(Pass):
    """Every Einsum into a ``cascade.fused``, attention into its one-pass form.

    Attributes:
        p_tile: outer points computed together by an iterative group.
        m_tile: extent of a tile of the streamed rank.
    """

    name: ClassVar[str] = "fuse"
    description: ClassVar[str] = "cascades to fewer passes over their ranks, and one group per kernel"

    p_tile: int = 64
    m_tile: int = 128

    def run(self, module: ir.Module) -> ir.Module:
        """Fuse every function of the model.

        Raises:
            PassError: an option is not positive.
        """
        if self.p_tile < 1 or self.m_tile < 1:
            raise PassError("tiles must be positive", where=self.name, accepted="p_tile=64,m_tile=128")
        for function in functions(module):
            graph = load(function)
            if any(node.einsum is not None for node in graph.nodes):
                self.fuse(graph)
                store(graph)
        return module

    def fuse(self, graph: Graph) -> None:
        """Replace the Einsums of a graph by groups."""
        for group in form(graph, self.m_tile):
            self.replace(graph, group)
        graph.sort()

    def replace(self, graph: Graph, group: Group) -> None:
        """One node for all members of a group, where the last of them was."""
        rewriting, crossing, names = finish(graph, group)
        members = group.region.ordered(graph)
        by_tensor = {node.result: node for node in members}
        after = rewriting.after
        elements = {names[t]: t.element for t in (*by_tensor, *crossing.inputs)}
        order = rank_order(rewriting, group)
        attributes = {
            "kernel": group.kind,
            "passes_before": rewriting.passes_before,
            "passes_after": rewriting.passes_after,
            "over": rewriting.rank,
            "rank_order": order,
            "parallel": len(self.parallel(rewriting, group)),
            "tiles": self.tiles(rewriting),
            "footprint_before": str(rewriting.footprint_before),
            "footprint_after": str(rewriting.footprint_after),
            "rewrites": rewriting.rewrites,
            "derivation": rewriting.derivation(),
            "penstock.nodes": [by_tensor[t].fx or "" for t in crossing.outputs],
        }
        inputs = [tensor for tensor in crossing.inputs if names[tensor] in after.inputs]
        spec = GroupSpec(
            cascade=after,
            inputs=tuple(names[tensor] for tensor in inputs),
            outputs=tuple((names[t], t.shape, t.element) for t in crossing.outputs),
            elements=elements,
            attributes=attributes,
            tiling=rewriting.tiling,
            location=members[-1].location,
        )
        made = Node(inputs, list(crossing.outputs), build=lambda values: emit_group(spec, values))
        place = graph.nodes.index(members[-1])
        graph.nodes[place] = made
        graph.nodes = [node for node in graph.nodes if node not in by_tensor.values()]

    @staticmethod
    def parallel(rewriting: Rewriting, group: Group) -> tuple[str, ...]:
        """Ranks of the outer loops: independent points of the group."""
        if group.kind in ("contract", "linear", "map"):
            return rewriting.after.einsums[-1].output.ranks
        return rewriting.outer

    def tiles(self, rewriting: Rewriting) -> list[str]:
        """Tile extents: of the last outer rank and the streamed one in iterative groups, else none."""
        tiling = rewriting.tiling
        if tiling is None:
            return []
        blocked = [
            f"{rank}={min(self.p_tile, rewriting.before.extents[rank])}" for rank in rewriting.outer[-1:]
        ]
        return [*blocked, f"{tiling.inner}={tiling.tile}"]


def form(graph: Graph, m_tile: int) -> list[Group]:
    """The groups of a function, in no particular order."""
    return Former(graph, m_tile).run()


def rank_order(rewriting: Rewriting, group: Group) -> list[str]:
    """Outer ranks, then the generational rank, then the others in order of appearance."""
    after = rewriting.after
    outer = Fuse.parallel(rewriting, group)
    streamed = [rewriting.tiling.outer, rewriting.tiling.inner] if rewriting.tiling else []
    rest = [rank for einsum in after.all for rank in einsum.ranks]
    return list(dict.fromkeys([*outer, *streamed, *rest]))
