"""Dimensions of extent one: which rank they are is a choice, made so that one rank stays one rank.

A size-one dimension may be read at coordinate 0 or at any rank of extent one. Broadcasting rules pick by
chance when lengths are one; these rules pick what longer lengths would have.
"""

from __future__ import annotations

from ...ir.einsum import Access, Index, Literal
from ..graph import Links, Node, relabel_operands, substitute_access


def name_units(node: Node) -> bool:
    """An output rank of extent one that no operand mentions is a size-one dimension read at 0, if any."""
    if node.einsum is None:
        return False
    for rank in _unmentioned(node):
        for place, (access, tensor) in enumerate(zip(node.notation.accesses, node.operands, strict=True)):
            for dim, (index, size) in enumerate(zip(access.index, tensor.shape, strict=True)):
                if size == 1 and index == Index():
                    node.einsum = substitute_access(node.notation, place, _at(access, dim, Index.of(rank)))
                    return True
    return False


def read_units_at_zero(node: Node, links: Links) -> bool:
    """A dimension its producer only pads with (a kept dimension of a reduction) is read at 0."""
    if node.einsum is None:
        return False
    for place, (access, tensor) in enumerate(zip(node.notation.accesses, node.operands, strict=True)):
        producer = links.producers.get(tensor)
        if producer is None or producer.einsum is None:
            continue
        padding = _unmentioned(producer)
        for dim, rank in enumerate(producer.einsum.output.plain):
            plain = access.index[dim].plain
            if rank in padding and plain is not None and _elsewhere(node, place, dim, plain):
                node.einsum = substitute_access(node.notation, place, _at(access, dim, Index()))
                relabel_operands(node)
                return True
    return False


def _unmentioned(node: Node) -> list[str]:
    """Output ranks of extent one that no operand mentions."""
    einsum = node.notation
    used = {rank for operand in einsum.operands if not isinstance(operand, Literal) for rank in operand.ranks}
    output = zip(einsum.output.ranks, node.result.shape, strict=True)
    return [rank for rank, size in output if size == 1 and rank not in used]


def _elsewhere(node: Node, place: int, dim: int, rank: str) -> bool:
    """Whether another plain index of an operand is this rank."""
    return any(
        plain == rank and (other, at) != (place, dim)
        for other, access in enumerate(node.notation.accesses)
        for at, plain in enumerate(access.plain)
    )


def _at(access: Access, dim: int, index: Index) -> Access:
    return Access(access.tensor, (*access.index[:dim], index, *access.index[dim + 1 :]))
