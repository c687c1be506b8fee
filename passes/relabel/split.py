"""Producers write what is read: an Einsum read only in parts or in split dimensions computes those."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ...ir.einsum import Access, Coord, Einsum, Index
from ..graph import Graph, Links, Node, Tensor, einsum_node, relabel_operands, substitute_access
from .indices import flatten, in_range, source_access, valid
from .reads import extents


@dataclass
class _Pattern:
    """One way of reading a tensor: index expressions over fresh ranks, and who reads so."""

    index: tuple[Index, ...]
    ranks: tuple[str, ...]
    sizes: tuple[int, ...]
    readers: list[tuple[Node, int, tuple[str, ...]]] = field(default_factory=list)
    names: tuple[str, ...] = ()

    @property
    def volume(self) -> int:
        return math.prod(self.sizes)


def specialise(graph: Graph, node: Node, links: Links) -> bool:
    """Replace an Einsum by one per way its output is read, when together they compute no more than it did.

    Returns:
        Whether the graph changed.
    """
    if node.einsum is None:
        return False
    readers = links.readers(node.result)
    most = math.prod(node.result.shape)
    patterns = _patterns(links, node.result, readers, through=False)
    if patterns and sum(pattern.volume for pattern in patterns) > most:
        patterns = _patterns(links, node.result, readers, through=True)
    if not patterns or sum(pattern.volume for pattern in patterns) > most:
        return False
    if len(patterns) == 1 and _identity(patterns[0], node.result):
        return False
    made: list[Node] = []
    for pattern in patterns:
        built = _build(graph, node, pattern, links)
        if built is None:
            return False
        made += built
    results = [each for each in made if each.einsum is not None]
    for pattern, new in zip(patterns, results, strict=True):
        _redirect(graph, pattern, new)
    place = graph.nodes.index(node)
    graph.nodes[place : place + 1] = made
    return True


def _patterns(links: Links, tensor: Tensor, readers: list[Node], *, through: bool) -> list[_Pattern] | None:
    """The ways a tensor is read; `through` looks at what reads its views, part by part."""
    found: dict[tuple[object, ...], _Pattern] = {}
    for reader in readers:
        if reader.view is not None and reader.expands:
            if not through:
                _note(found, _view_pattern(reader), (reader, 0))
            elif not all(
                each.einsum is not None and _note_reads(found, each, reader.result, tensor, reader)
                for each in links.readers(reader.result)
            ):
                return None
        elif reader.einsum is None or not _note_reads(found, reader, tensor, tensor, None):
            return None
    return list(found.values())


def _note_reads(
    found: dict[tuple[object, ...], _Pattern], reader: Node, read: Tensor, tensor: Tensor, view: Node | None
) -> bool:
    """Note how an Einsum reads a tensor, perhaps through a view; False where no pattern describes it."""
    known = extents(reader)
    for place, operand in enumerate(reader.operands):
        if operand is not read:
            continue
        access: Access | None = reader.notation.accesses[place]
        if view is not None and access is not None:
            access = source_access(view, access, known)
        if access is None:
            return False
        ranks = access.ranks
        repeated = len(ranks) != sum(len(index.terms) for index in access.index)
        if repeated or any(rank not in known for rank in ranks):
            return False
        if not in_range(access, tensor.shape, known):
            return False
        pattern = _Pattern(access.index, ranks, tuple(known[rank] for rank in ranks))
        _note(found, pattern, (reader, place))
    return True


def _note(found: dict[tuple[object, ...], _Pattern], pattern: _Pattern, reader: tuple[Node, int]) -> None:
    canonical = {rank: f"x{place}" for place, rank in enumerate(pattern.ranks)}
    index = tuple(each.substitute({r: Index.of(n) for r, n in canonical.items()}) for each in pattern.index)
    key = (index, pattern.sizes)
    if key not in found:
        found[key] = _Pattern(index, tuple(canonical.values()), pattern.sizes, [], pattern.ranks)
    found[key].readers.append((*reader, pattern.ranks))


def _view_pattern(view: Node) -> _Pattern:
    """How an expand_shape reads: the flat index of each group over the result's dimensions."""
    shape = view.result.shape
    names = tuple(f"v{dim}" for dim in range(len(shape)))
    index: list[Index] = []
    for group in view.view or ():
        index.append(flatten([Index.of(names[dim]) for dim in group], [shape[dim] for dim in group]))
    return _Pattern(tuple(index), names, shape)


def _identity(pattern: _Pattern, tensor: Tensor) -> bool:
    plain = tuple(index.plain for index in pattern.index)
    return None not in plain and pattern.sizes == tensor.shape


def _build(graph: Graph, node: Node, pattern: _Pattern, links: Links) -> list[Node] | None:
    """The Einsum that computes what a pattern reads, preceded by views of operands read from their start."""
    inner = node.notation
    wanted = _rank_names(node, pattern, links)
    fresh = dict(zip(pattern.ranks, wanted, strict=True))
    table = {
        rank: index.substitute({old: Index.of(new) for old, new in fresh.items()})
        for rank, index in zip(inner.output.ranks, pattern.index, strict=True)
    }
    changed = inner.substitute(table, inner.reduced)
    output = Access("", tuple(Index.of(fresh[rank]) for rank in pattern.ranks))
    result = graph.tensor(node.result.stem, pattern.sizes, node.result.element)
    einsum = Einsum(output, changed.map, changed.operands, changed.reduce, changed.reduced)
    sizes = dict(zip((fresh[rank] for rank in pattern.ranks), pattern.sizes, strict=True))
    views, operands, einsum = _prefix_views(graph, node, einsum, sizes)
    einsum = _drop_unit_terms(einsum, sizes)
    if not valid(einsum, operands, result):
        return None
    made = einsum_node(einsum, operands, result, node)
    return [*views, made]


def _rank_names(node: Node, pattern: _Pattern, links: Links) -> list[str]:
    """Names for the new ranks: those of the output where it is read plainly, else those the reader uses."""
    plain = {
        index.plain: rank
        for rank, index in zip(node.notation.output.ranks, pattern.index, strict=True)
        if index.plain is not None
    }
    taken = {*node.notation.reduced, *plain.values()}
    names: list[str] = []
    reader = pattern.readers[0][0]
    suggested = pattern.names
    if reader.view is not None:
        users = [each for each in links.readers(reader.result) if each.einsum is not None]
        if users:
            access = users[0].notation.accesses[users[0].operands.index(reader.result)]
            suggested = tuple(index.plain or f"v{dim}" for dim, index in enumerate(access.index))
    for rank, hint in zip(pattern.ranks, suggested, strict=True):
        name = plain.get(rank, hint)
        count = 0
        while name in names or (name in taken and rank not in plain):
            count += 1
            name = f"{hint}{count}"
        names.append(name)
    return names


def _drop_unit_terms(einsum: Einsum, sizes: dict[str, int]) -> Einsum:
    """Ranks of extent one vanish from the operands' expressions; the output keeps them."""
    unit = {rank: Index() for rank, size in sizes.items() if size == 1}
    if not unit:
        return einsum
    operands = []
    for operand in einsum.operands:
        if isinstance(operand, Access):
            index = tuple(i if i.plain else i.substitute(unit) for i in operand.index)
            operand = Access(operand.tensor, index)
        elif isinstance(operand, Coord):
            operand = Coord(operand.index.substitute(unit))
        operands.append(operand)
    return Einsum(einsum.output, einsum.map, tuple(operands), einsum.reduce, einsum.reduced)


def _prefix_views(
    graph: Graph, node: Node, einsum: Einsum, sizes: dict[str, int]
) -> tuple[list[Node], list[Tensor], Einsum]:
    """Where a dimension is read plainly but not to its end, read part 0 of it through a free view."""
    views: list[Node] = []
    operands = list(node.operands)
    for place, access in enumerate(einsum.accesses):
        tensor = operands[place]
        short = [
            dim
            for dim, rank in enumerate(access.plain)
            if rank in sizes and sizes[rank] < tensor.shape[dim] and tensor.shape[dim] % sizes[rank] == 0
        ]
        if not short:
            continue
        groups: list[tuple[int, ...]] = []
        shape: list[int] = []
        index: list[Index] = []
        for dim, (expression, size) in enumerate(zip(access.index, tensor.shape, strict=True)):
            start = len(shape)
            if dim in short and expression.plain is not None:
                part = sizes[expression.plain]
                shape += [size // part, part]
                index += [Index(), expression]
            else:
                shape.append(size)
                index.append(expression)
            groups.append(tuple(range(start, len(shape))))
        view = graph.tensor(tensor.stem, shape, tensor.element)
        views.append(Node([tensor], [view], view=tuple(groups), expands=True, location=node.location))
        operands[place] = view
        einsum = substitute_access(einsum, place, Access(view.name, tuple(index)))
    return views, operands, einsum


def _redirect(graph: Graph, pattern: _Pattern, new: Node) -> None:
    """Let the readers of a pattern read its own tensor, each dimension plainly."""
    for reader, place, ranks in pattern.readers:
        if reader.view is not None:
            new.fx = new.fx or reader.fx
            graph.replace(reader.result, new.result)
            graph.nodes.remove(reader)
            continue
        plain = Access(new.result.name, tuple(Index.of(rank) for rank in ranks))
        reader.einsum = substitute_access(reader.notation, place, plain)
        reader.operands[place] = new.result
        relabel_operands(reader)
