"""Iterative rewriting: reductions are carried, and old sums are corrected (FuseMax §III-C, Eq 39-56).

The rank is split in tiles ``m = m1*T + m0``. A reduction of what streams freely is carried over m1. A sum
whose summand reads a value still running is carried too, if the summand is homomorphic in that value:
``exp(x - g') = exp(x - g) · exp(g - g')``, so the sum so far takes the correction ``exp(g - g')``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from ...ir.einsum import Access, Coord, Einsum, Index, Literal, Operand
from ...ir.operators import REDUCES
from ..analyse import Cascade
from .steps import Step, fresh_name

_PAIRWISE = {"sum": "add", "max": "max", "min": "min", "prod": "mul", "any": "or", "all": "and"}
_TRANSPARENT = ("id", "neg", "to_float")
_EXPONENTIALS = ("exp_sub", "exp_sub_left")
Correction = tuple[str, Access]


class NotIterable(Exception):
    """The cascade has no iterative form; the message says which Einsum stands in the way."""


@dataclass(frozen=True)
class Tiling:
    """A rank split in tiles.

    Attributes:
        rank: the rank, ``m``.
        extent: its extent.
        tile: extent of the inner sub-rank.
    """

    rank: str
    extent: int
    tile: int

    @property
    def generations(self) -> int:
        """Number of tiles, the last possibly short."""
        return -(-self.extent // self.tile)

    @property
    def outer(self) -> str:
        """The generational rank, ``m1``."""
        return f"{self.rank}1"

    @property
    def inner(self) -> str:
        """The rank inside a tile, ``m0``."""
        return f"{self.rank}0"

    @property
    def index(self) -> Index:
        """``m1*tile + m0``."""
        return Index(((self.outer, self.tile), (self.inner, 1)))


def iterate(cascade: Cascade, tiling: Tiling, nonzero: Collection[str] = ()) -> tuple[Cascade, list[Step]]:
    """The one-pass form of a cascade over a rank.

    Args:
        cascade: a cascade without a generational rank, deferred as far as possible.
        tiling: the rank to split and its tile.
        nonzero: closed tensors known never to be zero, whose running ratio may serve as a correction
            (FuseMax Cascade 3).

    Raises:
        NotIterable: a summand is not homomorphic in a running value, or a stream leaves the cascade.
    """
    return _Iteration(cascade, tiling, frozenset(nonzero)).run()


def _present(operator: str) -> str:
    """The operator inside a tile: where the exponent is -inf the point is absent, whatever the maximum."""
    return "exp_sub_left" if operator == "exp_sub" else operator


class _Iteration:
    def __init__(self, cascade: Cascade, tiling: Tiling, nonzero: frozenset[str]) -> None:
        self.cascade = cascade
        self.tiling = tiling
        self.nonzero = nonzero
        self.outputs = cascade.outputs or cascade.results
        self.producers = {e.output.tensor: e for e in cascade.all}
        self.kinds: dict[str, str] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.taken = set(cascade.written) | set(cascade.inputs)
        self.init: list[Einsum] = list(cascade.init)
        self.starts: list[Einsum] = []
        self.body: list[Einsum] = []
        self.after: list[Einsum] = []
        self.steps: list[Step] = []
        self.like = dict(cascade.like)

    def run(self) -> tuple[Cascade, list[Step]]:
        for einsum in self.cascade.einsums:
            self.kinds[einsum.output.tensor] = self.kind(einsum)
        for einsum in self.cascade.einsums:
            self.visit(einsum)
        self.explain_split()
        rank, tiling = self.tiling.rank, self.tiling
        extents = {name: extent for name, extent in self.cascade.extents.items() if name != rank}
        extents |= {tiling.outer: tiling.generations, tiling.inner: min(tiling.tile, tiling.extent)}
        rewritten = Cascade(
            einsums=(*self.body, *self.after),
            init=(*self.init, *self.starts),
            extents=extents,
            stop=f"{tiling.outer} >= {tiling.generations}",
            outputs=self.outputs,
            like=self.like,
        )
        return rewritten, self.steps

    # What each tensor is to the iteration: read off the dependency graph.

    def kind(self, einsum: Einsum) -> str:
        rank = self.tiling.rank
        below = {self.kinds.get(access.tensor, "input") for access in einsum.accesses}
        waits = bool(below & {"running", "closed", "provisional"})
        if rank in einsum.reduced:
            return "running"
        if rank in einsum.ranks:
            if einsum.output.tensor in self.outputs:
                raise NotIterable(f"{einsum.output.tensor} streams out of the cascade")
            return "provisional" if waits else "tile"
        return "closed" if waits else "outside"

    def visit(self, einsum: Einsum) -> None:
        kind = self.kinds[einsum.output.tensor]
        if kind == "outside":
            self.init.append(einsum)
        elif kind == "closed":
            self.after.append(self.finished(einsum))
        elif kind == "running":
            self.running(einsum)
        else:
            self.streaming(einsum)

    # Inside a generation.

    def streaming(self, einsum: Einsum) -> None:
        tiled = Einsum(
            self.tile_access(einsum.output),
            _present(einsum.map),
            tuple(self.tile_operand(operand) for operand in einsum.operands),
            einsum.reduce,
            einsum.reduced,
        )
        self.body.append(tiled)

    def running(self, einsum: Einsum) -> None:
        outer, inner, rank = self.tiling.outer, self.tiling.inner, self.tiling.rank
        if einsum.reduce is None or _PAIRWISE.get(einsum.reduce) is None:
            raise NotIterable(f"{einsum} is no reduction that can be carried")
        corrections = self.corrections(einsum)
        if corrections and einsum.reduce != "sum":
            raise NotIterable(f"{einsum} folds a provisional value by {einsum.reduce}")
        name = einsum.output.tensor
        local = Access(self.name("L", name), (Index.of(outer), *einsum.output.index))
        reduced = tuple(inner if old == rank else old for old in einsum.reduced)
        operands = self.with_extent(tuple(self.tile_operand(operand) for operand in einsum.operands))
        self.body.append(Einsum(local, _present(einsum.map), operands, einsum.reduce, reduced))
        so_far = self.carried(einsum.output, 0)
        for operator, correction in corrections:
            corrected = Access(self.name("S", name), local.index)
            self.body.append(Einsum(corrected, operator, (so_far, correction)))
            so_far = corrected
        pair = (local, so_far) if corrections else (so_far, local)
        step = Einsum(self.carried(einsum.output, 1), _PAIRWISE[einsum.reduce], pair)
        self.body.append(step)
        identity = REDUCES[einsum.reduce].identity
        first = Access(self.name("R", name), (Index((), 0), *einsum.output.index))
        self.starts.append(Einsum(first, "id", (Literal(identity),)))
        self.explain(einsum, corrections, step)
        if name in self.outputs:
            self.after.append(Einsum(einsum.output, "id", (self.final(einsum.output),)))

    def with_extent(self, operands: tuple[Operand, ...]) -> tuple[Operand, ...]:
        """Operands of a fold over a tile: where all are inputs, one is taken as a tile first (Eq 39)."""
        outer, inner = self.tiling.outer, self.tiling.inner
        accesses = [operand for operand in operands if isinstance(operand, Access)]
        if any(inner in access.plain for access in accesses):
            return operands
        source = next((access for access in accesses if inner in access.ranks), None)
        if source is None:
            raise NotIterable(f"a fold over {self.tiling.rank} reads nothing that carries it")
        ranks = (outer, *(rank for rank in source.ranks if rank != outer))
        tile = Access(self.name("B", source.tensor), tuple(Index.of(rank) for rank in ranks))
        self.body.append(Einsum(tile, "id", (source,)))
        return tuple(tile if operand is source else operand for operand in operands)

    def explain_split(self) -> None:
        tiling = self.tiling
        streams = [e for e in self.cascade.einsums if self.kinds[e.output.tensor] in ("tile", "provisional")]
        tiles = [e for e in self.body if e.output.tensor in {each.output.tensor for each in streams}]
        why = (
            f"{tiling.rank} = {tiling.index}, {tiling.generations} tiles of {tiling.tile}; what streams is "
            "computed tile by tile, reading running values as they stand (FuseMax Eq 39-44, 47)"
        )
        self.steps.insert(0, Step("split", tuple(streams), tuple(tiles), why))

    def explain(self, einsum: Einsum, corrections: list[Correction], step: Einsum) -> None:
        rank, outer = self.tiling.rank, self.tiling.outer
        if corrections:
            why = (
                f"the summand changes by the factor {', '.join(a.tensor for _, a in corrections)} when the "
                f"running value it reads moves on, so the sum over earlier tiles of {rank} is corrected by "
                "it (FuseMax §III-C, Eq 48-53)"
            )
        else:
            why = (
                f"{einsum.reduce} is associative: its fold over {rank} is carried over {outer} "
                "(FuseMax Eq 43-46)"
            )
        made = [e for e in self.body if e != step and e.output.tensor in {a.tensor for a in step.accesses}]
        self.steps.append(Step("iterate", (einsum,), (*made, step), why, bool(corrections)))

    # Corrections: how a provisional value changes when the running values it reads move on.

    def corrections(self, einsum: Einsum) -> list[Correction]:
        """What the sum so far takes: operators with their right operands, in order."""
        made: list[Correction] = []
        for kind, access in self.factors(einsum):
            if kind == "exp":
                made.append(("mul", self.shifted(access)))
                continue
            old, new = self.current(access, 0), self.current(access, 1)
            # A sum so far of nothing is empty, so a first running value of 0 divides nothing (Cascade 3).
            made += [("div_left", old), ("mul", new)] if kind == "mul" else [("mul", old), ("div_left", new)]
        return made

    def factors(self, einsum: Einsum) -> list[Correction]:
        """The closed values a summand is homomorphic in, each with how; the same at every point it folds."""
        found = self.factors_at_a_point(einsum)
        inside = [access for _, access in found if set(access.ranks) & set(einsum.reduced)]
        if inside or (found and einsum.reduce not in (None, "sum")):
            factor = (inside or [found[0][1]])[0].tensor
            raise NotIterable(f"{einsum} folds what {factor}, which is still running, is a factor of")
        return found

    def factors_at_a_point(self, einsum: Einsum) -> list[Correction]:
        """The closed values the map of an Einsum is homomorphic in."""
        if einsum.map in _EXPONENTIALS:
            exponent, shift = einsum.operands
            if self.free(exponent) and isinstance(shift, Access) and self.waits(shift):
                return [("exp", shift)]
        waiting = [o for o in einsum.operands if isinstance(o, Access) and self.waits(o)]
        if not waiting:
            return []
        if einsum.map in _TRANSPARENT or einsum.map == "mul":
            return [factor for operand in waiting for factor in self.factors_of(operand, "mul")]
        if einsum.map in ("div", "div_left"):
            top = [o for o in einsum.operands[:1] if o in waiting]
            bottom = [o for o in einsum.operands[1:] if o in waiting]
            return [
                *(factor for operand in top for factor in self.factors_of(operand, "mul")),
                *(factor for operand in bottom for factor in self.factors_of(operand, "div")),
            ]
        if einsum.map == "where" and einsum.operands[2] == Literal(0.0) and len(waiting) == 1:
            return self.factors_of(waiting[0], "mul")
        raise NotIterable(f"{einsum} is not homomorphic in {waiting[0].tensor}, which is still running")

    def factors_of(self, operand: Operand, role: str) -> list[Correction]:
        if not isinstance(operand, Access):
            return []
        if self.kinds[operand.tensor] == "provisional":
            producer = self.producers[operand.tensor]
            if role == "div":
                raise NotIterable(f"a division by {operand.tensor}, which is still running")
            if producer.output.index != operand.index:
                raise NotIterable(f"{operand} is read at other ranks than it is written at")
            return self.factors(producer)
        if operand.tensor not in self.nonzero:
            raise NotIterable(f"{operand.tensor} may be zero while it runs, and is a factor of a sum")
        return [(role, operand)]

    def free(self, operand: Operand) -> bool:
        return not isinstance(operand, Access) or not self.waits(operand)

    def waits(self, access: Access) -> bool:
        return self.kinds.get(access.tensor) in ("running", "closed", "provisional")

    def shifted(self, access: Access) -> Access:
        """``exp(old - new)`` of a running exponent's shift, once per generation."""
        known = ("P", access.tensor) in self.names
        target = Access(self.name("P", access.tensor), (Index.of(self.tiling.outer), *access.index))
        if not known:
            operands = (self.current(access, 0), self.current(access, 1))
            self.body.append(Einsum(target, "exp_sub_left", operands))
        return target

    # Names and accesses.

    def name(self, prefix: str, tensor: str) -> str:
        key = (prefix, tensor)
        if prefix in ("B", "S") or key not in self.names:
            self.names[key] = fresh_name(prefix + tensor, self.taken)
            self.taken.add(self.names[key])
            self.like[self.names[key]] = tensor
        return self.names[key]

    def carried(self, output: Access, shift: int) -> Access:
        generation = Index(((self.tiling.outer, 1),), shift)
        return Access(self.name("R", output.tensor), (generation, *output.index))

    def final(self, access: Access) -> Access:
        return Access(self.name("R", access.tensor), (Index((), self.tiling.generations), *access.index))

    def finished(self, einsum: Einsum) -> Einsum:
        """A closed Einsum behind the iteration: it reads the last generation."""
        operands = tuple(
            self.final(operand)
            if isinstance(operand, Access) and self.kinds.get(operand.tensor) == "running"
            else operand
            for operand in einsum.operands
        )
        return replace(einsum, operands=operands)

    def current(self, access: Access, shift: int) -> Access:
        """A closed value as it stands before (0) or after (1) this generation."""
        if self.kinds[access.tensor] == "running":
            return self.carried(access, shift)
        prefix = "N" if shift else "O"
        known = (prefix, access.tensor) in self.names
        target = Access(self.name(prefix, access.tensor), (Index.of(self.tiling.outer), *access.index))
        if not known:
            producer = self.producers[access.tensor]
            operands = tuple(
                self.current(operand, shift)
                if isinstance(operand, Access) and self.waits(operand)
                else operand
                for operand in producer.operands
            )
            output = Access(target.tensor, (Index.of(self.tiling.outer), *producer.output.index))
            self.body.append(replace(producer, output=output, operands=operands))
        return target

    def tile_operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Access):
            return self.tile_access(operand)
        if isinstance(operand, Coord):
            return Coord(operand.index.substitute(self.table))
        return operand

    def tile_access(self, access: Access) -> Access:
        kind = self.kinds.get(access.tensor, "input")
        if kind in ("running", "closed"):
            return self.current(access, 1)
        if kind in ("input", "outside"):
            return access.substitute(self.table)
        indices: list[Index] = []
        for index in access.index:
            if index.plain == self.tiling.rank:
                indices += [Index.of(self.tiling.outer), Index.of(self.tiling.inner)]
            elif self.tiling.rank in index.ranks:
                raise NotIterable(f"{access} reads the stream across a tile's border")
            else:
                indices.append(index)
        return Access(access.tensor, tuple(indices))

    @property
    def table(self) -> Mapping[str, Index]:
        return {self.tiling.rank: self.tiling.index}
