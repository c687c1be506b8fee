"""What a nest has to do, apart from the numbers of its mapping: Einsums as operations and uses of tensors.

Ranks are numbered, so that the formulas can run over arrays of mappings (`batch`). A rank's *level* at an
Einsum is the number of the pass over it that the Einsum belongs to (FuseMax §III): a value that a later
pass reads has to be held for the whole fiber.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....ir.einsum import Access, Einsum
from ....ir.operators import MAPS
from ....ir.targets import RegisterFile, Target, Tier, Unit
from ....ir.view import Cascade
from .fibers import held, levels, ranks_of
from .mapping import PLACES, MappingError, Nest
from .operations import Cost, cost_of


@dataclass(frozen=True)
class Use:
    """A tensor read or written: per dimension its (rank, coefficient) terms."""

    tensor: str
    dims: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def ranks(self) -> frozenset[int]:
        """Ranks it depends on."""
        return frozenset(rank for dim in self.dims for rank, _ in dim)


@dataclass(frozen=True)
class Step:
    """One Einsum on its unit.

    Attributes:
        flat: the unit is the two-dimensional array.
        level: per rank, the pass over it.
        after: (earlier step, its result is taken step by step) within the same tile.
    """

    name: str
    unit: str
    flat: bool
    ranks: frozenset[int]
    reduced: frozenset[int]
    reads: tuple[Use, ...]
    write: Use
    cost: Cost
    level: tuple[int, ...]
    after: tuple[tuple[int, bool], ...]


@dataclass(frozen=True)
class Problem:
    """A nest without its numbers.

    Attributes:
        ranks, extents: the iteration space of all Einsums.
        steps: in order.
        rows, cols: ranks over rows and columns.
        tile: ranks that are steps within a tile, outermost first.
        place: tensor → where it lives, ``dram`` for what comes in and goes out.
        source: tensor → step that writes it.
        carried: tensor handed on from generation to generation → the generational rank.
        held: buffered tensor → ranks whose whole fiber a later pass reads.
        shares: buffered tensor → the one whose storage it takes over, element by element.
        results: tensors that leave the nest.
        single: DRAM tensors of which the buffer has one tile, so that their transfers overlap nothing.
    """

    ranks: tuple[str, ...]
    extents: tuple[int, ...]
    steps: tuple[Step, ...]
    rows: frozenset[int]
    cols: frozenset[int]
    tile: tuple[int, ...]
    place: Mapping[str, str]
    source: Mapping[str, int]
    carried: Mapping[str, int]
    held: Mapping[str, frozenset[int]]
    shares: Mapping[str, str]
    results: frozenset[str]
    pipelined: bool
    single: frozenset[str]
    target: Target
    element_bytes: int

    @property
    def buffer(self) -> Tier:
        """The global buffer."""
        return next(tier for tier in self.target.tier if tier.name != self.target.main_tier)

    def unit(self, name: str) -> Unit:
        """A unit of the target."""
        return self.target.find_unit(name)

    @property
    def units(self) -> tuple[str, ...]:
        """Units that work here, in the target's order."""
        used = {step.unit for step in self.steps}
        return tuple(unit.name for unit in self.target.unit if unit.name in used)

    @property
    def array(self) -> tuple[int, int]:
        """Rows and columns of the two-dimensional array; lanes where there are no rows."""
        shapes = [self.unit(name).shape for name in self.units]
        return max((s[0] for s in shapes if len(s) == 2), default=1), min((s[-1] for s in shapes), default=1)

    def registers(self, unit: str) -> RegisterFile | None:
        """What a unit's registers cost."""
        return self.target.registers_of(unit)

    def readers(self, tensor: str) -> list[tuple[Step, Use]]:
        """Steps that read a tensor, and how."""
        return [(step, use) for step in self.steps for use in step.reads if use.tensor == tensor]

    def wide(self, step: Step) -> frozenset[int]:
        """Ranks over the columns, or over the lanes: lanes add nothing up, what is reduced takes turns."""
        return self.cols if step.flat else self.cols - step.reduced

    def turns(self, step: Step) -> frozenset[int]:
        """Spatial ranks that run one after the other on a one-dimensional unit."""
        return frozenset() if step.flat else (self.rows | (self.cols & step.reduced)) & step.ranks

    def serial(self, step: Step) -> tuple[int, ...]:
        """Ranks that run as steps within a tile: those of the tile, and those that take turns."""
        return tuple(rank for rank in (*self.tile, *sorted(self.turns(step))) if rank in step.ranks)

    def in_elements(self, tensor: str) -> bool:
        """Whether the tensor stays where it was made, one value in each processing element."""
        step = self.steps[self.source[tensor]] if tensor in self.source else None
        return (
            step is not None and self.place[tensor] == "array" and step.flat and not step.reduced & self.rows
        )


def problem(cascade: Cascade, nest: Nest, target: Target, element_bytes: int = 2) -> Problem:
    """Take a nest apart.

    Raises:
        MappingError: an unknown Einsum, rank, unit or place; a rank without a split or an extent; a rank
            reduced over columns (sums move down the columns, FuseMax figure 5); an operation that the unit
            lacks.
    """
    einsums = _einsums(cascade, nest)
    ranks = ranks_of(einsums)
    number = {rank: place for place, rank in enumerate(ranks)}
    _check_ranks(cascade, nest, ranks)
    source = {einsum.output.tensor: place for place, einsum in enumerate(einsums)}
    carried = {
        tensor: number[str(cascade.generational)]
        for tensor in cascade.carried
        if tensor in source and cascade.generational in number
    }
    passes = levels(einsums)
    fibers = {
        tensor: frozenset(number[rank] for rank in later) - {carried.get(tensor, -1)}
        for tensor, later in held(einsums).items()
    }
    elsewhere = {a.tensor for e in cascade.einsums if e.output.tensor not in source for a in e.accesses}
    results = frozenset(source) & (frozenset(cascade.results) | elsewhere)
    place = dict.fromkeys([a.tensor for e in einsums for a in e.accesses], "dram")
    across = _across_lanes(einsums, nest, target)
    place |= {t: _place(t, nest, results, t in carried or bool(fibers[t]) or t in across) for t in source}
    for tensor in across:
        if place[tensor] == "array":
            raise MappingError("a lane reads what others hold", where=tensor, accepted="kept in the buffer")
    tile = tuple(number[rank] for rank in nest.tile_order if rank in number)
    rows = frozenset(number[rank] for rank in nest.rows if rank in number)
    units = [target.find_unit(nest.units[einsum.output.tensor]) for einsum in einsums]
    serial = [_serial(einsum, unit, nest) for einsum, unit in zip(einsums, units, strict=True)]
    steps = []
    for at, einsum in enumerate(einsums):
        unit = units[at]
        step = Step(
            name=einsum.output.tensor,
            unit=unit.name,
            flat=len(unit.shape) == 2,
            ranks=frozenset(number[rank] for rank in einsum.ranks),
            reduced=frozenset(number[rank] for rank in einsum.reduced),
            reads=tuple(_use(access, number) for access in einsum.accesses),
            write=_use(einsum.output, number),
            cost=cost_of(einsum, unit, target, element_bytes),
            level=tuple(level[at] for level in passes),
            after=tuple(_after(einsums, at, carried, ranks, serial)),
        )
        cols = {number[rank] for rank in nest.cols if rank in number}
        if step.flat and step.reduced & cols:
            raise MappingError(
                f"{step.name} is reduced over columns", where=ranks[min(step.reduced & cols)], accepted="rows"
            )
        steps.append(step)
    return Problem(
        ranks=ranks,
        extents=tuple(cascade.extents[rank] for rank in ranks),
        steps=tuple(steps),
        rows=rows,
        cols=frozenset(number[rank] for rank in nest.cols if rank in number),
        tile=tile,
        place=place,
        source=source,
        carried=carried,
        held={tensor: fibers[tensor] for tensor in source if place[tensor] == "buffer"},
        shares=_shares(einsums, place, source, carried) | _in_place(nest, place, results),
        results=results,
        pipelined=nest.pipelined,
        single=_single(nest, place),
        target=target,
        element_bytes=element_bytes,
    )


def _einsums(cascade: Cascade, nest: Nest) -> tuple[Einsum, ...]:
    known = {einsum.output.tensor: einsum for einsum in cascade.einsums}
    for name in nest.units:
        if name not in known:
            raise MappingError("no Einsum writes it", where=name, accepted=", ".join(known))
    return tuple(einsum for name, einsum in known.items() if name in nest.units)


def _check_ranks(cascade: Cascade, nest: Nest, ranks: Sequence[str]) -> None:
    for rank in ranks:
        if rank not in cascade.extents:
            raise MappingError("the cascade gives no extent", where=rank)
        if rank not in nest.splits:
            raise MappingError("no split", where=rank, accepted=", ".join(ranks))
    for rank in (*nest.rows, *nest.cols, *nest.dram_order, *nest.buffer_order, *nest.tile_order):
        if rank not in ranks:
            raise MappingError("no such rank in the nest", where=rank, accepted=", ".join(ranks))
    inner = (*nest.buffer_order, *nest.tile_order)
    for order in (nest.dram_order, inner, (*nest.rows, *nest.cols)):
        for rank in order:
            if order.count(rank) > 1:
                raise MappingError("listed twice", where=rank)
    for tensor, place in nest.keep.items():
        if place not in PLACES:
            raise MappingError(f"kept in {place!r}", where=tensor, accepted=", ".join(PLACES))


def _single(nest: Nest, place: Mapping[str, str]) -> frozenset[str]:
    for tensor in nest.single:
        if place.get(tensor) != "dram":
            raise MappingError(
                "does not come from or go to DRAM", where=tensor, accepted="a tensor that does"
            )
    outside = frozenset(tensor for tensor, level in place.items() if level == "dram")
    return frozenset(nest.single) if nest.double_buffered else outside


def _in_place(nest: Nest, place: Mapping[str, str], results: frozenset[str]) -> dict[str, str]:
    for tensor, over in nest.in_place.items():
        if tensor not in results or place.get(over) != "buffer":
            raise MappingError(
                f"written over {over}", where=tensor, accepted="a result over a buffered tensor"
            )
        if tensor not in nest.single and nest.double_buffered:
            raise MappingError(
                "in place, so it has one tile", where=tensor, accepted="listing it in `single`"
            )
    return dict(nest.in_place)


def _use(access: Access, number: Mapping[str, int]) -> Use:
    dims = tuple(tuple((number[rank], abs(c)) for rank, c in index.terms) for index in access.index)
    return Use(access.tensor, tuple(dim for dim in dims if dim))


def _place(tensor: str, nest: Nest, results: frozenset[str], kept: bool) -> str:
    if tensor in results:
        return "dram"
    return nest.keep.get(tensor, "buffer" if kept else "array")


def _across_lanes(einsums: tuple[Einsum, ...], nest: Nest, target: Target) -> set[str]:
    """Tensors written here that an Einsum reduces over lanes, each of which has its own registers."""
    return {
        access.tensor
        for einsum in einsums
        for access in einsum.accesses
        if len(target.find_unit(nest.units[einsum.output.tensor]).shape) == 1
        and set(einsum.reduced) & set(nest.cols) & set(access.ranks)
        and access.tensor in nest.units
    }


def _serial(einsum: Einsum, unit: Unit, nest: Nest) -> set[str]:
    """Ranks of an Einsum that are steps within a tile, by name: see `Problem.serial`."""
    turns = {*nest.rows, *(set(nest.cols) & set(einsum.reduced))} if len(unit.shape) == 1 else set()
    return set(einsum.ranks) & {*nest.tile_order, *turns}


def _after(
    einsums: Sequence[Einsum],
    at: int,
    carried: Mapping[str, int],
    ranks: Sequence[str],
    serial: Sequence[set[str]],
) -> list[tuple[int, bool]]:
    """Earlier Einsums whose result of the same tile is read, and whether it is taken step by step."""
    found = []
    for place, other in enumerate(einsums[:at]):
        for access in einsums[at].accesses:
            if access.tensor != other.output.tensor:
                continue
            if access.tensor in carried and _old(access, other.output, ranks[carried[access.tensor]]):
                continue
            same = bool(serial[at]) and serial[at] == serial[place] <= set(access.ranks)
            found.append((place, same))
    return found


def _old(access: Access, output: Access, rank: str) -> bool:
    """Whether the access reads an earlier generation than the Einsum of the same turn writes."""
    pairs = zip(access.index, output.index, strict=True)
    return any(rank in read.ranks and read.const < written.const for read, written in pairs)


def _shares(
    einsums: Sequence[Einsum], place: Mapping[str, str], source: Mapping[str, int], carried: Mapping[str, int]
) -> dict[str, str]:
    """Buffered tensors written element by element over one that nobody reads later."""
    found: dict[str, str] = {}
    for at, einsum in enumerate(einsums):
        tensor = einsum.output.tensor
        if place[tensor] != "buffer" or tensor in carried or einsum.reduced:
            continue
        for access in einsum.accesses:
            last = not any(a.tensor == access.tensor for e in einsums[at + 1 :] for a in e.accesses)
            kept = access.tensor in source and place[access.tensor] == "buffer"
            free = access.tensor not in carried and access.tensor not in found.values()
            if kept and last and free and access.index == einsum.output.index and MAPS[einsum.map].arity:
                found[tensor] = access.tensor
                break
    return found
