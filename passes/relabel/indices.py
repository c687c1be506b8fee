"""Index arithmetic of views: flattening several indices into one, and taking one apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...ir.einsum import Access, Einsum, Index, solve_extents
from ...ir.errors import NotationError
from ..graph import Node, Tensor


def flatten(indices: Sequence[Index], sizes: Sequence[int]) -> Index:
    """The row-major flat index of a multi-index over dimensions of the given sizes; size 1 counts as 0."""
    if len(indices) == 1:
        return indices[0]
    total: dict[str, int] = {}
    const, stride = 0, 1
    for index, size in reversed(list(zip(indices, sizes, strict=True))):
        if size != 1:
            const += stride * index.const
            for rank, coefficient in index.terms:
                total[rank] = total.get(rank, 0) + stride * coefficient
        stride *= size
    ordered = {rank: total[rank] for index in indices for rank in index.ranks if rank in total}
    return Index(tuple((rank, value) for rank, value in ordered.items() if value), const)


def unflatten(index: Index, sizes: Sequence[int], extents: Mapping[str, int]) -> tuple[Index, ...] | None:
    """The multi-index over `sizes` whose flat index is `index`, or None where it is no affine one."""
    if len(sizes) == 1:
        return (index,)
    found: list[Index] = []
    rest = index
    stride = 1
    for size in sizes:
        stride *= size
    for size in sizes:
        stride //= size
        whole = tuple((rank, c // stride) for rank, c in rest.terms if c % stride == 0 and size != 1)
        left = tuple((rank, c) for rank, c in rest.terms if c % stride or size == 1)
        upper, const = divmod(rest.const, stride)
        part = Index(whole, upper)
        low, high = part.bounds(extents)
        remainder = Index(left, const)
        below, above = remainder.bounds(extents)
        if low < 0 or high >= size or below < 0 or above >= stride:
            return None
        found.append(part)
        rest = remainder
    return tuple(found)


def source_access(node: Node, access: Access, extents: Mapping[str, int]) -> Access | None:
    """What reading a view's result at `access` reads of the view's operand; None where it is not affine."""
    groups = node.view or ()
    source = node.operands[0]
    indices: list[Index] = []
    for place, group in enumerate(groups):
        if node.expands:
            sizes = [node.result.shape[dim] for dim in group]
            indices.append(flatten([access.index[dim] for dim in group], sizes))
        else:
            parts = unflatten(access.index[place], [source.shape[dim] for dim in group], extents)
            if parts is None:
                return None
            indices += parts
    return Access(source.name, tuple(indices))


def valid(einsum: Einsum, operands: Sequence[Tensor], result: Tensor) -> bool:
    """Whether the Einsum fits its tensors: every rank has an extent, and only one."""
    try:
        solve_extents(einsum, [tensor.shape for tensor in operands], result.shape)
    except NotationError:
        return False
    return True


def in_range(access: Access, shape: Sequence[int], extents: Mapping[str, int]) -> bool:
    """Whether the access stays inside its tensor over the whole iteration space."""
    for index, size in zip(access.index, shape, strict=True):
        low, high = index.bounds(extents)
        if low < 0 or high >= size:
            return False
    return True
