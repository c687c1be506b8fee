"""Chains of Einsums that stand for one stage, and how a chain is held against one.

Tensor and rank names of a template are variables; its literals stand for any literal. Operators with
EDGE's left-present rule count as those without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...ir.build import EinsumView
from ...ir.einsum import Access, Einsum, Literal
from ...ir.mlir import ir

SOFTMAX = tuple(
    map(
        Einsum.parse,
        (
            "GM[b,h,p] = max[m] S[b,h,p,m]",
            "SN[b,h,p,m] = exp_sub(S[b,h,p,m], GM[b,h,p])",
            "SD[b,h,p] = sum[m] SN[b,h,p,m]",
            "A[b,h,p,m] = div(SN[b,h,p,m], SD[b,h,p])",
        ),
    )
)
NORM = tuple(
    map(
        Einsum.parse,
        (
            "S[b,s] = sum[n] X[b,s,n]",
            "MU[b,s] = div(S[b,s], 1.0)",
            "XC[b,s,n] = sub(X[b,s,n], MU[b,s])",
            "SQ[b,s] = sum[n] square(XC[b,s,n])",
            "VAR[b,s] = div(SQ[b,s], 1.0)",
            "VE[b,s] = add(VAR[b,s], 1.0)",
            "R[b,s] = rsqrt(VE[b,s])",
            "XN[b,s,n] = mul(XC[b,s,n], R[b,s])",
            "XW[b,s,n] = mul(XN[b,s,n], Weight[n])",
            "Y[b,s,n] = add(XW[b,s,n], Bias[n])",
        ),
    )
)
"""LayerNorm; its literals are the width twice, then epsilon."""

_LEFT = "_left"


@dataclass
class Match:
    """What a template's variables stand for.

    Attributes:
        tensors: template's tensor → value.
        ranks: template's rank → rank, of the Einsum looked at.
        literals: in order.
    """

    tensors: dict[str, ir.Value] = field(default_factory=dict)
    ranks: dict[str, str] = field(default_factory=dict)
    literals: list[float] = field(default_factory=list)


def match(template: Sequence[Einsum], views: Sequence[EinsumView]) -> Match | None:
    """What the variables stand for where the views are the template's chain, else None.

    Nobody but the chain may read what it makes on its way.
    """
    if len(views) < len(template):
        return None
    found = Match()
    for pattern, view in zip(template, views, strict=False):
        if not _unify(pattern, view, found):
            return None
    own = {view.op for view in views[: len(template)]}
    inner = [view.result for view in views[: len(template) - 1]]
    if any(use.owner not in own for value in inner for use in value.uses):
        return None
    return found


def _unify(pattern: Einsum, view: EinsumView, found: Match) -> bool:
    einsum = view.einsum
    same = (
        einsum.map.removesuffix(_LEFT) == pattern.map
        and einsum.reduce == pattern.reduce
        and len(einsum.operands) == len(pattern.operands)
    )
    if not same:
        return False
    found.ranks = {}
    values = iter(view.operands)
    for expected, given in zip(pattern.operands, einsum.operands, strict=True):
        if isinstance(expected, Literal):
            if not isinstance(given, Literal):
                return False
            found.literals.append(float(given.value))
        elif not isinstance(given, Access) or not _same(expected, given, next(values), found):
            return False
    return _same(pattern.output, einsum.output, view.result, found)


def _same(expected: object, given: Access, value: ir.Value, found: Match) -> bool:
    if not isinstance(expected, Access) or len(expected.index) != len(given.index):
        return False
    if found.tensors.setdefault(expected.tensor, value) != value:
        return False
    for variable, rank in zip(expected.plain, given.plain, strict=True):
        if rank is None or found.ranks.setdefault(variable or "", rank) != rank:
            return False
    return len(set(found.ranks.values())) == len(found.ranks)
