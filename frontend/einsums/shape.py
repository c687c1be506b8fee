"""Views: merges and splits are free reshapes, everything else relabels ranks in a copy Einsum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...ir.einsum import Coord, Index, Literal
from ..body import Body, NoForm
from ..tensor import IndexLike, Tensor, affine, distinct, fresh, literal, size_of, to_index
from .table import form


def relabel(
    body: Body, x: Tensor, out: Sequence[str], read: Sequence[IndexLike], shape: Sequence[int]
) -> Tensor:
    """``out = x[read]`` with extents `shape`; a literal or a coordinate stays one."""
    if isinstance(x.form, Literal):
        return x.reshaped(shape, out, None)
    if isinstance(x.form, Coord):
        table = {rank: Index.of(str(place)) for place, rank in enumerate(out)}
        places = {str(place): to_index(item).substitute(table) for place, item in enumerate(read)}
        return replace(x.reshaped(shape, out, None), form=Coord(x.form.index.substitute(places)))
    return body.einsum(out, "id", x.at(read), extents=dict(zip(out, shape, strict=True)), dtype=x.dtype)


@form("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.view_copy.default",
      "aten.flatten", "aten.unflatten", "aten.squeeze", "aten.unsqueeze", "aten.squeeze_copy",
      "aten.unsqueeze_copy", "aten.ravel.default", "aten.reshape_as.default", "aten.view_as.default",
      "aten.atleast_1d.default", "aten.atleast_2d.default", "aten.atleast_3d.default",
      "aten._reshape_alias.default")  # fmt: skip
def view(body: Body, x: Tensor, *_: object, **__: object) -> Tensor:
    """The same elements in row-major order under the shape that PyTorch worked out."""
    if x.dtype != body.dtype:
        raise NoForm("a view of the bits as another type")
    return body.reshape(x, body.shape)


@form("aten.permute.default", "aten.permute_copy.default")
def permute(body: Body, x: Tensor, order: Sequence[int]) -> Tensor:
    """Dimensions in another order."""
    count = len(x.shape)
    order = [place % count for place in order]
    ranks = distinct(x.rank_names)
    shape = tuple(x.shape[place] for place in order)
    out = tuple(ranks[place] for place in order)
    moved = [place for place in order if x.shape[place] != 1]
    if moved == sorted(moved):
        return body.reshape(x, shape, out)
    return relabel(body, x, out, ranks, shape)


@form("aten.transpose.int", "aten.transpose_copy.int", "aten.swapaxes.default", "aten.swapdims.default")
def transpose(body: Body, x: Tensor, first: int, second: int) -> Tensor:
    """Two dimensions exchanged."""
    order = list(range(len(x.shape)))
    if order:
        order[first], order[second] = order[second], order[first]
    return permute(body, x, order)


@form("aten.t.default", "aten.t_copy.default", "aten.numpy_T.default", "aten.mT.default",
      "aten.adjoint.default", "aten.matrix_H.default", "aten.mH.default")  # fmt: skip
def turn(body: Body, x: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    return transpose(body, x, -1, -2) if len(x.shape) > 1 else x


@form("aten.movedim.intlist", "aten.movedim.int", "aten.moveaxis.intlist", "aten.moveaxis.int")
def movedim(body: Body, x: Tensor, source: Sequence[int] | int, target: Sequence[int] | int) -> Tensor:
    """Dimensions moved to new places, the others kept in order."""
    count = len(x.shape)
    one, two = ([item] if isinstance(item, int) else list(item) for item in (source, target))
    placed = {there % count: here % count for here, there in zip(one, two, strict=True)}
    rest = iter(place for place in range(count) if place not in placed.values())
    return permute(body, x, [placed[place] if place in placed else next(rest) for place in range(count)])


@form(
    "aten.expand.default", "aten.expand_copy.default", "aten.broadcast_to.default", "aten.expand_as.default"
)
def expand_to(body: Body, x: Tensor, *_: object, **__: object) -> Tensor:
    """Repetition along dimensions of extent 1 and new leading dimensions."""
    return expand(body, x, body.shape)


def expand(body: Body, x: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor broadcast to a shape."""
    target = tuple(shape)
    new = len(target) - len(x.shape)
    kept = x.rank_names
    lead = [fresh("b", kept)] if new == 1 else [f"i{place}" for place in range(new)]
    out = distinct([*lead, *kept])
    if size_of(target) == size_of(x.shape):
        return body.reshape(x, target, out)
    read = [0 if here == 1 and there != 1 else rank
            for here, there, rank in zip(x.shape, target[new:], out[new:], strict=True)]  # fmt: skip
    return relabel(body, x, out, read, target)


@form("aten.repeat.default", "aten.tile.default")
def repeat(body: Body, x: Tensor, times: Sequence[int]) -> Tensor:
    """Copies side by side: a new rank beside each repeated dimension, then merged."""
    times = [1] * (len(x.shape) - len(times)) + list(times)
    x = body.reshape(x, (1,) * (len(times) - len(x.shape)) + x.shape)
    out: list[str] = []
    shape: list[int] = []
    for place, (count, extent) in enumerate(zip(times, x.shape, strict=True)):
        out += [f"t{place}", f"i{place}"]
        shape += [count, extent]
    copied = relabel(body, x, out, out[1::2], shape)
    return body.reshape(copied, body.shape)


@form("aten.repeat_interleave.self_int")
def repeat_interleave(
    body: Body, x: Tensor, times: int, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element several times in a row."""
    if dim is None:
        x, dim = body.reshape(x, (size_of(x.shape),)), 0
    dim %= len(x.shape)
    ranks = list(distinct(x.rank_names))
    out = [*ranks[: dim + 1], fresh("r", ranks), *ranks[dim + 1 :]]
    shape = [*x.shape[: dim + 1], times, *x.shape[dim + 1 :]]
    return body.reshape(relabel(body, x, out, ranks, shape), body.shape)


def part(body: Body, x: Tensor, dim: int, start: int, count: int, step: int = 1) -> Tensor:
    """`count` elements along a dimension from `start` on."""
    extent = x.shape[dim]
    if (start, step) == (0, 1) and count == extent:
        return x
    ranks = list(distinct(x.rank_names))
    shape = [*x.shape[:dim], count, *x.shape[dim + 1 :]]
    if not count:  # one of several pieces; whoever reads it is refused
        return literal(0, x.dtype, shape)
    read: list[IndexLike] = list(ranks)
    if step == 1 and extent % count == 0 and start % count == 0 and x.value is not None:
        pieces = (*x.shape[:dim], extent // count, count, *x.shape[dim + 1 :])
        split = body.reshape(x, pieces)
        return relabel(body, split, ranks, [*read[:dim], start // count, *read[dim:]], shape)
    if (start, step) == (0, 1) and x.value is not None:
        return shifted(body, x, {dim: 0}, shape)
    read[dim] = affine({ranks[dim]: step}, start)
    return relabel(body, x, ranks, read, shape)


def shifted(body: Body, x: Tensor, starts: dict[int, int], shape: Sequence[int]) -> Tensor:
    """The tensor read from other starts under another shape; places outside it are zero.

    An index that is a plain rank has its tensor's extent, so a shift of zero needs a rank of extent 1
    beside it: ``Y[i,u] = X[i+u]``.
    """
    ranks = distinct(x.rank_names)
    unit = fresh("u", ranks)
    read: list[IndexLike] = list(ranks)
    alone = False
    for dim, start in starts.items():
        if start:
            read[dim] = affine({ranks[dim]: 1}, start)
        elif x.shape[dim] != shape[dim]:
            read[dim] = affine({ranks[dim]: 1, unit: 1})
            alone = True
    x = body.materialised(x)
    if not alone:
        return relabel(body, x, ranks, read, shape)
    return body.reshape(relabel(body, x, (*ranks, unit), read, (*shape, 1)), tuple(shape), ranks)


@form("aten.slice.Tensor", "aten.slice_copy.Tensor")
def slice_(
    body: Body, x: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """Every step-th element from start up to end."""
    dim %= len(x.shape)
    first, last, _ = slice(start, end, step).indices(x.shape[dim])
    return part(body, x, dim, first, len(range(first, last, step)), step)


@form("aten.narrow.default", "aten.narrow_copy.default")
def narrow(body: Body, x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` elements from start on."""
    dim %= len(x.shape)
    return part(body, x, dim, start % x.shape[dim], length)


@form("aten.select.int", "aten.select_copy.int")
def select(body: Body, x: Tensor, dim: int, place: int) -> Tensor:
    """One coordinate of a dimension."""
    dim %= len(x.shape)
    ranks = list(distinct(x.rank_names))
    out = [*ranks[:dim], *ranks[dim + 1 :]]
    shape = [*x.shape[:dim], *x.shape[dim + 1 :]]
    if x.shape[dim] == 1:
        return body.reshape(x, shape, out)
    return relabel(body, x, out, [*ranks[:dim], place % x.shape[dim], *ranks[dim + 1 :]], shape)


@form("aten.split.Tensor", "aten.split_copy.Tensor", "aten.split.sizes", "aten.split_with_sizes.default",
      "aten.split_with_sizes_copy.default")  # fmt: skip
def split(body: Body, x: Tensor, size: int | Sequence[int], dim: int = 0) -> list[Tensor]:
    """Consecutive pieces."""
    dim %= len(x.shape)
    if isinstance(size, int):
        extent = x.shape[dim]
        size = [min(size, extent - start) for start in range(0, extent, size)]
    starts = [sum(size[:place]) for place in range(len(size))]
    return [part(body, x, dim, start, count) for start, count in zip(starts, size, strict=True)]


@form("aten.chunk.default", "aten.unsafe_chunk.default")
def chunk(body: Body, x: Tensor, count: int, dim: int = 0) -> list[Tensor]:
    """At most `count` pieces of equal length, the last one shorter."""
    return split(body, x, -(-x.shape[dim] // count), dim)


@form("aten.tensor_split.sections")
def tensor_split(body: Body, x: Tensor, count: int, dim: int = 0) -> list[Tensor]:
    """`count` pieces, the first ones longer by one where it does not divide."""
    each, more = divmod(x.shape[dim], count)
    return split(body, x, [each + (place < more) for place in range(count)], dim)


@form("aten.unbind.int", "aten.unbind_copy.int")
def unbind(body: Body, x: Tensor, dim: int = 0) -> list[Tensor]:
    """Every coordinate of a dimension on its own."""
    return [select(body, x, dim, place) for place in range(x.shape[dim])]


@form("aten.fliplr.default")
def fliplr(body: Body, x: Tensor) -> Tensor:
    """The second dimension read backwards."""
    return flip(body, x, (1,))


@form("aten.flipud.default")
def flipud(body: Body, x: Tensor) -> Tensor:
    """The first dimension read backwards."""
    return flip(body, x, (0,))


@form("aten.flip.default")
def flip(body: Body, x: Tensor, dims: Sequence[int]) -> Tensor:
    """Dimensions read backwards: index N-1-i."""
    ranks = distinct(x.rank_names)
    back = {dim % len(x.shape) for dim in dims}
    read = [
        affine({rank: -1}, extent - 1) if place in back else Index.of(rank)
        for place, (rank, extent) in enumerate(zip(ranks, x.shape, strict=True))
    ]
    return relabel(body, x, ranks, read, x.shape)


@form("aten.diagonal.default", "aten.diagonal_copy.default")
def diagonal(body: Body, x: Tensor, offset: int = 0, first: int = 0, second: int = 1) -> Tensor:
    """The elements whose coordinates on two dimensions differ by the offset, as the last dimension."""
    count = len(x.shape)
    first, second = first % count, second % count
    extent = body.shape[-1]
    x = part(body, part(body, x, first, max(-offset, 0), extent), second, max(offset, 0), extent)
    names = [f"i{place}" for place in range(count)]
    read = ["d" if place in (first, second) else name for place, name in enumerate(names)]
    out = [name for place, name in enumerate(names) if place not in (first, second)]
    return relabel(body, x, [*out, "d"], read, body.shape)


@form("aten.diag_embed.default")
def diag_embed(body: Body, x: Tensor, offset: int = 0, first: int = -2, second: int = -1) -> Tensor:
    """The last dimension on the diagonal of a matrix of zeros."""
    if offset or (first % len(body.shape), second % len(body.shape)) != (
        len(body.shape) - 2,
        len(body.shape) - 1,
    ):
        raise NoForm("a diagonal off the last two dimensions")
    extents = {"i": x.shape[-1], "j": x.shape[-1]}
    same = body.einsum(("i", "j"), "eq", Coord(Index.of("i")), Coord(Index.of("j")), extents=extents)
    names = [f"b{place}" for place in range(len(x.shape) - 1)]
    x = body.materialised(x)
    zero = 0.0 if x.dtype.is_floating_point else 0
    return body.einsum([*names, "i", "j"], "where", same["i", "j"], x.at([*names, "i"]), zero, dtype=x.dtype)


@form("aten.unfold.default", "aten.unfold_copy.default")
def unfold(body: Body, x: Tensor, dim: int, size: int, step: int) -> Tensor:
    """Windows over a dimension, as a new last dimension: index step·i + w."""
    ranks = list(distinct(x.rank_names))
    dim %= len(x.shape)
    window = fresh("w", ranks)
    read: list[IndexLike] = list(ranks)
    read[dim] = affine({ranks[dim]: step, window: 1})
    return relabel(body, x, [*ranks, window], read, body.shape)


@form("aten.pixel_shuffle.default", "aten.pixel_unshuffle.default")
def pixel_shuffle(body: Body, x: Tensor, factor: int) -> Tensor:
    """Channels to places inside a block, or back."""
    height, width = x.shape[-2:]
    lead = x.shape[:-3]
    names = [f"b{place}" for place in range(len(lead))]
    if body.shape[-1] > width:
        split = body.reshape(x, (*lead, body.shape[-3], factor, factor, height, width))
        read, out = [*names, "c", "r", "s", "y", "x"], [*names, "c", "y", "r", "x", "s"]
        shape = (*lead, body.shape[-3], height, factor, width, factor)
    else:
        split = body.reshape(x, (*lead, x.shape[-3], body.shape[-2], factor, body.shape[-1], factor))
        read, out = [*names, "c", "y", "r", "x", "s"], [*names, "c", "r", "s", "y", "x"]
        shape = (*lead, x.shape[-3], factor, factor, *body.shape[-2:])
    return body.reshape(relabel(body, split, out, read, shape), body.shape)
