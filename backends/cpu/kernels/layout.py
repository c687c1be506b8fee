"""Questions about where the elements of a tensor lie, and the order of dimensions in scratch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ....ir.einsum import Access
from .group import Group, Iteration, Step, Tensor


def contiguous(access: Access, tensor: Tensor, lanes: Sequence[str]) -> bool:
    """Whether the lanes, flattened, walk the row-major tensor one element at a time."""
    coeffs = dict.fromkeys(lanes, 0)
    extents: dict[str, int] = {}
    for axis, index in enumerate(access.index):
        stride = prod(tensor.shape[axis + 1 :])
        for rank, coeff in index.terms:
            if rank in coeffs:
                coeffs[rank] += coeff * stride
                extents[rank] = tensor.shape[axis]
    scale = 1
    for rank in reversed(lanes):
        if coeffs[rank] != scale:
            return False
        scale *= _extent(access, tensor, rank)
    return True


def _extent(access: Access, tensor: Tensor, rank: str) -> int:
    """Extent of a rank as far as this access tells: its dimension's, or the next coefficient's."""
    for axis, index in enumerate(access.index):
        if index.plain == rank:
            return tensor.shape[axis]
        coeffs = dict(index.terms)
        if rank in coeffs:
            larger = [c for c in coeffs.values() if c > coeffs[rank]]
            return min(larger, default=tensor.shape[axis]) // coeffs[rank]
    return 1


def leaves(access: Access, tensor: Tensor, step: Step, around: Iteration | None) -> bool:
    """Whether some point of the iteration space reads outside the tensor."""
    for spans in _spans(step, around):
        for index, size in zip(access.index, tensor.shape, strict=True):
            low = high = index.const
            for rank, coeff in index.terms:
                first, last = spans[rank]
                low, high = low + min(coeff * first, coeff * last), high + max(coeff * first, coeff * last)
            if low < 0 or high >= size:
                return True
    return False


def _spans(step: Step, around: Iteration | None) -> list[dict[str, tuple[int, int]]]:
    """Ranges of the ranks, for whole generations and for the ragged last one."""
    plain = {rank: (0, extent - 1) for rank, extent in step.extents.items()}
    if around is None:
        return [plain]
    whole, rest = divmod(around.extent, around.tile)
    spans = []
    if whole:
        spans.append({**plain, around.rank: (0, whole - 1)})
    if rest:
        spans.append({**plain, around.rank: (whole, whole), around.tile_rank: (0, rest - 1)})
    return spans


def choose_orders(group: Group) -> None:
    """Give every scratch tensor an order: that of a neighbour over the same ranks, else as written."""
    changed = True
    while changed:
        changed = False
        for step in group.steps():
            around = [step.output, *step.inputs]
            for tensor in around:
                if tensor.argument is None and tensor.order is None:
                    changed = _follow(tensor, around) or changed


def _follow(tensor: Tensor, others: Sequence[Tensor]) -> bool:
    for other in others:
        if other.argument is None and other.order is not None and set(other.ranks) == set(tensor.ranks):
            tensor.order = tuple(tensor.ranks.index(other.ranks[axis]) for axis in other.order)
            tensor.lanes = other.lanes
            return True
    return False
