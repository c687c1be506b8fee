"""Finds the cascade around a reduction: the Einsums that stream the reduced rank (FuseMax §III-A).

Growth follows the dependency graph only. Forward: whatever reads the reduction's result, or what streams
beside it, pointwise or reducing the same rank. Backward: whatever computes the streamed tensor pointwise,
up to and with the contraction that produces it. Rank names are unified on the way, so that inside the
region one name is one rank, even where the model reads one tensor as queries and again as keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from ...ir.einsum import Einsum, Index, solve_extents
from ...ir.operators import MAPS
from ..analyse import Cascade
from ..graph import Graph, Node, Tensor
from .steps import fresh_name

_SHARED = 128  # points that share a rounded stream, from where it is rounded for all of them at once

# What a dimension of a shared tensor is read at: a rank of the region, or a fixed coordinate.
Dims = tuple[str | Index, ...]


def extents_of(node: Node) -> dict[str, int]:
    """Extent of every rank of an Einsum node."""
    return solve_extents(node.notation, [t.shape for t in node.operands], node.result.shape)


def is_contraction(node: Node) -> bool:
    """A sum of products of tensors, each of which lacks a rank that another has: a matmul or convolution."""
    if node.einsum is None or node.einsum.reduce != "sum" or node.einsum.map != "mul":
        return False
    ranks = [set(access.ranks) for access in node.einsum.accesses]
    return len(ranks) == 2 and bool(ranks[0] - ranks[1]) and bool(ranks[1] - ranks[0])


def is_product(node: Node) -> bool:
    """A sum of products of two tensors: a contraction, or what is left of one where extents are one."""
    if node.einsum is None or node.einsum.reduce != "sum" or node.einsum.map != "mul":
        return False
    return len(set(node.einsum.accesses)) == 2


def is_cheap(node: Node) -> bool:
    """Cheaper to compute again than to store: comparisons and moves over coordinates and smaller tensors."""
    if node.einsum is None or node.einsum.reduce is not None:
        return False
    small = all(len(tensor.shape) < len(node.result.shape) for tensor in node.operands)
    return small and not {"exp", "div"} & set(MAPS[node.einsum.map].flops)


@dataclass(eq=False)
class Region:
    """Einsum nodes with one rank naming.

    Attributes:
        members: node → its own rank names → the region's.
        dims: tensor written inside → the region's rank of each dimension.
        extents: rank of the region → extent.
    """

    members: dict[Node, dict[str, str]] = field(default_factory=dict)
    dims: dict[Tensor, tuple[str, ...]] = field(default_factory=dict)
    extents: dict[str, int] = field(default_factory=dict)

    def fits(self, node: Node, known: Mapping[Tensor, Dims]) -> dict[str, str] | None:
        """The node's ranks in the region's names, from the dimensions of the tensors it shares.

        None when two of its ranks would become one, one would become two, or a shared tensor is not read
        at plain ranks.
        """
        if node.einsum is None:
            return None
        mapping: dict[str, str] = {}
        shared = [
            (a, known[t]) for a, t in zip(node.einsum.accesses, node.operands, strict=True) if t in known
        ]
        if node.result in known:
            shared.append((node.einsum.output, known[node.result]))
        for access, dims in shared:
            for index, dim in zip(access.index, dims, strict=True):
                rank = index.plain
                if isinstance(dim, Index):
                    if index != dim:
                        return None
                elif rank is None or mapping.setdefault(rank, dim) != dim:
                    return None
        if len(set(mapping.values())) != len(mapping):
            return None
        extents = extents_of(node)
        if any(self.extents.get(new, extents[old]) != extents[old] for old, new in mapping.items()):
            return None
        return mapping

    def add(self, node: Node, mapping: Mapping[str, str]) -> None:
        """Take a node in; ranks not in `mapping` get fresh names."""
        full = dict(mapping)
        extents = extents_of(node)
        for rank in node.notation.ranks:
            if rank not in full:
                full[rank] = fresh_name(rank, {*self.extents, *full.values()})
            self.extents[full[rank]] = extents[rank]
        self.members[node] = full
        self.dims[node.result] = tuple(full[rank] for rank in node.notation.output.ranks)

    def ordered(self, graph: Graph) -> list[Node]:
        """Members in program order."""
        return [node for node in graph.nodes if node in self.members]

    def renamed(self, node: Node) -> Einsum:
        """A member's Einsum in the region's rank names."""
        return node.notation.renamed(self.members[node])

    def cascade(
        self, nodes: Iterable[Node], outputs: Iterable[Tensor], names: Mapping[Tensor, str]
    ) -> Cascade:
        """The members as a cascade; `nodes` in an order that respects dependencies."""
        einsums = tuple(
            self.renamed(node).with_tensors(names[node.result], [names[t] for t in node.operands])
            for node in nodes
        )
        return Cascade(einsums, extents=dict(self.extents), outputs=tuple(names[t] for t in outputs))


class Finder:
    """Grows the region around one reduction.

    Args:
        graph: the function.
        taken: nodes that belong to a group already.
        contractions: whether contractions over or before the rank belong to the region.
    """

    def __init__(self, graph: Graph, taken: set[Node], *, contractions: bool) -> None:
        self.graph = graph
        self.taken = taken
        self.contractions = contractions
        self.producers = graph.producers()
        self.consumers = graph.consumers()

    def around(self, seed: Node) -> tuple[Region, tuple[str, ...]]:
        """The region of a reduction, and the reduced ranks in its names."""
        region = Region()
        region.add(seed, {rank: rank for rank in seed.notation.ranks})
        rank = tuple(region.members[seed][name] for name in seed.notation.reduced)
        streams = self._streams(seed, region, rank)
        self._forward(region, seed, rank, streams)
        self._backward(region, rank, streams)
        if self.contractions:
            self._trim(region, rank)
            self._take_roundings(region, rank)
        return region, rank

    def _streams(self, seed: Node, region: Region, rank: tuple[str, ...]) -> dict[Tensor, Dims]:
        """Tensors that stream the rank into the seed, nearest first, with what their dimensions are."""
        found: dict[Tensor, Dims] = {}
        work = [(seed, region.members[seed])]
        scratch = Region(extents=dict(region.extents))
        while work:
            node, names = work.pop(0)
            for access, tensor in zip(node.notation.accesses, node.operands, strict=True):
                dims = [names.get(i.plain, i) if i.plain is not None else i for i in access.index]
                carries = any(dim in rank for dim in dims)
                if tensor in found or not carries or any(isinstance(d, Index) and d.terms for d in dims):
                    continue
                found[tensor] = tuple(dims)
                producer = self.producers.get(tensor)
                if producer is None or not producer.pointwise or producer in self.taken:
                    continue
                inner = scratch.fits(producer, {tensor: found[tensor]})
                if inner is not None and set(producer.notation.ranks) <= set(inner):
                    work.append((producer, inner))
        return found

    def _forward(
        self, region: Region, seed: Node, rank: tuple[str, ...], streams: Mapping[Tensor, Dims]
    ) -> None:
        outer = set(region.dims[seed.result])
        tainted: set[Tensor] = set()
        start = self.graph.nodes.index(seed)
        for node in self.graph.nodes[start + 1 :]:
            if not any(tensor in region.dims or tensor in tainted for tensor in node.operands):
                continue
            known: dict[Tensor, Dims] = {**streams, **region.dims}
            late = node in self.taken or any(tensor in tainted for tensor in node.operands)
            mapping = None if late else region.fits(node, known)
            if mapping is not None and self._joins(node, mapping, rank, outer):
                region.add(node, mapping)
            else:
                tainted |= set(node.results)

    def _joins(self, node: Node, mapping: Mapping[str, str], rank: tuple[str, ...], outer: set[str]) -> bool:
        einsum = node.notation
        inside = {mapping.get(name, "") for name in einsum.output.ranks}
        if einsum.reduce is None:
            if self.contractions and not inside & set(rank):
                return set(einsum.output.ranks) <= set(mapping)
            return inside <= outer | set(rank)
        if {mapping.get(name, "") for name in einsum.reduced} != set(rank):
            return False
        if self.contractions and is_product(node):
            return True
        return not is_contraction(node) and inside <= outer

    def _backward(self, region: Region, rank: tuple[str, ...], streams: Mapping[Tensor, Dims]) -> None:
        """Take in what computes the streams, where nobody else needs it or it is cheap to repeat."""
        streaming = [node for node in region.members if not is_product(node)]
        work = [tensor for node in streaming for tensor in node.operands]
        while work:
            tensor = work.pop(0)
            producer = self.producers.get(tensor)
            if producer is None or producer in region.members or producer in self.taken:
                continue
            if producer.einsum is None or tensor in region.dims:
                continue
            readers = self.consumers.get(tensor, [])
            if not all(reader in region.members for reader in readers) and not is_cheap(producer):
                continue
            mapping = names_from_readers(region, producer, tensor, readers)
            if mapping is None:
                continue
            dims = {mapping[name] for name in producer.notation.output.ranks}
            if producer.pointwise and dims & set(rank):
                region.add(producer, mapping)
                work += producer.operands
            elif self.contractions and is_product(producer) and dims >= set(rank):
                region.add(producer, mapping)

    def _trim(self, region: Region, rank: tuple[str, ...]) -> None:
        """Drop work behind the last reduction that only one result needs: it is an epilogue.

        What only rounds it stays: then less leaves the group, and nothing else.
        """
        for node in reversed(region.ordered(self.graph)):
            names = region.members[node]
            streams = any(names[name] in rank for name in node.notation.ranks)
            inside = [tensor for tensor in node.operands if tensor in region.dims]
            read = any(reader in region.members for reader in self.consumers.get(node.result, []))
            if not streams and not read and len(set(inside)) < 2 and not self._rounds(node, inside):
                del region.members[node]
                del region.dims[node.result]

    def _take_roundings(self, region: Region, rank: tuple[str, ...]) -> None:
        """Take in what rounds a stream for the products alone, where no Einsum made it: a cache's values.

        Such a stream is whole in memory already, and the region may read only the part that a mask shows.
        Where many points share it, it is rounded once for all of them instead.
        """
        for node in [member for member in region.members if is_product(member)]:
            extents = extents_of(node)
            for access, tensor in zip(node.notation.accesses, node.operands, strict=True):
                if prod(n for name, n in extents.items() if name not in access.ranks) > _SHARED:
                    continue
                producer = self.producers.get(tensor)
                if producer is None or producer in region.members or producer in self.taken:
                    continue
                readers = self.consumers.get(tensor, [])
                sources = [self.producers.get(each) for each in producer.operands]
                alone = all(reader in region.members for reader in readers)
                if not alone or not _rounding(producer) or any(s and s.einsum for s in sources):
                    continue
                mapping = names_from_readers(region, producer, tensor, readers)
                if mapping is not None and set(rank) <= set(mapping.values()):
                    region.add(producer, mapping)

    def _rounds(self, node: Node, inside: list[Tensor]) -> bool:
        """Whether a node does nothing but round what nobody else reads."""
        return _rounding(node) and all(len(self.consumers.get(tensor, [])) == 1 for tensor in inside)


def _rounding(node: Node) -> bool:
    return node.pointwise and node.notation.map == "to_float" and node.result.element == "bf16"


def names_from_readers(
    region: Region, producer: Node, tensor: Tensor, readers: Iterable[Node]
) -> dict[str, str] | None:
    """A producer's ranks in the region's names, if all members read its tensor at the same plain ranks."""
    dims: tuple[str, ...] | None = None
    for reader in readers:
        if reader not in region.members:
            continue
        names = region.members[reader]
        for access, operand in zip(reader.notation.accesses, reader.operands, strict=True):
            if operand is not tensor:
                continue
            plain = tuple(names.get(r, "") if r is not None else "" for r in access.plain)
            if "" in plain or (dims is not None and plain != dims) or len(set(plain)) != len(plain):
                return None
            dims = plain
    return region.fits(producer, {tensor: dims}) if dims is not None else None


@dataclass(frozen=True)
class Border:
    """What crosses the border of a set of nodes.

    Attributes:
        inputs: tensors read from outside, in order of first reading.
        outputs: tensors of its own that the outside reads, in order of writing.
        repeated: members that the outside computes for itself too, being cheap; their results stay inside.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    repeated: frozenset[Node]


def border(graph: Graph, members: Iterable[Node], results: frozenset[Tensor]) -> Border:
    """The border of a set of nodes; `results` are tensors that must leave it even if cheap to repeat."""
    chosen = set(members)
    inside = {result for node in chosen for result in node.results}
    read: dict[Tensor, None] = {}
    needed: set[Tensor] = set()
    for node in graph.nodes:
        for tensor in node.operands:
            if node in chosen and tensor not in inside:
                read[tensor] = None
            if node not in chosen and tensor in inside:
                needed.add(tensor)
    repeated = frozenset(n for n in chosen if is_cheap(n) and n.result in needed and n.result not in results)
    outputs = tuple(
        result
        for node in graph.nodes
        if node in chosen and node not in repeated
        for result in node.results
        if result in needed
    )
    return Border(tuple(read), outputs, repeated)
