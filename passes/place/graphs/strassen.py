"""Strassen's matrix product, two levels deep: 49 products and many additions, standing in for AlphaTensor."""

from __future__ import annotations

from collections.abc import Sequence

from ..problem import Problem
from .builder import Builder

LEFT = ((0, 3), (2, 3), (0,), (3,), (0, 1), (0, 2), (1, 3))
RIGHT = ((0, 3), (0,), (1, 3), (0, 2), (3,), (0, 1), (2, 3))
OUT = ((0, 3, 4, 6), (2, 4), (1, 3), (0, 1, 2, 5))
"""Quarters (row by row) in each factor of the seven products, and products in each quarter of the result."""


class _Blocks(Builder):
    """Square blocks, and sums and products of quarters of them."""

    def add(self, name: str, terms: Sequence[int], elements: int, kind: str = "temp") -> int:
        ops = float((len(terms) - 1) * elements)
        return self.op(name, terms, elements, vector_ops=ops, kind=kind)

    def quarters(self, name: str, block: int, chosen: Sequence[int], side: int) -> int:
        """The sum of some quarters of a block: reads only those."""
        elements = side * side
        ops = float((len(chosen) - 1) * elements)
        return self.op(name, [block], elements, vector_ops=ops, parts={block: len(chosen) / 4})


def _product(net: _Blocks, name: str, a: int, b: int, side: int) -> int:
    """One level: seven products of quarters of two blocks, and their combination."""
    half, products = side // 2, []
    for at in range(7):
        left = net.quarters(f"{name}.s{at}", a, LEFT[at], half)
        right = net.quarters(f"{name}.t{at}", b, RIGHT[at], half)
        products.append(net.op(f"{name}.p{at}", [left, right], half * half, flops=2.0 * half**3))
    return net.op(name, products, side * side, vector_ops=float(8 * half * half))


def strassen(side: int = 2048) -> Problem:
    """Two square matrices, the quarters of each a tensor of its own."""
    net, half = _Blocks(), side // 2
    a = [net.param(f"a{at}", half * half) for at in range(4)]
    b = [net.param(f"b{at}", half * half) for at in range(4)]
    products = []
    for at in range(7):
        left, right = (
            terms[0] if len(terms) == 1 else net.add(f"{side_name}{at}", terms, half * half)
            for side_name, terms in (
                ("s", [a[q] for q in LEFT[at]]),
                ("t", [b[q] for q in RIGHT[at]]),
            )
        )
        products.append(_product(net, f"m{at}", left, right, half))
    for at, terms in enumerate(OUT):
        net.add(f"c{at}", [products[p] for p in terms], half * half, "result")
    return net.problem("strassen")
