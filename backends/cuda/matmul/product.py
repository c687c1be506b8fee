"""A group that is a matrix product and elementwise Einsums of its result: where its numbers lie.

``Y[…] = sum[…] mul(A[…], B[…])`` is a product when every rank of the result is of A, of B or of both, and
every summed rank of both. Its ranks then are rows (of A), columns (of B), batches (of both) and the depth;
neighbours that lie end to end in every tensor are one axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ....ir.build import EinsumView
from ....ir.cascade import shape_of
from ....ir.einsum import Access, Index
from ....ir.mlir import ir
from ..codegen.group import Group, dtype_name


@dataclass(frozen=True)
class Axis:
    """Coordinates of one or more ranks that lie end to end.

    Attributes:
        ranks: outermost first, with extents.
        left, right: elements from one coordinate to the next in A and in B.
    """

    ranks: tuple[tuple[str, int], ...]
    left: int
    right: int

    @property
    def extent(self) -> int:
        """Coordinates."""
        return prod(extent for _, extent in self.ranks)


@dataclass(frozen=True)
class Product:
    """A matrix product within a group.

    Attributes:
        group: the group.
        view: the contraction.
        left, right: its operands A and B as values of the group.
        batch, rows, columns, depth: axes, outermost first.
        starts: element of A and of B where the first coordinates lie.
    """

    group: Group
    view: EinsumView
    left: ir.Value
    right: ir.Value
    batch: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    depth: tuple[Axis, ...]
    starts: tuple[int, int]

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Batches, rows, columns and depth, as numbers."""
        batch, rows, columns, depth = (
            prod(axis.extent for axis in axes) for axes in (self.batch, self.rows, self.columns, self.depth)
        )
        return batch, rows, columns, depth

    @property
    def dtypes(self) -> tuple[str, str]:
        """Element types of A and B."""
        return dtype_name(self.left), dtype_name(self.right)

    def vectors(self, elements: int) -> bool:
        """Whether both operands' depths lie in runs of so many elements, each run aligned to its size."""
        if not self.depth or self.depth[-1].extent % elements:
            return False
        last = self.depth[-1]
        rest = [*self.batch, *self.rows, *self.columns, *self.depth[:-1]]
        steps = [*self.starts, *(step for axis in rest for step in (axis.left, axis.right))]
        return (last.left, last.right) == (1, 1) and all(step % elements == 0 for step in steps)


def read_product(group: Group) -> Product | None:
    """The product that a group is, or None."""
    sums = [view for view in group.views if view.einsum.reduce is not None]
    if len(sums) != 1 or group.tiles or not _is_contraction(sums[0]):
        return None
    view = sums[0]
    if any(value not in group.operands for value in view.operands) or len(group.yielded) < 1:
        return None
    if not _same_points(group, view):
        return None
    shapes = [shape_of(value) for value in view.operands]
    if any(group.leaves(access, shape) for access, shape in zip(view.einsum.accesses, shapes, strict=True)):
        return None
    first, second = (flat(access, shape) for access, shape in zip(view.einsum.accesses, shapes, strict=True))
    order = (0, 1) if _belongs(view, first, second) else (1, 0)
    left, right = (first, second) if order == (0, 1) else (second, first)
    values = [view.operands[number] for number in order]
    return _sorted(group, view, values, left, right)


def _is_contraction(view: EinsumView) -> bool:
    return (view.einsum.map, view.einsum.reduce) == ("mul", "sum") and len(view.einsum.accesses) == 2


def _same_points(group: Group, view: EinsumView) -> bool:
    """Whether every result has the product's ranks, and nothing reads the product at another point."""
    ranks = set(view.einsum.output.ranks)
    for value in group.yielded:
        made = group.made.get(value)
        if made is None or set(made.einsum.output.ranks) != ranks:
            return False
    for other in group.views:
        for access, value in zip(other.einsum.accesses, other.operands, strict=True):
            if value == view.result and access.plain != view.einsum.output.plain:
                return False
    return True


def _belongs(view: EinsumView, first: Index, second: Index) -> bool:
    """Whether the second operand has the result's last rank, so that its columns lie side by side."""
    own, other = set(first.ranks), set(second.ranks)
    for rank in reversed(view.einsum.output.ranks):
        if (rank in own) != (rank in other):
            return rank in other
    return True


def flat(access: Access, shape: Sequence[int]) -> Index:
    """An access as one index into its tensor laid out in a row."""
    total = Index()
    for axis, index in enumerate(access.index):
        step = prod(shape[axis + 1 :])
        terms = tuple((rank, coeff * step) for rank, coeff in index.terms)
        total = Index((*total.terms, *terms), total.const + index.const * step)
    return total.substitute({})


def _sorted(
    group: Group, view: EinsumView, values: Sequence[ir.Value], left: Index, right: Index
) -> Product | None:
    at_left, at_right = dict(left.terms), dict(right.terms)
    kinds: dict[str, list[str]] = {"batch": [], "rows": [], "columns": [], "depth": []}
    for rank in view.einsum.ranks:
        extent = group.extents[rank]
        inside = (rank in at_left, rank in at_right)
        if extent == 1:
            continue
        if rank in view.einsum.reduced:
            if inside != (True, True):
                return None
            kinds["depth"].append(rank)
        elif inside == (False, False):
            return None
        else:
            kinds["batch" if all(inside) else "rows" if inside[0] else "columns"].append(rank)
    kinds["depth"].sort(key=lambda rank: -at_right[rank])
    axes = {kind: _axes(ranks, group.extents, at_left, at_right) for kind, ranks in kinds.items()}
    return Product(group, view, values[0], values[1], **axes, starts=(left.const, right.const))


def _axes(
    ranks: Sequence[str], extents: dict[str, int], left: dict[str, int], right: dict[str, int]
) -> tuple[Axis, ...]:
    found: list[Axis] = []
    for rank in ranks:
        axis = Axis(((rank, extents[rank]),), left.get(rank, 0), right.get(rank, 0))
        if found and (found[-1].left, found[-1].right) == (axis.left * axis.extent, axis.right * axis.extent):
            before = found.pop()
            axis = Axis((*before.ranks, *axis.ranks), axis.left, axis.right)
        found.append(axis)
    return tuple(found)


def offset_text(axes: Sequence[Axis], number: str, side: str) -> str:
    """Where a flat coordinate lies in an operand, as C.

    Args:
        axes: that the number counts through, the last fastest.
        number: the flat coordinate.
        side: ``left`` or ``right``.
    """
    terms, step = [], 1
    for place, axis in reversed(list(enumerate(axes))):
        text = number if step == 1 else f"{number} / {step}"
        text = text if place == 0 else f"{text} % {axis.extent}"
        stride = getattr(axis, side)
        if stride:
            terms.append(text if stride == 1 and place == 0 and step == 1 else f"({text}) * {stride}LL")
        step *= axis.extent
    return " + ".join(reversed(terms)) or "0"


def coordinates(axes: Sequence[Axis], number: str) -> list[str]:
    """Declarations of the ranks that a flat coordinate stands for."""
    lines, step = [], 1
    ranks = [rank for axis in axes for rank in axis.ranks]
    for place, (rank, extent) in reversed(list(enumerate(ranks))):
        text = number if step == 1 else f"{number} / {step}"
        lines.append(f"const int {rank} = {text if place == 0 else f'{text} % {extent}'};")
        step *= extent
    return lines
