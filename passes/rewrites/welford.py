"""Variance in one pass without cancelling: mean and sum of squared deviations are carried over tiles.

Two sets of p and q points with means a and b and deviations V and W have ``V + W + (a - b)²·p·q/(p+q)``
together (Welford 1962; Chan, Golub and LeVeque 1983). A tile's own deviation is taken from its own mean, so
no difference of large sums is formed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir.einsum import Access, Coord, Einsum, Index, Literal, Operand
from ...ir.view import Cascade
from ..fuse.defer import prune
from ..fuse.iterate import NotIterable, Tiling, iterate
from ..fuse.steps import Step, fresh_name
from .sharing import share


@dataclass(frozen=True)
class _Deviation:
    """``total = sum[m] square(centred)``, ``centred = sub(source, mean)``, the mean that of the source."""

    total: Einsum
    centred: Einsum
    source: Access


def welford(cascade: Cascade, tiling: Tiling, nonzero: frozenset[str]) -> tuple[Cascade, list[Step]] | None:
    """The iterative form of a cascade with a sum of squared deviations from a mean.

    Args:
        cascade: a cascade without a generational rank, deferred as far as possible.
        tiling: the rank to split and its tile; the largest divisor of the rank up to it is taken.
        nonzero: closed tensors known never to be zero.

    Returns:
        The cascade and its derivation, None where there is no such sum or something else has no such form.
    """
    extent = tiling.extent
    tile = max(size for size in range(1, tiling.tile + 1) if extent % size == 0)
    tiling = replace(tiling, tile=tile)
    found = _deviation(cascade, tiling)
    if found is None:
        return None
    left = tuple(einsum for einsum in cascade.einsums if einsum != found.total)
    rest = replace(cascade, einsums=left, outputs=cascade.results)
    try:
        carried, steps = iterate(_unread_gone(rest, found), tiling, nonzero)
    except NotIterable:
        return None
    return _joined(cascade, carried, steps, found, tiling)


def _deviation(cascade: Cascade, tiling: Tiling) -> _Deviation | None:
    """The first sum of squared deviations from the mean over the rank."""
    producers = {einsum.output.tensor: einsum for einsum in cascade.einsums}

    def made(operand: Operand, operators: tuple[str, ...]) -> Einsum | None:
        producer = producers.get(operand.tensor) if isinstance(operand, Access) else None
        fits = producer is not None and producer.output == operand and producer.map in operators
        return producer if fits else None

    for total in cascade.einsums:
        squares = total.map == "square" or (total.map == "mul" and len(set(total.operands)) == 1)
        if not squares or total.reduce != "sum" or total.reduced != (tiling.rank,):
            continue
        centred = made(total.operands[0], ("sub",))
        if centred is None or centred.reduce is not None or not isinstance(centred.operands[0], Access):
            continue
        source = centred.operands[0]
        mean = made(centred.operands[1], ("mul", "div"))
        summed = made(mean.operands[0], ("id",)) if mean is not None else None
        if mean is None or summed is None or not isinstance(mean.operands[1], Literal):
            continue
        points = mean.operands[1].value if mean.map == "div" else 1.0 / (mean.operands[1].value or 1.0)
        over = summed.reduce == "sum" and summed.reduced == (tiling.rank,) and summed.operands == (source,)
        if over and mean.reduce is None and abs(points - tiling.extent) < 1e-9 * tiling.extent:
            return _Deviation(total, centred, source)
    return None


def _unread_gone(cascade: Cascade, found: _Deviation) -> Cascade:
    """Without the centred stream, where only the deviation read it."""
    name = found.centred.output.tensor
    read = any(access.tensor == name for einsum in cascade.einsums for access in einsum.accesses)
    kept = tuple(einsum for einsum in cascade.einsums if read or einsum != found.centred)
    return replace(cascade, einsums=kept)


def _joined(
    cascade: Cascade, carried: Cascade, steps: list[Step], found: _Deviation, tiling: Tiling
) -> tuple[Cascade, list[Step]] | None:
    """The iteration with the deviation carried in it; what waits for the deviation comes after."""
    late = _waiting(carried, found.total.output.tensor)
    body = [e for e in carried.einsums if tiling.outer in e.output.ranks]
    after = [e for e in carried.einsums if e not in body]
    if any(einsum.output.tensor in late for einsum in body):
        return None
    early = [einsum for einsum in carried.init if einsum.output.tensor not in late]
    moved = [einsum for einsum in carried.init if einsum.output.tensor in late]
    starts, made, end = _carried(cascade, carried, found, tiling)
    whole = replace(
        carried,
        init=(*early, *starts),
        einsums=(*body, *made, end, *moved, *after),
        stop=f"{tiling.outer} >= {tiling.generations}",
        outputs=cascade.results,
    )
    why = (
        f"{found.total.output.tensor} sums squared deviations from a mean: those of the earlier tiles and of "
        "a tile, each from its own mean, differ from those of both by the square of the means' distance"
    )
    step = Step("welford", (found.centred, found.total), (*made, end), why, True)
    return prune(share(whole)), [*steps, step]


def _waiting(cascade: Cascade, tensor: str) -> set[str]:
    """Tensors made of a tensor, itself left out."""
    reached = {tensor}
    for einsum in cascade.all:
        if any(access.tensor in reached for access in einsum.accesses):
            reached.add(einsum.output.tensor)
    return reached - {tensor}


def _carried(
    cascade: Cascade, carried: Cascade, found: _Deviation, tiling: Tiling
) -> tuple[list[Einsum], list[Einsum], Einsum]:
    """First generations, Einsums of a generation, and the Einsum that reads the last one."""
    taken = {*carried.written, *carried.inputs, *cascade.written}
    output = found.total.output
    outer, inner = Index.of(tiling.outer), Index.of(tiling.inner)
    following = Index(((tiling.outer, 1),), 1)
    made: list[Einsum] = []

    def add(prefix: str, index: tuple[Index, ...], operator: str, *operands: Operand) -> Access:
        name = fresh_name(f"{prefix}{output.tensor}", taken)
        taken.add(name)
        target = Access(name, (*index, *output.index))
        made.append(Einsum(target, operator, operands))
        return target

    def fold(access: Access) -> Access:
        made[-1] = replace(made[-1], reduce="sum", reduced=(tiling.inner,))
        return access

    tile = _in_tiles(cascade, found.source, tiling)
    total = fold(add("T", (outer,), "id", tile))
    mean = add("M", (outer,), "mul", total, Literal(1.0 / tiling.tile))
    centred = add("C", (outer, inner), "sub", tile, mean)
    local = fold(add("L", (outer,), "square", centred))
    running = Access(fresh_name(f"A{output.tensor}", taken), (outer, *output.index))
    taken.add(running.tensor)
    distance = add("D", (outer,), "sub", mean, running)
    share_of = add("G", (outer,), "div", distance, Coord(following))
    made.append(Einsum(Access(running.tensor, (following, *output.index)), "add", (running, share_of)))
    squared = add("Q", (outer,), "square", distance)
    weight = Access(fresh_name(f"W{output.tensor}", taken), (outer,))
    taken.add(weight.tensor)
    earlier = Coord(Index(((tiling.outer, tiling.tile),)))
    made.append(Einsum(weight, "div", (earlier, Coord(following))))
    between = add("B", (outer,), "mul", squared, weight)
    gained = add("E", (outer,), "add", local, between)
    deviation = Access(fresh_name(f"R{output.tensor}", taken), (outer, *output.index))
    made.append(Einsum(Access(deviation.tensor, (following, *output.index)), "add", (deviation, gained)))

    first, last = Index((), 0), Index((), tiling.generations)
    starts = [
        Einsum(Access(each.tensor, (first, *output.index)), "id", (Literal(0.0),))
        for each in (running, deviation)
    ]
    return starts, made, Einsum(output, "id", (Access(deviation.tensor, (last, *output.index)),))


def _in_tiles(cascade: Cascade, access: Access, tiling: Tiling) -> Access:
    """What is summed, tile by tile: an input at an expression, what is made here by its two parts."""
    if access.tensor not in cascade.written:
        return access.substitute({tiling.rank: tiling.index})
    indices: list[Index] = []
    for index in access.index:
        parts = [Index.of(tiling.outer), Index.of(tiling.inner)]
        indices += parts if index.plain == tiling.rank else [index]
    return Access(access.tensor, tuple(indices))
