"""Reads through copies and views: a consumer takes the index expressions into its own accesses."""

from __future__ import annotations

from ...ir.einsum import Access, Einsum, Index
from ..graph import Graph, Links, Node, Tensor, einsum_node, relabel_operands, substitute_access
from .indices import in_range, source_access, valid


def is_copy(node: Node | None) -> bool:
    """An Einsum that only moves values: every element of its output is one element of its operand."""
    if node is None or node.einsum is None or node.einsum.reduce is not None or node.einsum.map != "id":
        return False
    if len(node.operands) != 1 or node.operands[0].element != node.result.element:
        return False
    extents = dict(zip(node.einsum.output.ranks, node.result.shape, strict=True))
    return in_range(node.einsum.accesses[0], node.operands[0].shape, extents)


def read_through(node: Node, links: Links, *, splits: bool = False) -> bool:
    """Let an Einsum read what a copy or view of its operands reads; whether anything changed.

    `splits` includes splits of what another Einsum writes, which rather should write them split.
    """
    if node.einsum is None:
        return False
    changed = False
    for place, tensor in enumerate(list(node.operands)):
        producer = links.producers.get(tensor)
        if producer is None:
            continue
        maker = links.producers.get(producer.operands[0]) if producer.view is not None else None
        if producer.expands and maker is not None and maker.einsum is not None and not splits:
            continue
        found = _through(node, place, producer)
        if found is None:
            continue
        operands = list(node.operands)
        operands[place] = producer.operands[0]
        einsum = substitute_access(node.notation, place, found)
        if not valid(einsum, operands, node.result):
            einsum = _without_unit_ranks(einsum, node)
        if valid(einsum, operands, node.result):
            node.einsum, node.operands = einsum, operands
            relabel_operands(node)
            changed = True
    return changed


def _through(node: Node, place: int, producer: Node) -> Access | None:
    access = node.notation.accesses[place]
    if is_copy(producer):
        inner = producer.notation
        table = dict(zip(inner.output.ranks, access.index, strict=True))
        return inner.accesses[0].substitute(table)
    if producer.view is not None:
        return source_access(producer, access, extents(node))
    return None


def extents(node: Node) -> dict[str, int]:
    """Extent of every rank that a plain index of an Einsum node gives."""
    found: dict[str, int] = {}
    tensors = [*zip(node.notation.accesses, node.operands, strict=True), (node.notation.output, node.result)]
    for access, tensor in tensors:
        found |= {r: n for r, n in zip(access.plain, tensor.shape, strict=True) if r is not None}
    return found


def _without_unit_ranks(einsum: Einsum, node: Node) -> Einsum:
    """Reduced ranks of extent one are no reduction."""
    unit = {r for r, n in extents(node).items() if n == 1 and r in einsum.reduced}
    if not unit or einsum.reduce not in ("sum", "max", "min", "prod"):
        return einsum
    kept = tuple(rank for rank in einsum.reduced if rank not in unit)
    table = {rank: Index() for rank in unit}
    smaller = einsum.substitute(table, kept)
    return Einsum(smaller.output, smaller.map, smaller.operands, smaller.reduce if kept else None, kept)


def write_permuted(graph: Graph, node: Node, links: Links) -> bool:
    """Let the producer of a permuting copy write the copy's layout, where a view or op needs that layout."""
    if not is_copy(node):
        return False
    source = node.operands[0]
    producer = links.producers.get(source)
    access = node.notation.accesses[0]
    if (
        producer is None
        or producer.einsum is None
        or sorted(access.ranks) != sorted(node.notation.output.ranks)
    ):
        return False
    if None in access.plain or len(access.ranks) != len(source.shape):
        return False
    needed = [reader for reader in links.readers(node.result) if reader.einsum is None]
    readers = links.readers(source)
    if not needed or any(reader.einsum is None for reader in readers):
        return False
    inner = producer.notation
    here = dict(zip(access.ranks, inner.output.index, strict=True))
    output = Access(node.result.name, tuple(here[rank] for rank in node.notation.output.ranks))
    made = einsum_node(
        Einsum(output, inner.map, inner.operands, inner.reduce, inner.reduced),
        producer.operands,
        node.result,
        producer,
        node.fx,
    )
    node.result.stem = producer.result.stem
    order = [access.ranks.index(rank) for rank in node.notation.output.ranks]
    for reader in readers:
        if reader is not node:
            _permute_reads(reader, source, node.result, order)
    graph.nodes[graph.nodes.index(producer)] = made
    graph.nodes.remove(node)
    return True


def _permute_reads(reader: Node, old: Tensor, new: Tensor, order: list[int]) -> None:
    for place, tensor in enumerate(list(reader.operands)):
        if tensor is old:
            access = reader.notation.accesses[place]
            moved = Access(new.name, tuple(access.index[dim] for dim in order))
            reader.einsum = substitute_access(reader.notation, place, moved)
            reader.operands[place] = new
    relabel_operands(reader)


def expand_before_copy(graph: Graph, node: Node, links: Links) -> bool:
    """A view that splits a copy's dimensions splits the copy's source instead, and the copy follows."""
    if node.view is None or not node.expands:
        return False
    copy = links.producers.get(node.operands[0])
    if copy is None or not is_copy(copy):
        return False
    access, source = copy.notation.accesses[0], copy.operands[0]
    table = dict(zip(copy.notation.output.ranks, node.view, strict=True))
    groups: list[tuple[int, ...]] = []
    shape: list[int] = []
    index: list[Index] = []
    names = tuple(f"x{dim}" for dim in range(len(node.result.shape)))
    for expression, size in zip(access.index, source.shape, strict=True):
        dims = table.get(expression.plain or "", ())
        if len(dims) <= 1:
            if not expression.plain and any(len(table.get(rank, ())) > 1 for rank in expression.ranks):
                return False
            plain = {rank: Index.of(names[table[rank][0]]) for rank in expression.ranks}
            groups.append((len(shape),))
            shape.append(size)
            index.append(expression.substitute(plain))
            continue
        groups.append(tuple(range(len(shape), len(shape) + len(dims))))
        shape += [node.result.shape[dim] for dim in dims]
        index += [Index.of(names[dim]) for dim in dims]
    view = graph.tensor(source.stem, shape, source.element)
    split = Node([source], [view], view=tuple(groups), expands=True, location=node.location)
    output = Access(node.result.name, tuple(Index.of(name) for name in names))
    made = einsum_node(
        Einsum(output, "id", (Access(view.name, tuple(index)),)), [view], node.result, node, node.fx
    )
    place = graph.nodes.index(node)
    graph.nodes[place : place + 1] = [split, made]
    return True
