"""Plain loops: walks every trip of a nest of one Einsum and counts what moves, the slow and obvious way."""

from __future__ import annotations

import itertools
from collections import defaultdict

from penstock.ir.view import Cascade
from penstock.sim.cost.spatial.mapping import Nest


def walk(cascade: Cascade, nest: Nest, *, inside: bool = False) -> dict[str, dict[str, int]]:
    """Elements fetched, re-fetched and stored, by tensor, of a nest with one Einsum of plain indices.

    With `inside`, the loops inside DRAM tiles are walked too, and every visit counts 1: vectors.
    """
    (einsum,) = cascade.einsums
    splits, extents = nest.splits, cascade.extents
    dram = [*nest.dram_order, *(r for r in einsum.ranks if r not in nest.dram_order)]
    loops = [("outer", rank) for rank in dram]
    if inside:
        rest = [r for r in einsum.ranks if r not in (*nest.buffer_order, *nest.tile_order)]
        loops += [("inner", rank) for rank in (*nest.buffer_order, *rest, *nest.tile_order)]
    tensors = {access.tensor: access.ranks for access in einsum.accesses}
    output = einsum.output.tensor
    tensors[output] = einsum.output.ranks
    now: dict[str, tuple[int, ...] | None] = dict.fromkeys(tensors)
    seen: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    counts: dict[str, dict[str, int]] = {name: {"read": 0, "written": 0} for name in tensors}
    for trips in itertools.product(*(range(getattr(splits[rank], level)) for level, rank in loops)):
        at = dict(zip(loops, trips, strict=True))
        for name, ranks in tensors.items():
            tile = tuple(at[loop] for loop in loops if loop[1] in ranks)
            if tile == now[name]:
                continue
            size = 1
            for rank in ranks if not inside else ():
                tall = splits[rank].inner * splits[rank].spatial
                size *= min(tall, extents[rank] - at["outer", rank] * tall)
            now[name] = tile
            if name == output:
                counts[name]["written"] += size
                counts[name]["read"] += size if tile in seen[name] else 0
                seen[name].add(tile)
            else:
                counts[name]["read"] += size
    return counts
