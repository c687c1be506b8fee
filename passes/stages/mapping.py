"""Stages onto the units of a fabric: PCUs by their share of the work, stage buffers, streams, memory.

A tile is one sequence. Every stage has a PCU. The feed-forward, a linear layer that reads nothing but
another's result, is cut into as many parts as units are left for: the first layer along its columns, the
second along what it sums, and who reads the second adds the parts (SN40L, MICRO 2024, section III-A: PCUs
follow the share of operations). Buffers hold two tiles: one is filled while the other is read. If a stream is
left for it, a residual that is the section's source comes from memory again, so that its buffer is free as
soon as the first stages have read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...ir.bitmod_format import GROUP_SIZE
from ...ir.errors import PlanError, TargetError
from ...ir.fabric import (
    LANES,
    MOST_DESTINATIONS,
    Buffer,
    Gemm,
    Load,
    Quantized,
    Reader,
    Region,
    Rows,
    Section,
    Store,
    Unit,
    Walk,
)
from ...ir.targets.fabric import Machine
from . import programs
from .fits import check_shapes, shortage, weight_vectors
from .stage import AddNorm, Context, Linear, Scores, Softmax, Stage, Stages

DEPTH = 2
MOST_READERS = 2
MOST_PARTS = 3
"""Parts of a feed-forward: as many queues feed a flow, and the queues of who adds them."""
WIDE_PLANE = 0
"""The plane of operands A, a vector a cycle each; all else is on the other."""


def map_stages(
    name: str, stages: Stages, machine: Machine, tiles: int, quantize: str | None = None
) -> Section:
    """A section for some stages on some machine.

    Args:
        name: of the section.
        stages: what it does.
        machine: the fabric.
        tiles: that stream through.
        quantize: format of the weights of linear layers, which BitMoD arrays then multiply; None: FP32.

    Raises:
        PlanError: shapes that do not fit its vectors, queues or memories.
        TargetError: it has not enough units.
    """
    check_shapes(stages, machine)
    wide = [stages.activations[each].width for each in _inner(stages)]
    best, refused = None, ""
    for parts in range(1, MOST_PARTS + 1 if wide else 2):
        # A part's inputs are whole groups, so that the groups are those of the whole layer.
        least = LANES if quantize is None or parts == 1 else GROUP_SIZE
        if any(width % (least * parts) for width in wide):
            continue
        for again in (False, True):
            mapped = _Mapper(name, stages, machine, tiles, parts, again, quantize).section()
            missing = shortage(mapped, machine)
            best, refused = (best, refused or missing) if missing else (mapped, refused)
    if best is None:
        raise TargetError(
            f"the section needs {refused}", where=machine.name, accepted="a larger fabric, or a smaller part"
        )
    return best


def _inner(stages: Stages) -> dict[str, tuple[Linear, Linear]]:
    """Activations between the two layers of a feed-forward, whose result a normalisation adds."""
    makers = {stage.result: stage for stage in stages.stages}
    found = {}
    for stage in stages.stages:
        first = makers.get(stage.source) if isinstance(stage, Linear) else None
        readers = [each for each in stages.stages if first is not None and first.result in each.reads]
        after = [each for each in stages.stages if stage.result in each.reads]
        added = len(after) == 1 and isinstance(after[0], AddNorm) and after[0].source == stage.result
        if isinstance(first, Linear) and isinstance(stage, Linear) and readers == [stage] and added:
            found[first.result] = (first, stage)
    return found


@dataclass
class _Use:
    """A way in which a buffer is read: a walk, and the units that take the flow."""

    flow: str
    walk: Walk
    users: list[str] = field(default_factory=list)


@dataclass
class _Held:
    """An activation, or a part of its columns, in a buffer of its own."""

    name: str
    write: str
    words: int
    pitch: int
    into: Walk
    uses: list[_Use] = field(default_factory=list)


@dataclass
class _Mapper:
    name: str
    stages: Stages
    machine: Machine
    tiles: int
    parts: int
    again: bool
    quantize: str | None
    units: list[Unit] = field(default_factory=list)
    held: dict[str, list[_Held]] = field(default_factory=dict)
    planes: dict[str, int] = field(default_factory=dict)
    regions: dict[str, Region] = field(default_factory=dict)
    mask: _Held | None = None

    def section(self) -> Section:
        """The section."""
        stages = self.stages
        self.cut = (
            {each.result for pair in _inner(stages).values() for each in pair} if self.parts > 1 else set()
        )
        self._source()
        for stage in stages.stages:
            self._stage(stage)
        self._result()
        return Section(self.name, self.tiles, tuple(self._ordered()), self.planes, self.regions)

    def _source(self) -> None:
        shape = self.stages.activations[self.stages.source]
        vectors = shape.rows * shape.width // LANES
        self._load("x", Region(vectors * self.tiles, "source", shape.name), vectors, vectors)
        self._hold(shape.name, "x", "x", shape.rows, shape.width, Walk(((vectors, LANES),)))

    def _result(self) -> None:
        """The result leaves row by row: as it is made where a SIMD pipeline makes it, else by a buffer."""
        (held,) = self.held[self.stages.result]
        if held.uses:
            raise PlanError("a stage reads the result", where=self.name, accepted="a result that only leaves")
        vectors = held.words // LANES
        along, flow = Walk(((vectors, LANES),)), held.write
        if held.into == along:
            del self.held[self.stages.result]
        else:
            flow = self._read(held, along, "store_y", 1 - WIDE_PLANE)
        self.regions["y"] = Region(vectors * self.tiles, "result", self.stages.result)
        self.units.append(Store("store_y", flow, "y", vectors, vectors))

    def _ordered(self) -> Iterator[Unit]:
        """Units, each buffer right behind who fills it."""
        waiting = {each.write: each for parts in self.held.values() for each in parts}
        if self.mask is not None:
            waiting[self.mask.write] = self.mask
        for unit in self.units:
            yield unit
            for flow in unit.outputs:
                if flow in waiting:
                    yield self._buffer(waiting[flow])

    def _buffer(self, held: _Held) -> Buffer:
        readers = tuple(Reader(use.flow, use.walk) for use in held.uses)
        if len(readers) > MOST_READERS:
            raise PlanError(
                f"{held.name} is read in {len(readers)} ways", where=self.name, accepted=f"{MOST_READERS}"
            )
        return Buffer(
            f"{held.name}_buffer", held.name, held.words, DEPTH, held.pitch, held.write, held.into, readers
        )

    def _load(self, name: str, region: Region, vectors: int, stride: int, once: bool = False) -> str:
        """A load unit; the name of its flow."""
        self.regions[name] = region
        self.units.append(Load(f"load_{name}", name, name, vectors, stride, once))
        return name

    def _hold(self, tensor: str, name: str, flow: str, rows: int, width: int, into: Walk) -> None:
        held = _Held(name, flow, rows * width, width, into)
        self.held.setdefault(tensor, []).append(held)

    def _read(self, held: _Held, walk: Walk, user: str, plane: int) -> str:
        """The flow that brings a unit a buffer's contents along a walk."""
        for use in held.uses:
            if use.walk == walk and len(use.users) < MOST_DESTINATIONS and self.planes[use.flow] == plane:
                use.users.append(user)
                return use.flow
        return self._read_alone(held, walk, user, plane)

    def _read_alone(self, held: _Held, walk: Walk, user: str, plane: int) -> str:
        """The same as a flow of the unit's own, for who waits for what others make of the buffer."""
        use = _Use(f"{held.name}_to_{user}", walk, [user])
        held.uses.append(use)
        self.planes[use.flow] = plane
        return use.flow

    def _stage(self, stage: Stage) -> None:
        if isinstance(stage, Linear):
            self._linear(stage)
        elif isinstance(stage, Scores):
            self._scores(stage)
        elif isinstance(stage, Softmax):
            self._softmax(stage)
        elif isinstance(stage, Context):
            self._context(stage)
        else:
            self._add_norm(stage)

    def _linear(self, stage: Linear) -> None:
        sources = self.held[stage.source]
        shape = self.stages.activations[stage.result]
        split = self.parts if stage.result in self.cut and len(sources) == 1 else 1
        if split > 1:
            columns = shape.width // split
            for part in range(split):
                self._gemm(stage, f"{_short(stage)}_{part}", sources[0], 0, (part * columns, columns))
            return
        first = 0
        for part, held in enumerate(sources):
            name = _short(stage) if len(sources) == 1 else f"{_short(stage)}_{part}"
            self._gemm(stage, name, held, first, (0, shape.width))
            first += held.pitch

    def _gemm(self, stage: Linear, name: str, held: _Held, first: int, columns: tuple[int, int]) -> None:
        """Columns `columns` (first, count) of the result from columns `first` on of the source."""
        rows = self.stages.activations[stage.source].rows
        begin, width = columns
        depth, tiles, high = held.pitch, width // LANES, rows // LANES
        bias = stage.bias if first == 0 else None
        spans = (begin, begin + width), (first, first + depth)
        einsum = f"{stage.result}[t, n] = sum[d] mul({stage.source}[t, d], {stage.weight}[n, d])"
        einsum += f", d {first} to {first + depth - 1}, n {begin} to {begin + width - 1}"
        if self.quantize is not None:
            walk = Walk(((rows * depth // LANES, LANES),))
            vectors = weight_vectors(width, depth, self.quantize)
        else:
            walk = Walk(((high, LANES * depth), (depth, 1), (tiles, 0)), lane=depth)
            vectors = tiles * (depth + (bias is not None))
        a = self._read(held, walk, name, WIDE_PLANE)
        region = Region(vectors, "weights", stage.weight, bias, *spans, format=self.quantize)
        b = self._load(f"{name}_weights", region, vectors, 0)
        out, gelu = name, stage.gelu
        if self.quantize is not None:
            unit = Quantized(name, einsum, a, b, out, depth, tiles, rows, self.quantize, gelu)
        else:
            unit = Gemm(name, einsum, a, b, out, depth, tiles, high, bias is not None, 1.0, gelu)
        self.units.append(unit)
        self._hold(stage.result, name, out, rows, width, Walk(((rows, width), (tiles, LANES))))

    def _scores(self, stage: Scores) -> None:
        (query,), (key,) = self.held[stage.query], self.held[stage.key]
        shape = self.stages.activations[stage.result]
        rows, keys = shape.rows // stage.heads, shape.width
        size, pitch, wide = query.pitch // stage.heads, query.pitch, keys // LANES
        name = _short(stage)
        a = Walk(((rows // LANES, LANES * pitch), (size, 1), (wide, 0), (stage.heads, size)), lane=pitch)
        b = Walk(((size, 1), (wide, LANES * pitch), (stage.heads, size)), lane=pitch)
        product = f"mul({stage.query}[p, h, e], {stage.key}[m, h, e])"
        einsum = f"{stage.result}[h, p, m] = {stage.scale:g} * sum[e] {product}"
        self.units.append(
            Gemm(
                name,
                einsum,
                self._read(query, a, name, WIDE_PLANE),
                self._read(key, b, name, 1 - WIDE_PLANE),
                name,
                size,
                stage.heads * wide,
                rows // LANES,
                scale=stage.scale,
            )
        )
        into = Walk(((rows, keys), (wide, LANES), (stage.heads, rows * keys)))
        self._hold(stage.result, name, name, shape.rows, keys, into)

    def _softmax(self, stage: Softmax) -> None:
        (source,) = self.held[stage.source]
        shape = self.stages.activations[stage.source]
        wide, name = shape.width // LANES, _short(stage)
        vectors = shape.rows * wide
        queues = [self._read(source, Walk(((vectors, LANES),)), name, WIDE_PLANE)]
        if stage.mask is not None:
            if self.mask is None:
                region = Region(wide * self.tiles, "mask", stage.mask, boolean=stage.boolean)
                self._load("mask", region, wide, wide)
                self.mask = _Held("mask", "mask", shape.width, shape.width, Walk(((wide, LANES),)))
            again = Walk(((wide, LANES), (shape.rows, 0)))
            queues.append(self._read(self.mask, again, name, 1 - WIDE_PLANE))
        einsum = f"{stage.result}[h, p, m] = softmax[m]({stage.source}[h, p, m])"
        once, body = programs.settled((), programs.softmax(shape.width, stage.mask is not None))
        self.units.append(Rows(name, einsum, tuple(queues), name, once, body, shape.rows, ()))
        self._hold(stage.result, name, name, shape.rows, shape.width, Walk(((vectors, LANES),)))

    def _context(self, stage: Context) -> None:
        (weights,), (value,) = self.held[stage.weights], self.held[stage.value]
        shape = self.stages.activations[stage.result]
        rows, keys, pitch = shape.rows, weights.pitch, value.pitch
        size, name = shape.width // stage.heads, _short(stage)
        wide = size // LANES
        a = Walk(((rows // LANES, LANES * keys), (keys, 1), (wide, 0), (stage.heads, rows * keys)), lane=keys)
        b = Walk(((keys, pitch), (wide, LANES), (stage.heads, size)))
        einsum = f"{stage.result}[p, h, f] = sum[m] mul({stage.weights}[h, p, m], {stage.value}[m, h, f])"
        self.units.append(
            Gemm(
                name,
                einsum,
                self._read(weights, a, name, WIDE_PLANE),
                self._read(value, b, name, 1 - WIDE_PLANE),
                name,
                keys,
                stage.heads * wide,
                rows // LANES,
            )
        )
        into = Walk(((rows, shape.width), (wide, LANES), (stage.heads, size)))
        self._hold(stage.result, name, name, rows, shape.width, into)

    def _add_norm(self, stage: AddNorm) -> None:
        sources, (residual,) = self.held[stage.source], self.held[stage.residual]
        shape = self.stages.activations[stage.result]
        vectors, name = shape.rows * shape.width // LANES, _short(stage)
        along = Walk(((vectors, LANES),))
        terms = [*sources, residual]
        queues = [self._read(each, along, name, at % 2) for at, each in enumerate(sources)]
        if self.again and stage.residual == self.stages.source:
            self.units.append(Load("load_x_again", "x_again", "x", vectors, vectors))
            queues.append("x_again")
        else:
            queues.append(self._read_alone(residual, along, name, len(sources) % 2))
        wide = shape.width // LANES
        region = Region(2 * wide, "norm", stage.weight, stage.bias)
        queues.append(self._load(f"{name}_weights", region, 2 * wide, 0, once=True))
        einsum = f"{stage.result}[t, :] = layer_norm({' + '.join(each.name for each in terms)})[t, :]"
        once, body = programs.settled(
            programs.add_norm_parameters(shape.width, len(terms)), programs.add_norm(shape.width, len(terms))
        )
        constants = (1.0 / shape.width, stage.epsilon)
        self.units.append(Rows(name, einsum, tuple(queues), name, once, body, shape.rows, constants))
        self._hold(stage.result, name, name, shape.rows, shape.width, along)


def _short(stage: Stage) -> str:
    """A unit's name for a stage: its parameters' where it has some, else what it is."""
    if isinstance(stage, Linear | AddNorm):
        return re.sub(r"\W+", "_", stage.weight.removesuffix(".weight")).lower()
    return f"{stage.kind}_{stage.result}".lower()
