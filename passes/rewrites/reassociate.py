"""Reassociation: products under sums are taken in another order, ``(Q K) V`` as ``Q (K V)``.

A tensor between two products may go: what it is made of takes its place in every reader, and each reader
is taken in another order. Deferral, pulling a factor out of a sum, and pushing one into a smaller operand
are such orders too. Stand anything but products and folds of one semiring between, and nothing is done.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ...ir.einsum import Access, Einsum
from ...ir.view import Cascade
from ..fuse.defer import prune
from ..fuse.steps import Step, fresh_name
from .products import SEMIRINGS, Order, Orders, Product, Semiring, gathered, inlined, product_of
from .sharing import share

# Factors in one product, orders tried per product, and combinations tried where a tensor has several readers.
_FACTORS = 7
_ORDERS = 6
_COMBINATIONS = 4


def reassociate(cascade: Cascade) -> Iterator[tuple[Cascade, Step]]:
    """Every cascade with other orders of its products, and why each is the same."""
    for semiring in SEMIRINGS:
        for producer in cascade.einsums:
            if is_between(cascade, producer):
                yield from _without(cascade, producer, semiring)
        for root in cascade.einsums:
            yield from _whole(cascade, root, semiring)


def is_between(cascade: Cascade, producer: Einsum) -> bool:
    """Whether a tensor is made once, stays inside, and is read by Einsums that run with its own."""
    name = producer.output.tensor
    writers = [einsum for einsum in cascade.all if einsum.output.tensor == name]
    early = any(_reads(einsum, name) for einsum in cascade.init)
    return name not in cascade.results and len(writers) == 1 and not early


def _reads(einsum: Einsum, tensor: str) -> bool:
    return any(access.tensor == tensor for access in einsum.accesses)


def _without(cascade: Cascade, producer: Einsum, semiring: Semiring) -> Iterator[tuple[Cascade, Step]]:
    """One tensor gone from all its readers."""
    name = producer.output.tensor
    readers = [einsum for einsum in cascade.einsums if _reads(einsum, name)]
    if all(einsum.reduce is None for einsum in (producer, *readers)):
        return
    made = product_of(producer, semiring)
    extents = dict(cascade.extents)
    options: list[list[Order]] = []
    for reader in readers:
        product = product_of(reader, semiring)
        merged = inlined(product, made, extents) if product is not None and made is not None else None
        if merged is None or not _present(merged, semiring):
            return
        options.append(_orders(cascade, merged, [producer], semiring, extents))
    limit = _COMBINATIONS if len(readers) > 1 else _ORDERS
    for chosen in itertools.islice(_combinations(options), limit):
        changed = _replaced(cascade, readers, chosen, extents, name)
        if changed is not None:
            yield changed


def _whole(cascade: Cascade, root: Einsum, semiring: Semiring) -> Iterator[tuple[Cascade, Step]]:
    """All that only one Einsum needs put into it, in the cheapest order: a chain of products."""
    product = product_of(root, semiring)
    extents = dict(cascade.extents)
    gone: list[Einsum] = []
    while product is not None and len(product.factors) < _FACTORS:
        producer = _next(cascade, product, semiring)
        made = product_of(producer, semiring) if producer is not None else None
        merged = inlined(product, made, extents) if made is not None else None
        if producer is None or merged is None or not _present(merged, semiring):
            break
        product = merged
        gone.append(producer)
    if product is None or len(gone) < 2:
        return
    for order in _orders(cascade, product, gone, semiring, extents)[:2]:
        changed = _replaced(cascade, [root], (order,), extents, ", ".join(e.output.tensor for e in gone))
        if changed is not None:
            yield changed


def _next(cascade: Cascade, product: Product, semiring: Semiring) -> Einsum | None:
    """A factor's producer that only this product reads, and reads once."""
    for factor in product.factors:
        operand = factor.operand
        if not isinstance(operand, Access) or factor.quotient:
            continue
        producers = [e for e in cascade.einsums if e.output.tensor == operand.tensor]
        uses = [f for f in product.factors if isinstance(f.operand, Access) and f.operand == operand]
        readers = [e for e in cascade.einsums if _reads(e, operand.tensor)]
        if len(producers) == len(uses) == len(readers) == 1 and is_between(cascade, producers[0]):
            made = product_of(producers[0], semiring)
            if made is not None and None not in operand.plain:
                return producers[0]
    return None


def _combinations(options: list[list[Order]]) -> list[tuple[Order, ...]]:
    every = itertools.product(*options)
    return sorted(every, key=lambda orders: sum(order.weight for order in orders))


def _present(product: Product, semiring: Semiring) -> bool:
    """Whether no point can be absent where that would matter: only a sum takes an absent point for 0."""
    if len(product.factors) > _FACTORS:
        return False
    accesses = [f.operand for f in product.factors if isinstance(f.operand, Access)]
    return semiring.fold == "sum" or all(len(i.terms) == 1 for access in accesses for i in access.index)


def _orders(
    cascade: Cascade,
    product: Product,
    gone: Sequence[Einsum],
    semiring: Semiring,
    extents: dict[str, int],
) -> list[Order]:
    """Orders of a product that make none of the tensors again that are to go."""
    taken = cascade.written | set(cascade.inputs)
    made = [_body(einsum) for einsum in gone]
    orders = Orders(gathered(product, semiring), semiring, extents, taken, _ORDERS).all()
    return [order for order in orders if not any(_body(each) in made for each in order.einsums)]


def _body(einsum: Einsum) -> tuple[object, ...]:
    """All of an Einsum but what it writes."""
    return einsum.map, einsum.operands, einsum.reduce, frozenset(einsum.reduced)


def _replaced(
    cascade: Cascade,
    readers: list[Einsum],
    chosen: tuple[Order, ...],
    extents: dict[str, int],
    gone: str,
) -> tuple[Cascade, Step] | None:
    """The cascade with each reader taken in its order; None where an input is then read along two ranks."""
    taken = cascade.written | set(cascade.inputs)
    einsums: list[Einsum] = []
    like = dict(cascade.like)
    for einsum in cascade.einsums:
        if einsum not in readers:
            einsums.append(einsum)
            continue
        renamed = _apart(chosen[readers.index(einsum)].einsums, taken)
        taken |= {each.output.tensor for each in renamed}
        einsums += [_old_ranks(each, cascade, extents) for each in renamed]
        for each in renamed:
            like.setdefault(each.output.tensor, einsum.output.tensor)
    changed = prune(share(replace(cascade, einsums=tuple(einsums), outputs=cascade.results, like=like)))
    new = {rank for einsum in changed.einsums for rank in einsum.ranks} - set(cascade.extents)
    if _twice(changed, new):
        return None
    after = replace(changed, extents={**cascade.extents, **{rank: extents[rank] for rank in sorted(new)}})
    why = (
        f"only products and {chosen[0].fold} folds stand between {gone} and what is read of it; these "
        "distribute over products, so they may be taken in any order (FuseMax §III-C)"
    )
    before = tuple(einsum for einsum in cascade.einsums if einsum not in after.einsums)
    made = tuple(einsum for einsum in after.einsums if einsum not in cascade.einsums)
    return after, Step("reassociate", before, made, why)


def _apart(einsums: tuple[Einsum, ...], taken: Iterable[str]) -> tuple[Einsum, ...]:
    """The Einsums of an order with new names for tensors that another reader's order took."""
    names: dict[str, str] = {}
    used = set(taken)
    renamed: list[Einsum] = []
    for place, einsum in enumerate(einsums):
        operands = [names.get(access.tensor, access.tensor) for access in einsum.accesses]
        output = einsum.output.tensor
        if place < len(einsums) - 1:
            names[output] = fresh_name(output, used)
            used.add(names[output])
        renamed.append(einsum.with_tensors(names.get(output, output), operands))
    return tuple(renamed)


def _old_ranks(einsum: Einsum, cascade: Cascade, extents: dict[str, int]) -> Einsum:
    """The Einsum with ranks that were made to keep two apart called as before, where only one is left."""
    for rank in [rank for rank in einsum.ranks if rank not in cascade.extents]:
        base = rank.rpartition("_")[0]
        if base in extents and base not in einsum.ranks:
            einsum = einsum.renamed({rank: base})
    return einsum


def _twice(cascade: Cascade, new: set[str]) -> bool:
    """Whether an input is read along a rank of `new` and along another: its passes could not be counted."""
    along: dict[tuple[str, int], set[str]] = {}
    for einsum in cascade.all:
        for access in einsum.accesses:
            if access.tensor not in cascade.written:
                for dimension, index in enumerate(access.index):
                    along.setdefault((access.tensor, dimension), set()).update(index.ranks)
    return any(len(ranks) > 1 and ranks & new for ranks in along.values())
