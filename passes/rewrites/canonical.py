"""What a cascade computes and how, apart from the names of what stays inside and the order of writing."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ...ir.einsum import Access, Coord, Einsum, Index
from ...ir.view import Cascade

_COMMUTES = ("add", "mul", "max", "min", "and", "or", "eq", "ne")


def canonical(cascade: Cascade) -> str:
    """A digest that is equal for cascades that do the same work on the same inputs."""
    fixed = {*cascade.inputs, *cascade.carried}
    digests: dict[str, str] = {name: f"={name}" for name in fixed}
    written: list[str] = []
    for einsum in cascade.all:
        digest = _digest(einsum, digests)
        written.append(f"{digest} {einsum.output}" if einsum.output.tensor in fixed else digest)
        digests.setdefault(einsum.output.tensor, digest)
    results = [f"{name}={digests[name]}" for name in cascade.results]
    extents = sorted(f"{rank}={extent}" for rank, extent in cascade.extents.items())
    return "\n".join([*extents, *sorted(written), *results, cascade.stop])


def _digest(einsum: Einsum, digests: dict[str, str]) -> str:
    """Of one Einsum, with ranks numbered by their place in the output and tensors by what they hold."""
    ranks = {rank: Index.of(f"#{place}") for place, rank in enumerate(einsum.output.ranks)}
    operands: list[str] = []
    for operand in einsum.operands:
        if isinstance(operand, Access):
            named = replace(operand, tensor=digests.get(operand.tensor, operand.tensor))
            operands.append(str(named.substitute(ranks)))
        elif isinstance(operand, Coord):
            operands.append(f"@{operand.index.substitute(ranks)}")
        else:
            operands.append(str(operand))
    if einsum.map in _COMMUTES:
        operands.sort()
    order = ",".join(map(str, einsum.output.substitute(ranks).index))
    folded = f"{einsum.reduce}{sorted(einsum.reduced)}" if einsum.reduce else ""
    text = f"[{order}] {folded} {einsum.map}({';'.join(operands)})"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
