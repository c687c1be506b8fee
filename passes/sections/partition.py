"""Which operators share a section: one each, as many as fit in order, or the fastest choice.

Sections run one after another, so a choice of them is a chain of sets of operators, each closed under what
they read: dynamic programming over all such sets is exact. A layer has too many; then the same is done along
several orders of its operators, and the lower bound says how far that can be off.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...ir.errors import InputError, PlanError
from ...progress import Progress
from ...sim.cost.streaming import Fabric, Graph, Pricer, Section, TooLarge

CLOSED_SETS = 160
"""Sets closed under what they read, up to which all are looked at."""
ORDERS = 3
"""Orders of operators that are tried, beyond."""
COARSE = 4
"""Ratio of the tiles that are tried while sections are chosen; the chosen get the best power of two."""


@dataclass(frozen=True)
class Partition:
    """Sections in the order they run.

    Attributes:
        method: ``unfused``, ``greedy`` or ``best``.
        sections: each operator in one of them.
        exact: no other choice is faster.
    """

    method: str
    sections: tuple[Section, ...]
    exact: bool = False

    @property
    def seconds(self) -> float:
        """Of all sections."""
        return sum(section.seconds for section in self.sections)

    @property
    def off_chip_bytes(self) -> int:
        """Across the borders of all sections."""
        return sum(section.off_chip_bytes for section in self.sections)


class Prices:
    """The fastest section of a set of operators, over the numbers of tiles."""

    def __init__(self, graph: Graph, fabric: Fabric, tile: int | None) -> None:
        if tile is not None and not 1 <= tile <= graph.length:
            raise InputError(f"a tile of {tile}", where=graph.name, accepted=f"1 to {graph.length}")
        self.graph, self.fabric = graph, fabric
        self.pricer = Pricer(graph, fabric)
        self.coarse = _counts(graph, [tile] if tile else _powers(graph.length, COARSE))
        self.fine = _counts(graph, [tile] if tile else _powers(graph.length, 2))

    def price(self, members: Sequence[int]) -> Section | TooLarge:
        """The fastest, of the fewest bytes moved; or what they lack at the tile that lacks least."""
        return self._fastest([self.pricer.price(members, tiles) for tiles in self.coarse])

    def least_s(self, at: int) -> float:
        """What an operator adds to any section at least: its work on all PCUs."""
        return self.graph.operators[at].seconds / self.fabric.pcus

    def refine(self, sections: Sequence[Section]) -> tuple[Section, ...]:
        """The same sections, with the best tile of each."""
        found = []
        for each in sections:
            better = self._fastest([self.pricer.price(each.operators, tiles) for tiles in self.fine])
            found.append(better if isinstance(better, Section) else each)
        return tuple(found)

    @staticmethod
    def _fastest(found: Sequence[Section | TooLarge]) -> Section | TooLarge:
        sections = [each for each in found if isinstance(each, Section)]
        if sections:
            return min(sections, key=lambda each: (each.seconds, each.off_chip_bytes))
        lacking = [each for each in found if isinstance(each, TooLarge)]
        return min(lacking, key=lambda each: each.need / each.have)


def _powers(length: int, ratio: int) -> list[int]:
    found = [1]
    while found[-1] * ratio <= length:
        found.append(found[-1] * ratio)
    return found


def _counts(graph: Graph, sizes: Sequence[int]) -> list[int]:
    return sorted({-(-graph.length // size) for size in sizes})


def unfused(prices: Prices) -> Partition:
    """Every operator a section of its own.

    Raises:
        PlanError: an operator alone does not fit.
    """
    return Partition("unfused", tuple(_alone(prices, at) for at in range(len(prices.graph.operators))))


def _alone(prices: Prices, at: int) -> Section:
    found = prices.price([at])
    if isinstance(found, TooLarge):
        raise PlanError(
            f"{prices.graph.operators[at].name} alone needs {found.need} {found.what}",
            where=prices.graph.name,
            accepted=f"{found.have} or less",
        )
    return found


def greedy(prices: Prices) -> Partition:
    """Operators in order, as many as fit in a section.

    Raises:
        PlanError: an operator alone does not fit.
    """
    sections: list[Section] = []
    members: list[int] = []
    now: Section | None = None
    for at in range(len(prices.graph.operators)):
        more = prices.price([*members, at])
        if isinstance(more, Section):
            members, now = [*members, at], more
            continue
        if now is not None:
            sections.append(now)
        members, now = [at], _alone(prices, at)
    return Partition("greedy", (*sections, *([now] if now is not None else ())))


def best(prices: Prices, seed: int, progress: Progress | None) -> Partition:
    """The fastest choice of sections, exact where the sets closed under what they read are few.

    Raises:
        PlanError: an operator alone does not fit.
    """
    for at in range(len(prices.graph.operators)):
        _alone(prices, at)
    sets = _closed_sets(prices.graph, CLOSED_SETS)
    if sets is not None:
        return Partition("best", _over_sets(prices, sets), exact=True)
    found = []
    for number, order in enumerate(_orders(prices.graph, seed)):
        if progress is not None:
            progress("orders of operators", number, ORDERS)
        found.append(_along(prices, order))
    return Partition("best", min(found, key=_cost))


def _cost(sections: Sequence[Section]) -> tuple[float, int]:
    return sum(each.seconds for each in sections), sum(each.off_chip_bytes for each in sections)


def _along(prices: Prices, order: Sequence[int]) -> tuple[Section, ...]:
    """The fastest cut of an order in sections."""
    chains: list[tuple[Section, ...]] = [()]
    for end in range(1, len(order) + 1):
        best: tuple[Section, ...] = (*chains[end - 1], _alone(prices, order[end - 1]))
        work = prices.least_s(order[end - 1])
        for start in range(end - 2, -1, -1):
            work += prices.least_s(order[start])
            before = chains[start]
            if _cost(before)[0] + work > _cost(best)[0]:
                continue
            section = prices.price(sorted(order[start:end]))
            if isinstance(section, Section):
                best = min(best, (*before, section), key=_cost)
        chains.append(best)
    return chains[-1]


def _over_sets(prices: Prices, sets: Sequence[int]) -> tuple[Section, ...]:
    """The fastest chain of closed sets, given as bit masks from small to large."""
    chains: dict[int, tuple[Section, ...]] = {0: ()}
    for mask in sets[1:]:
        candidates = []
        for smaller, chain in chains.items():
            if smaller & ~mask == 0:
                section = prices.price(_members(mask & ~smaller))
                if isinstance(section, Section):
                    candidates.append((*chain, section))
        if candidates:
            chains[mask] = min(candidates, key=_cost)
    return chains[sets[-1]]


def _members(mask: int) -> list[int]:
    return [at for at in range(mask.bit_length()) if mask >> at & 1]


def _needs(graph: Graph) -> list[set[int]]:
    """The operators each one reads from."""
    makers = graph.makers()
    return [{makers[u.tensor] for u in each.uses if u.tensor in makers} for each in graph.operators]


def _closed_sets(graph: Graph, most: int) -> list[int] | None:
    """All sets of operators closed under what they read, as bit masks, smaller first; None if many."""
    needs = [sum(1 << at for at in each) for each in _needs(graph)]
    found, front = {0}, [0]
    while front:
        mask = front.pop()
        for at, need in enumerate(needs):
            more = mask | 1 << at
            if more != mask and need & ~mask == 0 and more not in found:
                found.add(more)
                front.append(more)
                if len(found) > most:
                    return None
    return sorted(found, key=lambda mask: (mask.bit_count(), mask))


def _orders(graph: Graph, seed: int) -> Iterator[list[int]]:
    """The program's order, one that follows each branch to its end, and some by chance."""
    yield list(range(len(graph.operators)))
    yield _topological(graph, lambda ready, done: max(ready, key=lambda at: _latest(graph, at, done)))
    chance = random.Random(seed)
    for _ in range(ORDERS - 2):
        yield _topological(graph, lambda ready, done: chance.choice(sorted(ready)))


def _latest(graph: Graph, at: int, done: Mapping[int, int]) -> int:
    return max((done[each] for each in _needs(graph)[at]), default=-1)


def _topological(graph: Graph, choose: Callable[[set[int], dict[int, int]], int]) -> list[int]:
    needs = _needs(graph)
    done: dict[int, int] = {}
    while len(done) < len(needs):
        ready = {at for at, need in enumerate(needs) if at not in done and need <= done.keys()}
        done[choose(ready, done)] = len(done)
    return list(done)


METHODS = ("unfused", "greedy", "best")
"""Names of the ways to cut."""


def partition(
    graph: Graph,
    fabric: Fabric,
    *,
    tile: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Partition]:
    """The sections of a graph by each method.

    Args:
        graph: the operators.
        fabric: what a section may use.
        tile: extent of a tile; None: whatever is fastest for each section, of the powers of two.
        seed: of the orders tried by chance.
        progress: told of the order tried.

    Raises:
        InputError: a tile that is not within the streamed rank.
        PlanError: an operator alone does not fit.
    """
    prices = Prices(graph, fabric, tile)
    found = {"unfused": unfused(prices), "greedy": greedy(prices)}
    chosen = best(prices, seed, progress)
    if not chosen.exact:  # the program's order was tried, and the greedy is a cut of it
        fastest = min((chosen, *found.values()), key=lambda each: _cost(each.sections))
        chosen = Partition("best", fastest.sections)
    return {
        name: Partition(name, prices.refine(each.sections), each.exact)
        for name, each in {**found, "best": chosen}.items()
    }


def lower_bound_s(graph: Graph, fabric: Fabric) -> float:
    """No sections are faster: all operations on all PCUs, and what lies in memory anyway moved once."""
    makers = graph.makers()
    read = {use.tensor for operator in graph.operators for use in operator.uses} - makers.keys()
    moved = sum(graph.bytes[tensor] for tensor in (*read, *(graph.returned & makers.keys())))
    work = sum(operator.seconds for operator in graph.operators) / fabric.pcus
    return fabric.launch_s + max(work, moved / fabric.bytes_per_s)
