"""The least off-chip traffic of a cascade as written, for a buffer of a given size.

The cascade is cut in phases; a phase moves its tensors between memory and buffer by the loop nest that
moves least (`blocks`), and what one phase makes for another goes through memory. The result is that of a
schedule, so it is an upper bound of the optimum, and `bounds` gives the lower one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ...ir.einsum import Einsum
from ...ir.errors import InputError
from ...ir.view import Cascade
from .blocks import Tiling, best_tiling
from .nest import KEEP, SPILL
from .part import Part, cuts, in_order, renames
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
        made: tensor → how often it is computed, those computed once left out.
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
    made: Mapping[str, int] = field(default_factory=dict)

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
        whole = self.phases(0, places[-1]) or self.apart(0, places[-1])
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
                rest = reached - before if end < len(places) - 1 else limit - before
                phases = self.phases(places[start], places[end], rest)
                options += [best[start] + phases] if phases is not None else []
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
        in_place = ends[-1] == len(self.einsums) and set(ends) <= set(self.places)
        if not in_place or sorted(ends) != ends:
            raise InputError("the phases do not cut the cascade in order", accepted=", ".join(made))
        if len(wanted) != len(made):
            raise InputError("the phases leave out or repeat an Einsum", accepted=", ".join(made))
        found = [self.phases(start, end) or self.apart(start, end) for start, end in pairwise((0, *ends))]
        return self.result(tuple(phase for each in found for phase in each))

    def result(self, phases: tuple[Phase, ...]) -> Traffic:
        return Traffic(self.buffer, _moved(phases), compulsory_elements(self.cascade), phases)

    def part(self, start: int, end: int) -> Part:
        if (start, end) not in self.parts:
            self.parts[start, end] = Part(self.cascade, self.einsums[start:end])
        return self.parts[start, end]

    def phases(self, start: int, end: int, limit: int | None = None) -> tuple[Phase, ...] | None:
        """A part as one phase; None where it does not fit, or moves `limit` elements or more.

        Einsums that may not be cut apart, and do not fit together, run one by one through memory.
        """
        part = self.part(start, end)
        tiling = self.tiling(part, limit)
        if tiling is not None:
            return (_phase(part, tiling),)
        whole = not any(start < place < end for place in self.places)
        return self.apart(start, end) if whole and end - start > 1 else None

    def tiling(self, part: Part, limit: int | None) -> Tiling | None:
        """The best tiling of a part, or None where all that fit move `limit` elements or more."""
        key = (part.key, self.buffer, self.recompute)
        known = _TILINGS.get(key)
        if known is None or (
            known[0] is None and known[1] is not None and (limit is None or limit > known[1])
        ):
            found = best_tiling(part, self.buffer, recompute=self.recompute, limit=limit)
            if len(_TILINGS) >= _KEPT:
                _TILINGS.clear()
            known = _TILINGS[key] = (found, limit)
        return known[0]

    def apart(self, start: int, end: int) -> tuple[Phase, ...]:
        """Every Einsum on its own, everything between them through memory."""
        each = (self.phases(place, place + 1) for place in range(start, end))
        return tuple(phase for phases in each if phases is not None for phase in phases)

    def resident(self) -> Phase:
        """Everything at once in the buffer."""
        sizes = tensor_sizes(self.cascade)
        moves = [Move(name, "load", sizes[name], 1.0) for name in self.cascade.inputs]
        moves += [Move(name, "store", sizes[name], 1.0) for name in self.cascade.results]
        names = tuple(dict.fromkeys(einsum.output.tensor for einsum in self.einsums))
        return Phase(names, (), {}, 1, (), (), (), tuple(moves), sum(sizes.values()))


_KEPT = 4096
_TILINGS: dict[tuple[object, int, bool], tuple[Tiling | None, int | None]] = {}
"""Tilings found: a part, a buffer → the best and the limit under which it was looked for."""


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
        recomputed=tuple(name for name in nest.repeated if not renames(part.written[name])),
        moves=tuple(moves),
        occupancy=tiling.occupancy,
        made={
            name: times
            for name, times in nest.made(trips).items()
            if times > 1 and not renames(part.written[name])
        },
    )


def _whole(part: Part, tensor: str) -> int:
    accesses = [access for access, _ in part.loads.values() if access.tensor == tensor]
    accesses += [part.written[tensor].output] if tensor in part.written else []
    return max(access_size(access, part.cascade.extents) for access in accesses)
