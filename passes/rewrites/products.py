"""Products under a fold, as sets of factors: what may be taken in any order (distributive law).

An Einsum ``fold[r] product(a, b)`` over a semiring, with what its operands are products of put in, is one
product of many factors under one fold. Any binary tree over the factors computes it: a rank is folded
away where the last factor that carries it comes in. Semirings: (sum, mul), (max, add), (min, add).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...ir.einsum import Access, Einsum, Index, Literal, Operand
from ..fuse.steps import fresh_name
from .weights import einsum_weight


@dataclass(frozen=True)
class Semiring:
    """A fold, the operator that distributes over it, and the operators that undo that one."""

    fold: str
    product: str
    quotients: tuple[str, ...]


SEMIRINGS = (
    Semiring("sum", "mul", ("div", "div_left")),
    Semiring("max", "add", ("sub",)),
    Semiring("min", "add", ("sub",)),
)


@dataclass(frozen=True)
class Factor:
    """An operand of a product.

    Attributes:
        operand: what is read.
        quotient: the operator that divides by it, empty for a plain factor.
        dividend: for a divisor, the places of the factors it divides.
    """

    operand: Operand
    quotient: str = ""
    dividend: frozenset[int] = frozenset()

    @property
    def ranks(self) -> frozenset[str]:
        """The ranks it carries."""
        return frozenset() if isinstance(self.operand, Literal) else frozenset(self.operand.ranks)


@dataclass(frozen=True)
class Product:
    """A product of factors under a fold, written to an output."""

    output: Access
    factors: tuple[Factor, ...]
    reduced: tuple[str, ...]


def product_of(einsum: Einsum, semiring: Semiring) -> Product | None:
    """An Einsum as a product of its operands, None where it is none over the semiring."""
    if einsum.reduce not in (None, semiring.fold):
        return None
    operands = einsum.operands
    if einsum.map == semiring.product or einsum.map == "id":
        factors = tuple(Factor(operand) for operand in operands)
    elif einsum.map in semiring.quotients:
        factors = (Factor(operands[0]), Factor(operands[1], einsum.map, frozenset({0})))
    elif einsum.map == "square" and semiring.product == "mul":
        factors = (Factor(operands[0]), Factor(operands[0]))
    elif einsum.map == "neg" and semiring.product == "mul":
        factors = (Factor(operands[0]), Factor(Literal(-1.0)))
    else:
        return None
    carried = frozenset().union(*(factor.ranks for factor in factors))
    return Product(einsum.output, factors, einsum.reduced) if set(einsum.reduced) <= carried else None


def inlined(reader: Product, producer: Product, extents: dict[str, int]) -> Product | None:
    """The reader with the producer's factors in place of its tensor.

    Args:
        reader: reads the producer's tensor at plain ranks, and does not divide by it.
        producer: its output has plain ranks.
        extents: gets the extents of ranks renamed to keep them apart.
    """
    factors: list[Factor] = []
    reduced = list(reader.reduced)
    places: dict[int, frozenset[int]] = {}
    taken = set(extents) | set(reader.output.ranks) | set(reader.reduced)
    for place, factor in enumerate(reader.factors):
        start = len(factors)
        if not isinstance(factor.operand, Access) or factor.operand.tensor != producer.output.tensor:
            factors.append(factor)
        else:
            table = _renaming(factor, producer, taken, set(reader.output.ranks) | set(reduced), extents)
            if table is None:
                return None
            reduced += [table[rank] for rank in producer.reduced]
            factors += [_moved(inner, table, start) for inner in producer.factors]
        places[place] = frozenset(range(start, len(factors)))
    for place, factor in enumerate(reader.factors):
        if factor.quotient:
            dividend = frozenset().union(*(places[each] for each in factor.dividend))
            (at,) = places[place]
            factors[at] = replace(factor, dividend=dividend)
    return Product(reader.output, tuple(factors), tuple(reduced))


def gathered(product: Product, semiring: Semiring) -> Product:
    """The product with its constants taken together."""
    constants = [
        place
        for place, factor in enumerate(product.factors)
        if isinstance(factor.operand, Literal) and not factor.quotient
    ]
    if len(constants) < 2:
        return product
    operands = [product.factors[place].operand for place in constants]
    values = [float(operand.value) for operand in operands if isinstance(operand, Literal)]
    total = math.prod(values) if semiring.product == "mul" else math.fsum(values)
    order = [place for place in range(len(product.factors)) if place not in constants[1:]]
    moved = {place: order.index(place) for place in order}
    moved |= dict.fromkeys(constants, moved[constants[0]])
    factors = []
    for place in order:
        factor = product.factors[place]
        operand = Literal(total) if place == constants[0] else factor.operand
        dividend = frozenset(moved[each] for each in factor.dividend)
        factors.append(Factor(operand, factor.quotient, dividend))
    return replace(product, factors=tuple(factors))


def _renaming(
    factor: Factor, producer: Product, taken: set[str], used: set[str], extents: dict[str, int]
) -> dict[str, str] | None:
    """The producer's ranks in the reader's names, its folded ranks kept apart from `used`."""
    access = factor.operand
    assert isinstance(access, Access)
    plain = access.plain
    if factor.quotient or None in plain or len(set(plain)) < len(plain) or None in producer.output.plain:
        return None
    table = {str(old): str(new) for old, new in zip(producer.output.plain, plain, strict=True)}
    for rank in producer.reduced:
        table[rank] = rank if rank not in used | set(table.values()) else fresh_name(rank, taken)
        taken.add(table[rank])
        extents[table[rank]] = extents[rank]
    return table


def _moved(factor: Factor, table: Mapping[str, str], start: int) -> Factor:
    operand = factor.operand
    if not isinstance(operand, Literal):
        indices = {old: Index.of(new) for old, new in table.items()}
        if isinstance(operand, Access):
            operand = operand.substitute(indices)
        else:
            operand = replace(operand, index=operand.index.substitute(indices))
    return replace(factor, operand=operand, dividend=frozenset(start + each for each in factor.dividend))


Tree = int | tuple["Tree", "Tree"]


@dataclass(frozen=True)
class Order:
    """The Einsums of a tree over the factors of a product, the last of which writes the output.

    Attributes:
        weight: what they cost together.
        fold: the fold of the semiring.
        einsums: the Einsums, in order.
    """

    weight: float
    fold: str
    einsums: tuple[Einsum, ...]


class Orders:
    """Every order in which a product may be taken, cheapest first.

    Args:
        product: the product.
        semiring: what it is over.
        extents: extents of its ranks.
        taken: names of tensors in use.
        kept: orders kept per set of factors.
    """

    def __init__(
        self,
        product: Product,
        semiring: Semiring,
        extents: Mapping[str, int],
        taken: Iterable[str],
        kept: int = 6,
    ) -> None:
        self.product = product
        self.semiring = semiring
        self.extents = extents
        self.taken = set(taken)
        self.kept = kept
        self.known: dict[frozenset[int], list[tuple[float, str, Tree]]] = {}

    def all(self) -> list[Order]:
        """The orders kept, as Einsums."""
        everything = frozenset(range(len(self.product.factors)))
        found = [
            Order(weight, self.semiring.fold, self.einsums(tree))
            for weight, _, tree in self.trees(everything)
        ]
        return [order for order in found if order.einsums]

    def trees(self, chosen: frozenset[int]) -> list[tuple[float, str, Tree]]:
        """Trees over some factors: weight, a name to order equal ones by, and the tree."""
        if chosen not in self.known:
            found: list[tuple[float, str, Tree]] = []
            if len(chosen) == 1:
                (leaf,) = chosen
                found.append((self.leaf_weight(leaf), str(leaf), leaf))
            for left in _halves(chosen):
                right = chosen - left
                if not self.joins(left, right):
                    continue
                here = self.join_weight(left, right)
                for one, other in itertools.product(self.trees(left), self.trees(right)):
                    tree = (one[2], other[2])
                    found.append((one[0] + other[0] + here, str(tree), tree))
            found.sort(key=lambda each: each[:2])
            self.known[chosen] = found[: self.kept]
        return self.known[chosen]

    # What a set of factors is: its ranks, and whether it multiplies or divides.

    def divides(self, chosen: frozenset[int]) -> str:
        """The operator that divides by these factors where all of them are divisors, else empty."""
        operators = {self.product.factors[place].quotient for place in chosen}
        return operators.pop() if len(operators) == 1 else ""

    def carried(self, chosen: Iterable[int]) -> frozenset[str]:
        """The ranks of some factors."""
        return frozenset().union(*(self.product.factors[place].ranks for place in chosen))

    def left_over(self, chosen: frozenset[int]) -> frozenset[str]:
        """The ranks of a partial product: those of the output or of a factor still to come."""
        if not self.multiplies(chosen):
            return self.carried(chosen)  # nothing is folded inside a divisor
        rest = frozenset(range(len(self.product.factors))) - chosen
        return self.carried(chosen) & (frozenset(self.product.output.ranks) | self.carried(rest))

    def joins(self, left: frozenset[int], right: frozenset[int]) -> bool:
        """Whether two partial products may be taken together: a divisor goes where its dividend is."""
        factors = self.product.factors
        one, other = self.divides(left), self.divides(right)
        if any(not self.multiplies(side) and not self.divides(side) for side in (left, right)):
            return False  # divisors under operators that differ
        if one and other:
            return one == other
        for divisor, rest in ((left, right), (right, left)):
            if self.divides(divisor):
                needed = frozenset().union(*(factors[place].dividend for place in divisor))
                return needed - divisor <= rest
        return True

    def multiplies(self, chosen: frozenset[int]) -> bool:
        """Whether some of these factors is a plain one."""
        return any(not self.product.factors[place].quotient for place in chosen)

    def leaf_weight(self, leaf: int) -> float:
        """What it costs to fold a factor on its own."""
        made = self.reduced_leaf(leaf, Access("_"))
        return einsum_weight(made, self.extents) if made is not None else 0.0

    def reduced_leaf(self, leaf: int, output: Access) -> Einsum | None:
        """A factor folded over the ranks that only it carries, None where there are none."""
        factor = self.product.factors[leaf]
        kept = self.left_over(frozenset({leaf}))
        gone = [rank for rank in self.product.reduced if rank in factor.ranks - kept]
        if not gone or len(self.product.factors) == 1:
            return None
        index = tuple(Index.of(rank) for rank in self.ordered(kept))
        return Einsum(replace(output, index=index), "id", (factor.operand,), self.semiring.fold, tuple(gone))

    def join_weight(self, left: frozenset[int], right: frozenset[int]) -> float:
        """What it costs to take two partial products together."""
        return einsum_weight(self.join(left, right, (Access("_"), Access("_")), Access("_")), self.extents)

    def join(
        self, left: frozenset[int], right: frozenset[int], operands: tuple[Operand, Operand], output: Access
    ) -> Einsum:
        """The Einsum that takes two partial products together."""
        before = self.left_over(left) | self.left_over(right)
        kept = self.left_over(left | right)
        if len(left | right) == len(self.product.factors):
            index = self.product.output.index
        else:
            index = tuple(Index.of(rank) for rank in self.ordered(kept))
        gone = tuple(rank for rank in self.product.reduced if rank in before - kept)
        operator = self.semiring.product
        if not (self.divides(left) and self.divides(right)):
            if self.divides(left):
                operands = (operands[1], operands[0])
            operator = self.divides(left) or self.divides(right) or operator
        fold = self.semiring.fold if gone else None
        return Einsum(replace(output, index=index), operator, operands, fold, gone)

    def ordered(self, ranks: frozenset[str]) -> list[str]:
        """Ranks as the output has them, or where one is folded later as the factors carry them."""
        if ranks <= set(self.product.output.ranks):
            return [rank for rank in self.product.output.ranks if rank in ranks]
        operands = [factor.operand for factor in self.product.factors]
        listed = [rank for each in operands if not isinstance(each, Literal) for rank in each.ranks]
        return [rank for rank in dict.fromkeys(listed) if rank in ranks]

    def einsums(self, tree: Tree) -> tuple[Einsum, ...]:
        """The Einsums of a tree, the last one writing the product's output."""
        taken = set(self.taken)
        made: list[Einsum] = []

        def operand(node: Tree) -> Operand:
            if isinstance(node, int):
                source = self.product.factors[node].operand
                name = source.tensor if isinstance(source, Access) else "C"
                folded = self.reduced_leaf(node, Access(fresh_name(f"{name}_{self.semiring.fold}", taken)))
                if folded is None:
                    return source
                return add(folded)
            operands = (operand(node[0]), operand(node[1]))
            names = [each.tensor for each in operands if isinstance(each, Access)]
            joined = "".join(names)
            base = self.product.output.tensor
            name = joined if len(names) == 2 and len(joined) <= 6 else f"{base}_part"
            return add(
                self.join(_leaves(node[0]), _leaves(node[1]), operands, Access(fresh_name(name, taken)))
            )

        def add(einsum: Einsum) -> Access:
            taken.add(einsum.output.tensor)
            made.append(einsum)
            return einsum.output

        last = operand(tree)
        if isinstance(tree, int):
            fold = self.semiring.fold if self.product.reduced else None
            return (Einsum(self.product.output, "id", (last,), fold, self.product.reduced),)
        made[-1] = replace(made[-1], output=self.product.output)
        return tuple(made)


def _leaves(tree: Tree) -> frozenset[int]:
    return frozenset({tree}) if isinstance(tree, int) else _leaves(tree[0]) | _leaves(tree[1])


def _halves(chosen: frozenset[int]) -> Iterable[frozenset[int]]:
    """Each way to cut a set in two, once: the half that holds its first member."""
    if len(chosen) < 2:
        return
    first, *rest = sorted(chosen)
    for size in range(len(rest)):
        for others in itertools.combinations(rest, size):
            yield frozenset({first, *others})
