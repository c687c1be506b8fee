"""Tile sizes of the outer ranks: enough tiles for the threads, each small enough for L2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from ..isa import Isa
from .contraction import Contraction
from .group import Group, Step
from .lanes import BITS

_TILES = 8  # at least so many, when the work is worth splitting
_POINTWISE = 4096  # elements of a tile without contractions
_PANEL_LANES, _PANEL_ROWS = 112, 256
_PANEL = 1 << 20  # bytes of a tile's panel
_SPLIT_LANES = 8  # vectors of lanes that are still halved: halves are whole panels, so layouts stay the same
_WORTH = 1 << 18  # multiply-adds below which a kernel is not split further


def choose_tiles(
    group: Group,
    extents: Mapping[str, int],
    contractions: Mapping[Step, Contraction],
    panels: set[Step],
    isa: Isa,
) -> dict[str, int]:
    """Tile of every outer rank; a tile of 1 makes the rank a plain loop."""
    tiles = dict.fromkeys(group.parallel, 1)
    if contractions:
        _for_contractions(group, extents, contractions, panels, isa, tiles)
    else:
        _for_nests(group, extents, isa, tiles)
    lanes = {rank for contraction in contractions.values() for rank in contraction.lanes}
    shared = lanes | {rank for contraction in contractions.values() for rank in contraction.rows}
    for rank, size in group.tiles.items():
        # Points that share no operand, as heads do where there is one query, gain nothing by going together.
        if rank in tiles and (rank in shared or not contractions):
            tiles[rank] = _within(extents[rank], size, isa.lanes(32) if rank in lanes else 1)
    return tiles


def _within(extent: int, size: int, step: int) -> int:
    """The multiple of `step` from half of `size` up to it that covers the extent with the fewest points."""
    sizes = range(-(-size // 2 // step) * step, size + 1, step)
    best = min(sizes, key=lambda n: (-(-extent // max(n, 1)) * n, -n), default=0)
    return min(extent, best or -(-size // step) * step)


def _fill(
    ranks: Sequence[str], extents: Mapping[str, int], tiles: dict[str, int], target: int, granule: int
) -> None:
    """Take whole ranks from the innermost outwards, then part of one, up to `target` points."""
    filled = 1
    for rank in reversed(ranks):
        extent = extents[rank]
        if rank not in tiles:
            filled *= extent
            continue
        size = min(extent, max(1, target // filled))
        if size < extent:
            step = granule if filled == 1 else 1
            size = _even(extent, size, step)
        tiles[rank] = max(tiles[rank], size)
        filled *= size
        if size < extent:
            return


def _even(extent: int, size: int, step: int) -> int:
    """A multiple of `step` near `size`: one that divides the extent if there is one, else an even split."""
    exact = [n for n in range(step, extent, step) if extent % n == 0 and size // 2 < n <= size * 3 // 2]
    if exact:
        return min(exact, key=lambda n: abs(n - size))
    split = -(-extent // -(-extent // size))
    return min(extent, -(-split // step) * step)


def _for_contractions(
    group: Group,
    extents: Mapping[str, int],
    contractions: Mapping[Step, Contraction],
    panels: set[Step],
    isa: Isa,
    tiles: dict[str, int],
) -> None:
    work = {step: prod(step.extents[r] for r in step.einsum.ranks) for step in contractions}
    main = max(work, key=lambda step: work[step])
    plan, panel = contractions[main], main in panels
    count = isa.lanes(BITS[main.output.element])
    deep = prod(extents[rank] for rank in plan.depth)
    wide = _PANEL_LANES if panel else isa.blocking.lanes
    if panel:
        wide = max(count, min(wide, _PANEL // (4 * deep)) // count * count)
    _fill(plan.lanes, extents, tiles, wide, count)
    width = prod(tiles.get(rank, extents[rank]) for rank in plan.lanes)
    high = _PANEL_ROWS if panel else isa.blocking.rows
    _fill(plan.rows, extents, tiles, max(8, min(high, 3 * isa.l2_bytes // 8 // (4 * width))), 1)
    if work[main] >= _WORTH:
        _split(plan, extents, tiles, count)


def _split(plan: Contraction, extents: Mapping[str, int], tiles: dict[str, int], count: int) -> None:
    """Halve rows or lanes until there are tiles enough.

    A tile twice as wide as high is kept longest: rows may have to be copied, which more lanes share.
    """
    while _count(extents, tiles) < _TILES:
        rows = [r for r in plan.rows if r in tiles and tiles[r] > 16]
        lanes = [r for r in plan.lanes if r in tiles and tiles[r] >= _SPLIT_LANES * count]
        best = max([*lanes, *rows], key=lambda r: tiles[r] * (1 if r in lanes else 2), default=None)
        if best is None:
            return
        half = -(-tiles[best] // 2)
        tiles[best] = -(-half // count) * count if best in plan.lanes else half


def _count(extents: Mapping[str, int], tiles: Mapping[str, int]) -> int:
    return prod(-(-extents[rank] // size) for rank, size in tiles.items())


def _for_nests(group: Group, extents: Mapping[str, int], isa: Isa, tiles: dict[str, int]) -> None:
    """Whole rows of the largest output, up to a few thousand elements."""
    outputs = [step.output for step in group.steps() if step.output.argument is not None]
    ranks = max((o.ranks for o in outputs), key=lambda r: prod(_known(r, extents)), default=())
    total = prod(_known(ranks, extents))
    _fill(ranks, extents, tiles, max(64, min(_POINTWISE, total // _TILES)), isa.lanes(32))


def _known(ranks: Iterable[str], extents: Mapping[str, int]) -> list[int]:
    return [extents[rank] for rank in ranks]
