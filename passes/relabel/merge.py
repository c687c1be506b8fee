"""Merged dimensions sink: a consumer of a collapse_shape iterates over the dimensions that were merged."""

from __future__ import annotations

from dataclasses import replace

from ...ir.einsum import Access, Einsum, Index
from ..graph import Graph, Groups, Links, Node, Tensor, einsum_node, relabel_operands, substitute_access
from .indices import flatten, source_access, valid
from .reads import extents, is_copy


def sink_collapse(graph: Graph, node: Node, links: Links, sunk: set[Node]) -> bool:
    """Take a merge of dimensions into the Einsum that reads it.

    A reduced rank is taken apart always. A rank of the output is taken apart where that saves a copy, or
    where the merge was itself pushed down from such a place; the merge then follows behind the Einsum.
    """
    if node.einsum is None:
        return False
    for place, tensor in enumerate(node.operands):
        view = links.producers.get(tensor)
        if view is None or view.view is None or view.expands:
            continue
        maker = links.producers.get(view.operands[0])
        pushed = maker is not None and (is_copy(maker) or maker in sunk)
        access = node.notation.accesses[place]
        for dim, group in enumerate(view.view):
            rank = access.index[dim].plain
            if len(group) < 2 or rank is None:
                continue
            if (rank in node.notation.reduced or pushed) and _apart(graph, node, place, dim, links, sunk):
                return True
    return False


def _apart(graph: Graph, node: Node, place: int, dim: int, links: Links, sunk: set[Node]) -> bool:
    einsum = node.notation
    view = links.producers[node.operands[place]]
    rank = einsum.accesses[place].index[dim].plain or ""
    sizes = [view.operands[0].shape[each] for each in (view.view or ())[dim]]
    names = _names(view, dim, rank, set(einsum.ranks), links)
    parts = dict(zip(names, sizes, strict=True))
    kept = [name for name in names if parts[name] != 1]
    flat = flatten([Index.of(name) for name in names], sizes)
    reduced = [new for old in einsum.reduced for new in (kept if old == rank else [old])]
    changed = einsum.substitute({rank: flat}, reduced)
    changed, operands = _through_views(changed, node, links, {**extents(node), **parts})
    if rank not in einsum.output.ranks:
        if not kept or not valid(changed, operands, node.result):
            return False
        node.einsum, node.operands = changed, operands
        relabel_operands(node)
        return True
    at = einsum.output.ranks.index(rank)
    index = [Index.of(old) for old in einsum.output.ranks]
    index[at : at + 1] = [Index.of(name) for name in names]
    shape = [*node.result.shape[:at], *sizes, *node.result.shape[at + 1 :]]
    apart = graph.tensor(node.result.stem, shape, node.result.element)
    changed = replace(changed, output=Access("", tuple(index)))
    if not valid(changed, operands, apart):
        return False
    made = einsum_node(changed, operands, apart, node)
    merged = Node([apart], [node.result], view=_merge(len(einsum.output.ranks), at, len(names)), fx=node.fx)
    here = graph.nodes.index(node)
    graph.nodes[here : here + 1] = [made, merged]
    sunk.add(made)
    return True


def _merge(rank: int, at: int, parts: int) -> Groups:
    """The reassociation that merges `parts` dimensions from place `at` on."""
    groups: list[tuple[int, ...]] = []
    for old in range(rank):
        first = old if old <= at else old + parts - 1
        groups.append(tuple(range(first, first + (parts if old == at else 1))))
    return tuple(groups)


def _through_views(
    einsum: Einsum, node: Node, links: Links, sizes: dict[str, int]
) -> tuple[Einsum, list[Tensor]]:
    """The Einsum reading what merged operands are made of, wherever that is affine."""
    operands = list(node.operands)
    for place, tensor in enumerate(node.operands):
        view = links.producers.get(tensor)
        if view is not None and view.view is not None and not view.expands:
            found = source_access(view, einsum.accesses[place], sizes)
            if found is not None:
                einsum = substitute_access(einsum, place, found)
                operands[place] = view.operands[0]
    return einsum, operands


def _names(view: Node, dim: int, rank: str, taken: set[str], links: Links) -> list[str]:
    """Names for the parts of a merged rank: those its producer gave them where they are free."""
    group = (view.view or ())[dim]
    producer = links.producers.get(view.operands[0])
    given: list[str] = []
    for number, part in enumerate(group):
        known = producer.einsum.output.plain[part] if producer and producer.einsum else None
        stem = known or f"{rank}{len(group) - 1 - number}"
        name, count = stem, 0
        while name in given or name in taken:
            count += 1
            name = f"{stem}{count}"
        given.append(name)
    return given
