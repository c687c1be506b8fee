"""What a cascade computes and how, apart from the names of what stays inside and the order of writing."""

from __future__ import annotations

import hashlib

from ...ir.einsum import Access, Einsum, Index
from ...ir.view import Cascade

_COMMUTES = ("add", "mul", "max", "min", "and", "or", "eq", "ne")


def canonical(cascade: Cascade) -> str:
    """A digest that is equal for cascades that do the same work on the same inputs."""
    fixed = {*cascade.inputs, *cascade.carried, *cascade.results}
    digests: dict[str, str] = {name: f"={name}" for name in fixed}
    layouts: dict[str, list[int]] = {}
    written: list[str] = []
    for einsum in cascade.all:
        name = einsum.output.tensor
        if name not in fixed:
            order = sorted(range(len(einsum.output.index)), key=lambda place: str(einsum.output.index[place]))
            layouts[name] = order
        digest = _digest(einsum, digests, layouts)
        written.append(f"{digests[name]} {digest}" if name in fixed else digest)
        digests.setdefault(name, digest)
    extents = sorted(f"{rank}={extent}" for rank, extent in cascade.extents.items())
    return "\n".join([*extents, *sorted(written), ",".join(sorted(cascade.results)), cascade.stop])


def _digest(einsum: Einsum, digests: dict[str, str], layouts: dict[str, list[int]]) -> str:
    """Of one Einsum, with tensors named by what they hold and their dimensions in the order of names."""
    operands: list[str] = []
    for operand in einsum.operands:
        if isinstance(operand, Access):
            operand = Access(digests.get(operand.tensor, operand.tensor), _laid_out(operand, layouts))
        operands.append(str(operand))
    if einsum.map in _COMMUTES:
        operands.sort()
    output = ",".join(map(str, _laid_out(einsum.output, layouts)))
    folded = f"{einsum.reduce}{sorted(einsum.reduced)}" if einsum.reduce else ""
    text = f"[{output}] {folded} {einsum.map}({';'.join(operands)})"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _laid_out(access: Access, layouts: dict[str, list[int]]) -> tuple[Index, ...]:
    order = layouts.get(access.tensor, range(len(access.index)))
    return tuple(access.index[place] for place in order)
