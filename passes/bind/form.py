"""One-pass cascades to bind: made from a cascade as written, or out of the groups of a model."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.build import strings
from ...ir.cascade import FUSED, ITERATE, walk
from ...ir.errors import PlanError
from ...ir.mlir import ir
from ...ir.view import Cascade
from ..analyse import PassCount, count_passes, extract_cascade
from ..fuse import one_pass
from ..fuse.defer import defer
from ..fuse.iterate import NotIterable, Tiling, iterate

_NODES = "penstock.nodes"


def one_pass_form(cascade: Cascade, tile: int) -> Cascade:
    """The cascade with a rank made generational, `tile` coordinates in a generation.

    The rank is the one with the most passes; of equals, one that no result keeps and most Einsums reduce.

    Raises:
        PlanError: several passes remain, whatever is rewritten.
    """
    if cascade.generational is not None:
        return cascade
    count = _streamed(cascade)
    where = f"over {count.rank}"
    if len(count.family) > 1:
        raise PlanError(
            f"its rank is split and makes {count.passes} passes",
            where=where,
            accepted="the whole rank, or a generational one",
        )
    if count.rank not in cascade.extents:
        raise PlanError("the rank has no extent", where=where, accepted=f"--shape {count.rank}=1024")
    if count.passes > 1:
        found = one_pass(cascade, count.rank, tile)
        if found is None or found.passes_after > 1:
            raise PlanError(f"makes {count.passes} passes that do not become one", where=where)
        return found.after
    extent = cascade.extents[count.rank]
    try:
        return iterate(defer(cascade, count.rank)[0], Tiling(count.rank, extent, min(tile, extent)))[0]
    except NotIterable as error:
        raise PlanError(f"has no iterative form: {error}", where=where) from error


def _streamed(cascade: Cascade) -> PassCount:
    kept = {rank for e in cascade.all if e.output.tensor in cascade.results for rank in e.output.ranks}
    counts = [count_passes(cascade, family[0], family) for family in cascade.families()]
    return max(
        counts,
        key=lambda count: (
            count.passes,
            not kept & set(count.family),
            sum(bool(set(einsum.reduced) & set(count.family)) for einsum in cascade.all),
        ),
    )


def iterative_groups(module: ir.Module) -> Iterator[tuple[str, Cascade]]:
    """The groups of a fused module that iterate over a rank: what leaves each by name, and its cascade."""
    for op in walk(module.operation):
        if op.name == FUSED and any(each.name == ITERATE for each in walk(op)):
            nodes = strings(op, _NODES) if _NODES in op.attributes else ()
            yield next(filter(None, reversed(nodes)), "group"), extract_cascade(op)


def bindable(source: str, module: ir.Module) -> dict[str, Cascade]:
    """The distinct iterative cascades of a fused module, each under the name of the first layer that has it.

    Raises:
        PlanError: there is none.
    """
    found: dict[str, Cascade] = {}
    for name, cascade in iterative_groups(module):
        if cascade not in found.values():
            found[name if name not in found else f"{name}_{len(found) + 1}"] = cascade
    if not found:
        raise PlanError(
            "no group iterates over a rank",
            where=source,
            accepted="a model with attention, or a .txt cascade",
        )
    return found
