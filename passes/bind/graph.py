"""The task graph of a tile: a task per Einsum of the loop, an edge per tensor read, with latencies.

Between generations of a running value lie P1 tiles, since query tiles come first: (m1, p1) feeds (m1+1, p1).
Where producer and consumer go through the same ranks step by step they stream, through a queue as deep as the
register file of the consumer's unit allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...ir.einsum import Access, Einsum
from ...ir.errors import PlanError
from ...ir.schedule import Edge, Task
from ...ir.targets import Target
from ...ir.view import Cascade
from .assign import Array, Assignment, assign
from .tile import Tile, tile_of

_COPIES = (2, 1)
"""Tiles whose results a register file is laid out for beside its queues: the first of these that fits."""


def tile_graph(
    cascade: Cascade,
    target: Target,
    *,
    rows: int | None = None,
    cols: int | None = None,
    p1: int = 1,
    assignment: Assignment | None = None,
    pinned: Mapping[str, str] | None = None,
    depth: int | None = None,
) -> tuple[tuple[Task, ...], tuple[Edge, ...]]:
    """Tasks and edges of one tile, for `schedule_tile`.

    Args:
        cascade: a one-pass cascade with a generational rank and extents.
        target: the accelerator.
        rows: rows of its two-dimensional array, where other than the target's.
        cols: columns and lanes, likewise.
        p1: tiles between the generations of a running value.
        assignment: who runs what; found by `assign` when None.
        pinned: tensor → unit, for `assign`.
        depth: words of every queue; by default the registers left are shared out evenly.

    Raises:
        PlanError: a cascade of several passes, an Einsum that no unit can run, a register file too small.
    """
    tile = tile_of(cascade)
    found = assignment or assign(tile, target, rows=rows, columns=cols, tiles=p1, pinned=pinned)
    return _Builder(tile, target, found, p1, depth).build()


@dataclass
class _Builder:
    tile: Tile
    target: Target
    found: Assignment
    p1: int
    depth: int | None

    def build(self) -> tuple[tuple[Task, ...], tuple[Edge, ...]]:
        self.arrays = {array.name: array for array in self.found.arrays}
        self.writers = {einsum.output.tensor: einsum for einsum in self.tile.loop}
        tasks = tuple(
            Task(name, self.found.units[name], self.found.steps[name], str(einsum))
            for name, einsum in self.writers.items()
        )
        edges = [self.edge(access, einsum) for einsum in self.tile.loop for access in self.read(einsum)]
        edges += self.overwrites(edges)
        return tasks, self.queues(list(dict.fromkeys(edges)))

    def read(self, einsum: Einsum) -> list[Access]:
        return [access for access in einsum.accesses if access.tensor in self.writers]

    def distance(self, access: Access) -> int:
        """Tiles from the writer to a reader at this access."""
        rank = self.tile.generational
        written = self.writers[access.tensor].output
        read = [index.const for index in access.index if index.terms == ((rank, 1),)]
        wrote = [index.const for index in written.index if index.terms == ((rank, 1),)]
        if not read or not wrote or wrote[0] < read[0]:
            raise PlanError(
                f"reads {access}, which is not there yet in its generation",
                where=rank,
                accepted=f"a generation written before, {written}",
            )
        return (wrote[0] - read[0]) * self.p1

    def edge(self, access: Access, consumer: Einsum) -> Edge:
        producer, name = self.writers[access.tensor], consumer.output.tensor
        source, sink = self.arrays[self.unit(access.tensor)], self.arrays[self.unit(name)]
        distance = self.distance(access)
        carried = distance > 0 and bool(source.memory)
        held = "" if carried else self.held(producer, source, sink)
        return Edge(
            producer=access.tensor,
            consumer=name,
            latency=self.latency(producer, source, sink, carried),
            distance=distance,
            streamed=self.streams(producer, consumer, source, sink),
            until=0 if self.reads_at_once(consumer, sink) else None,
            held=held,
            words=self.words(producer, held),
        )

    def unit(self, tensor: str) -> str:
        return self.found.units[tensor]

    def at_bottom(self, producer: Einsum, array: Array) -> bool:
        """Whether a result leaves at the bottom of the columns."""
        return array.rows is not None and self.tile.rows not in producer.output.ranks

    def latency(self, producer: Einsum, source: Array, sink: Array, carried: bool) -> int:
        if carried:
            memory = source.memory[0]
            return self.path(source.name, memory) + self.path(memory, sink.name)
        if source.name != sink.name:
            return self.path(source.name, sink.name)
        if self.at_bottom(producer, source):
            other = next(array for array in self.found.arrays if array.rows is None)
            return self.path(source.name, other.name) + self.path(other.name, source.name)
        registers = self.target.register_file(source.name)
        return self.path(source.name, registers.name) if registers else 1

    def path(self, source: str, destination: str) -> int:
        transfer = self.target.find_transfer(source, destination)
        if transfer is None:
            raise PlanError(
                f"nothing moves from {source} to {destination}",
                where=self.target.name,
                accepted="a [[transfer]] section of the target",
            )
        rows = next((array.rows for array in self.found.arrays if array.name == source), None)
        return transfer.cycles(rows or 0)

    def held(self, producer: Einsum, source: Array, sink: Array) -> str:
        """The unit in whose registers a result waits: what drains waits below the columns."""
        if self.at_bottom(producer, source) or (source.rows is not None and sink.rows is None):
            return next(array.name for array in self.found.arrays if array.rows is None)
        return source.name

    def words(self, producer: Einsum, held: str) -> int:
        words = 1
        for rank in self.tile.serial(producer.output.ranks):
            rows = self.arrays[held].rows if held else None
            extent = self.tile.extents[rank]
            words *= -(-extent // rows) if rank == self.tile.rows and rows else extent
        return words

    def order(self, ranks: tuple[str, ...], array: Array) -> tuple[str, ...]:
        """Ranks that a unit goes through step by step."""
        on_rows = self.tile.rows if array.rows is not None else None
        return tuple(rank for rank in self.tile.serial(ranks) if rank != on_rows)

    def streams(self, producer: Einsum, consumer: Einsum, source: Array, sink: Array) -> bool:
        written = self.order(producer.output.ranks, source)
        same = written == self.order(producer.ranks, source) == self.order(consumer.ranks, sink)
        one, other = producer.output.tensor, consumer.output.tensor
        return same and bool(written) and self.found.steps[one] == self.found.steps[other] > 1

    def reads_at_once(self, consumer: Einsum, array: Array) -> bool:
        """Whether only the first step reads: an exponential works on the difference in place."""
        return consumer.map in ("exp_sub", "exp_sub_left") and not self.order(consumer.ranks, array)

    def overwrites(self, edges: list[Edge]) -> list[Edge]:
        """A running value is written back when its old generation has been read for the last time.

        Readers of the old generation that wait for the new one decide when; the next generation's readers
        then wait for them.
        """
        after = _reachable([edge for edge in edges if not edge.distance])
        found = []
        for tensor in self.tile.cascade.carried:
            old = [edge for edge in edges if edge.producer == tensor and edge.distance]
            for last in old:
                if last.consumer in after.get(tensor, set()) and not last.held:
                    found += [
                        Edge(last.consumer, edge.consumer, last.latency, last.distance)
                        for edge in old
                        if edge.consumer != last.consumer
                    ]
        return found

    def queues(self, edges: list[Edge]) -> tuple[Edge, ...]:
        """Give the queues their depth: what a register file has left beside the results."""
        done = []
        for edge in edges:
            if edge.streamed and edge.held:
                steps = self.found.steps[edge.producer]
                edge = replace(edge, depth=min(self.depth or self.left(edge.held, edges) or steps, steps))
            done.append(edge)
        return tuple(done)

    def left(self, unit: str, edges: list[Edge]) -> int | None:
        """Words for each queue in a unit's register file, None where it has no limit."""
        entries = self.arrays[unit].entries
        if entries is None:
            return None
        results = {edge.producer: edge.words for edge in edges if edge.held == unit and not edge.streamed}
        queues = {(e.producer, e.consumer) for e in edges if e.held == unit and e.streamed}
        shares = [(entries - copies * sum(results.values())) // len(queues) for copies in _COPIES]
        left = next((share for share in shares if share >= 1), 0)
        if left < 1:
            raise PlanError(
                f"a register file of {entries} words has no room for {len(queues)} queues beside "
                f"{', '.join(results)}",
                where=unit,
                accepted="a larger register file, or a cascade with fewer values in flight",
            )
        return left


def _reachable(edges: list[Edge]) -> dict[str, set[str]]:
    """Task → tasks that wait for it."""
    after: dict[str, set[str]] = {}
    for edge in edges:
        after.setdefault(edge.producer, set()).add(edge.consumer)
    changed = True
    while changed:
        changed = False
        for found in after.values():
            more = set().union(*(after.get(name, set()) for name in found)) - found
            found |= more
            changed = changed or bool(more)
    return after
