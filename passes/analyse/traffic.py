"""The least off-chip traffic of a cascade as written, for a buffer of a given size.

The cascade is cut in phases; a phase moves its tensors between memory and buffer by the loop nest that
moves least (`blocks`), and what one phase makes for another goes through memory. The result is that of a
schedule, so it is an upper bound of the optimum, and `bounds` gives the lower one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...ir.einsum import Einsum
from ...ir.errors import InputError
from ...ir.view import Cascade
from .blocks import Tiling, best_tiling
from .nest import KEEP, SPILL
from .part import Part, cuts, in_order
from .sizes import access_size, compulsory_elements, require_extents, tensor_sizes


@dataclass(frozen=True)
class Move:
    """Elements of one tensor moved in one phase.

    Attributes:
        tensor: its name.
        kind: ``load`` or ``store``; ``spill`` and ``refill`` where it crosses a pass boundary.
        elements: moved in all.
        times: how often the whole tensor's worth moves.
    """

    tensor: str
    kind: str
    elements: int
    times: float


@dataclass(frozen=True)
class Phase:
    """One loop nest of the schedule.

    Attributes:
        tensors: what it makes, in order.
        stream: the ranks traversed point by point, as one.
        blocks: block size per outer rank, outermost loop first; other ranks are whole in a block.
        passes: passes over the streamed rank.
        kept, spilled, recomputed: what crosses its pass boundaries, by what becomes of it.
        moves: traffic by tensor.
        occupancy: the most elements held at once.
    """

    tensors: tuple[str, ...]
    stream: tuple[str, ...]
    blocks: Mapping[str, int]
    passes: int
    kept: tuple[str, ...]
    spilled: tuple[str, ...]
    recomputed: tuple[str, ...]
    moves: tuple[Move, ...]
    occupancy: int

    @property
    def elements(self) -> int:
        """Elements it moves."""
        return sum(move.elements for move in self.moves)


@dataclass(frozen=True)
class Traffic:
    """A schedule's traffic.

    Attributes:
        buffer_elements: capacity it fits in.
        elements: elements moved between memory and buffer, in all.
        compulsory: elements of program inputs and results, which move in any schedule.
        phases: the schedule.
    """

    buffer_elements: int
    elements: int
    compulsory: int
    phases: tuple[Phase, ...]

    def bytes(self, element_bytes: int) -> int:
        """Bytes moved with elements of `element_bytes` bytes."""
        return self.elements * element_bytes

    def moved(self, tensor: str) -> int:
        """Elements of one tensor moved, in all phases."""
        return sum(move.elements for phase in self.phases for move in phase.moves if move.tensor == tensor)


def least_traffic(
    cascade: Cascade,
    buffer_elements: int,
    *,
    phases: Sequence[Sequence[str]] | None = None,
    recompute: bool = True,
) -> Traffic:
    """The least traffic found for a cascade as written.

    Args:
        cascade: with an extent for every rank.
        buffer_elements: capacity of the buffer.
        phases: tensors made in each phase, in order, to price a given fusion; searched for when None.
        recompute: whether what crosses a pass boundary may be made again.

    Returns:
        A schedule and its traffic: an upper bound of the optimum, found by search.

    Raises:
        InputError: a rank has no extent; the buffer does not hold the operands of one point; `phases`
            does not cut the cascade.
    """
    require_extents(cascade)
    einsums = in_order(cascade)
    smallest = max(len(einsum.accesses) for einsum in einsums) + 2
    if buffer_elements < smallest:
        raise InputError(
            f"a buffer of {buffer_elements} elements does not hold one point of every Einsum",
            accepted=f"{smallest} elements or more",
        )
    search = _Search(cascade, einsums, buffer_elements, recompute)
    return search.given(phases) if phases is not None else search.run()


class _Search:
    def __init__(
        self, cascade: Cascade, einsums: tuple[Einsum, ...], buffer_elements: int, recompute: bool
    ) -> None:
        self.cascade = cascade
        self.einsums = einsums
        self.buffer = buffer_elements
        self.recompute = recompute
        self.places = cuts(cascade, einsums)
        self.parts: dict[tuple[int, int], Part] = {}
        self.found: dict[tuple[int, int], tuple[Phase, ...]] = {}

    def run(self) -> Traffic:
        """The best cut in phases, by dynamic programming over the places where cuts are allowed."""
        if sum(tensor_sizes(self.cascade).values()) <= self.buffer:
            return self.result((self.resident(),))
        places = self.places
        floor = self.floors()
        whole = self.phases(0, places[-1])
        limit = _moved(whole)
        best: dict[int, tuple[Phase, ...]] = {0: ()}
        for end in range(1, len(places)):
            options: list[tuple[Phase, ...]] = []
            for start in range(end):
                if start not in best:
                    continue
                before = _moved(best[start])
                part = self.part(places[start], places[end]).compulsory
                reached = min((_moved(option) for option in options), default=limit)
                if before + part >= reached or before + part + floor[end] >= limit:
                    continue
                options.append(best[start] + self.phases(places[start], places[end]))
            if options:
                best[end] = min(options, key=lambda option: (_moved(option), len(option)))
        last = best.get(len(places) - 1, whole)
        return self.result(min(whole, last, key=_moved))

    def floors(self) -> list[int]:
        """Per place the least that everything behind it moves, however it is cut in phases."""
        places = self.places
        floor = [0] * len(places)
        for start in reversed(range(len(places) - 1)):
            floor[start] = min(
                self.part(places[start], places[end]).compulsory + floor[end]
                for end in range(start + 1, len(places))
            )
        return floor

    def given(self, phases: Sequence[Sequence[str]]) -> Traffic:
        """The traffic of a given cut."""
        made = {einsum.output.tensor: place for place, einsum in enumerate(self.einsums)}
        unknown = [name for phase in phases for name in phase if name not in made]
        if unknown:
            raise InputError(f"no Einsum makes {unknown[0]}", accepted=", ".join(made))
        ends = [max(made[name] for name in phase) + 1 for phase in phases]
        wanted = sorted(made[name] for phase in phases for name in phase)
        bounds = [0, *ends]
        if ends[-1] != len(self.einsums) or any(end not in self.places for end in ends) or sorted(ends) != ends:
            raise InputError("the phases do not cut the cascade in order", accepted=", ".join(made))
        if len(wanted) != len(made):
            raise InputError("the phases leave out or repeat an Einsum", accepted=", ".join(made))
        found = [self.phases(start, end) for start, end in zip(bounds, bounds[1:], strict=False)]
        return self.result(tuple(phase for each in found for phase in each))

    def result(self, phases: tuple[Phase, ...]) -> Traffic:
        return Traffic(self.buffer, _moved(phases), compulsory_elements(self.cascade), phases)

    def part(self, start: int, end: int) -> Part:
        if (start, end) not in self.parts:
            self.parts[start, end] = Part(self.cascade, self.einsums[start:end])
        return self.parts[start, end]

    def phases(self, start: int, end: int) -> tuple[Phase, ...]:
        """A part as one phase, or where it does not fit the buffer one phase per Einsum."""
        if (start, end) not in self.found:
            part = self.part(start, end)
            tiling = _cached_tiling(_Key(part), self.buffer, self.recompute)
            made = (_phase(part, tiling),) if tiling is not None else self.apart(start, end)
            self.found[start, end] = made
        return self.found[start, end]

    def apart(self, start: int, end: int) -> tuple[Phase, ...]:
        """Every Einsum on its own, everything between them through memory."""
        found = []
        for place in range(start, end):
            part = Part(self.cascade, (self.einsums[place],))
            tiling = _cached_tiling(_Key(part), self.buffer, self.recompute)
            if tiling is not None:
                found.append(_phase(part, tiling))
        return tuple(found)

    def resident(self) -> Phase:
        """Everything at once in the buffer."""
        sizes = tensor_sizes(self.cascade)
        moves = [Move(name, "load", sizes[name], 1.0) for name in self.cascade.inputs]
        moves += [Move(name, "store", sizes[name], 1.0) for name in self.cascade.results]
        names = tuple(dict.fromkeys(einsum.output.tensor for einsum in self.einsums))
        return Phase(names, (), {}, 1, (), (), (), tuple(moves), sum(sizes.values()))


class _Key:
    """A part as a key of the store of tilings: its Einsums, extents and what leaves it."""

    def __init__(self, part: Part) -> None:
        self.part = part
        extents = tuple(sorted(part.cascade.extents.items()))
        self.key = (part.einsums, extents, tuple(part.stores.items()), part.carried)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


@lru_cache(maxsize=4096)
def _cached_tiling(key: _Key, buffer_elements: int, recompute: bool) -> Tiling | None:
    return best_tiling(key.part, buffer_elements, recompute=recompute)


def _moved(phases: tuple[Phase, ...]) -> int:
    return sum(phase.elements for phase in phases)


def _phase(part: Part, tiling: Tiling) -> Phase:
    nest = tiling.nest
    trips = {rank: -(-nest.extents[rank] // block) for rank, block in tiling.blocks.items()}
    moves = []
    for flow in nest.flows:
        elements = int(flow.term.at(tiling.blocks, trips))
        whole = _whole(part, flow.tensor)
        moves.append(Move(flow.tensor, flow.kind, elements, elements / whole))
    return Phase(
        tensors=tuple(dict.fromkeys(einsum.output.tensor for einsum in part.einsums)),
        stream=nest.stream,
        blocks={rank: tiling.blocks[rank] for rank in nest.order},
        passes=nest.passes,
        kept=tuple(name for name, fate in nest.fates if fate == KEEP),
        spilled=tuple(name for name, fate in nest.fates if fate == SPILL),
        recomputed=nest.repeated,
        moves=tuple(moves),
        occupancy=tiling.occupancy,
    )


def _whole(part: Part, tensor: str) -> int:
    accesses = [access for access, _ in part.loads.values() if access.tensor == tensor]
    accesses += [part.written[tensor].output] if tensor in part.written else []
    return max(access_size(access, part.cascade.extents) for access in accesses)
