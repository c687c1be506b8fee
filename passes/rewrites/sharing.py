"""Common Einsums: what two names hold the same is computed once."""

from __future__ import annotations

from dataclasses import replace

from ...ir.einsum import Access, Einsum
from ...ir.view import Cascade


def share(cascade: Cascade) -> Cascade:
    """The cascade with equal Einsums written once; results and carried tensors keep their own."""
    fixed = set(cascade.results) | set(cascade.carried)
    alias: dict[str, str] = {}
    kept: list[Einsum] = []
    known: dict[tuple[object, ...], str] = {}
    for einsum in cascade.einsums:
        operands = [alias.get(access.tensor, access.tensor) for access in einsum.accesses]
        renamed = einsum.with_tensors(einsum.output.tensor, operands)
        sizes = tuple(cascade.extents.get(rank) for rank in renamed.reduced)
        key = (renamed.output.index, renamed.map, _operands(renamed), renamed.reduce, sizes)
        name = renamed.output.tensor
        if name not in fixed and key in known:
            alias[name] = known[key]
            continue
        kept.append(renamed)
        if name not in cascade.carried:
            known.setdefault(key, name)
    return replace(cascade, einsums=tuple(kept))


def _operands(einsum: Einsum) -> tuple[object, ...]:
    """Operands with folded ranks numbered in order of appearance."""
    order: dict[str, str] = {}
    for operand in einsum.operands:
        for rank in operand.ranks if isinstance(operand, Access) else ():
            if rank in einsum.reduced:
                order.setdefault(rank, f"#{len(order)}")
    return einsum.renamed(order).operands
