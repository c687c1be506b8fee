"""Views of views: two merges are one, two splits are one, and a merge undoes the same split."""

from __future__ import annotations

from ..graph import Graph, Links, Node


def compose_views(graph: Graph, node: Node, links: Links) -> bool:
    """Read past the view before this one where one view, or none, does both; whether anything changed."""
    if node.view is None:
        return False
    before = links.producers.get(node.operands[0])
    if before is None or before.view is None:
        return False
    source = before.operands[0]
    if source.shape == node.result.shape:
        graph.replace(node.result, source)
        graph.nodes.remove(node)
        return True
    if before.expands == node.expands:
        outer, inner = (before.view, node.view) if node.expands else (node.view, before.view)
        node.view = tuple(tuple(dim for part in group for dim in inner[part]) for group in outer)
        node.operands = [source]
        return True
    return False
