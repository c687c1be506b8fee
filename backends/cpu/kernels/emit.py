"""The emitter's entry: reads a ``cascade.fused`` op and writes its kernel.

The outer ranks are cut in tiles, all of one size (the last is moved back to end at the edge, so some
points may be computed twice, with equal results); the tiles are dealt out to the threads in runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from ....ir.build import string
from ....ir.errors import PassError
from ....ir.mlir import ir
from ..blocking import BLOCKING, Blocking
from ..isa import Isa
from .epilogue import Epilogue
from .frame import Frame
from .group import Group, Iteration, Step, Tensor, read_group
from .kernel import C_TYPES, Kernel
from .lowering import function_attributes
from .masks import ranks_of
from .nest import Nest
from .plan import plan_group
from .schedule import Finished, Schedule, Segment, in_place, kept
from .skipping import Spans, live_points
from .text import Linear, Writer


def emit_kernel(fused: ir.Operation, symbol: str, isa: Isa, is_param: Sequence[bool] = ()) -> Kernel:
    """Write the kernel of one fused group.

    Args:
        fused: the ``cascade.fused`` op.
        symbol: C symbol of the kernel.
        isa: instruction set to write for.
        is_param: per operand, whether it is a parameter (constant, so it may be packed beforehand).

    Raises:
        PassError: the group holds something a kernel cannot do, or says to be cut in no known way.
    """
    group = read_group(fused, is_param)
    if BLOCKING in fused.attributes:
        isa = replace(isa, blocking=Blocking.parse(string(fused, BLOCKING)))
    for tensor in group.tensors:
        if tensor.element not in C_TYPES:
            raise PassError(
                f"element type {tensor.element} has no CPU code", where=f"{symbol}, {tensor.name}"
            )
    return _Emitter(group, symbol, isa).kernel()


class _Emitter:
    """Writes one function."""

    def __init__(self, group: Group, symbol: str, isa: Isa) -> None:
        self.group, self.symbol, self.isa = group, symbol, isa
        self.plan = plan_group(group, isa)
        names = [tensor.name for tensor in group.tensors]
        self.writer = Writer([*names, "scratch", "tid", "nthreads"], converts_bf16=isa.bf16)
        self.frame = Frame(self.writer, isa, self.plan.tiles)
        iterations = (node for node in group.nodes if isinstance(node, Iteration))
        self.live = {node: live for node in iterations if (live := live_points(group, node))}

    def kernel(self) -> Kernel:
        frame, group = self.frame, self.group
        for rank, spec in self.plan.packs.items():
            frame.packed[group.arguments[rank]] = spec
        self._tiles()
        arguments = tuple(C_TYPES[tensor.element] for tensor in group.arguments)
        return Kernel(
            symbol=self.symbol,
            mlir=self._function(),
            arguments=arguments,
            inputs=group.inputs,
            scratch_bytes=max(frame.arena.size, 64),
            shared_bytes=0,
            packs=dict(self.plan.packs),
        )

    def _tiles(self) -> None:
        """The loop over this thread's tiles and, in it, all the work."""
        frame, writer, group = self.frame, self.writer, self.group
        counts = []
        for rank in group.parallel:
            extent = self.plan.extents[rank]
            counts.append((rank, extent, frame.tiles[rank], -(-extent // frame.tiles[rank])))
        total = 1
        for *_, count in counts:
            total *= count
        writer.comment(f"{total} tiles: " + ", ".join(f"{r} {n} by {t}" for r, n, t, _ in counts))
        whole = writer.number(total)
        first = writer.op("first", f"arith.muli %tid, {whole} : index")
        first = writer.op("first", f"arith.divui {first}, %nthreads : index")
        end = writer.op("end", f"arith.addi %tid, {writer.number(1)} : index")
        end = writer.op("end", f"arith.muli {end}, {whole} : index")
        end = writer.op("end", f"arith.divui {end}, %nthreads : index")
        with writer.loop("tile", Linear.of(first), Linear.of(end), 1) as tile:
            inner = total
            for rank, extent, size, count in counts:
                inner //= count
                self._origin(rank, extent, size, count, tile, inner)
            self._nodes()

    def _origin(self, rank: str, extent: int, size: int, count: int, tile: Linear, inner: int) -> None:
        """Where this tile of a rank begins."""
        writer, place = self.writer, self.writer.index(tile)
        number = Linear()
        if count == 1:
            origin = Linear()
        else:
            if inner > 1:
                place = writer.op(f"{rank}t", f"arith.divui {place}, {writer.number(inner)} : index")
            place = writer.op(f"{rank}t", f"arith.remui {place}, {writer.number(count)} : index")
            if any(rank in ranks_of(live.formula) for live in self.live.values()):
                place = self._alternating(place, count)
            start = writer.op(f"{rank}0", f"arith.muli {place}, {writer.number(size)} : index")
            if extent % size:
                last = writer.number(extent - size)
                start = writer.op(f"{rank}0", f"arith.minui {start}, {last} : index")
            origin, number = Linear.of(start), Linear.of(place)
        self.frame.number[rank] = number
        self.frame.origin[rank] = origin
        if size == 1:
            self.frame.fixed[rank] = origin

    def _alternating(self, place: str, count: int) -> str:
        """Tiles from both ends in turn: a mask makes their work grow along a rank, and runs of them even."""
        writer = self.writer
        half = writer.op("half", f"arith.divui {place}, {writer.number(2)} : index")
        odd = writer.op("odd", f"arith.remui {place}, {writer.number(2)} : index")
        back = writer.op("back", f"arith.subi {writer.number(count - 1)}, {half} : index")
        is_odd = writer.op("is_odd", f"arith.cmpi eq, {odd}, {writer.number(1)} : index")
        return writer.op("turn", f"arith.select {is_odd}, {back}, {half} : index")

    def _nodes(self) -> None:
        """Everything inside one tile."""
        schedule = Schedule(self.frame, self.group, self.plan.contractions)
        parts: list[tuple[Iteration | None, list[Segment]]] = []
        run: list[Step] = []
        for node in self.group.nodes:
            if isinstance(node, Step):
                run.append(node)
                continue
            parts += [(None, schedule.segments(run)), (node, schedule.segments(node.body))]
            run = []
        parts.append((None, schedule.segments(run)))
        everything = [segment for _, segments in parts for segment in segments]
        stored = kept(self.group, everything)
        self.frame.places.update(in_place(self.group, everything, stored))
        for iteration, segments in parts:
            if iteration is None:
                self._segments(self.frame, segments, stored)
            else:
                self._iteration(iteration, segments, stored)

    def _segments(self, frame: Frame, segments: Sequence[Segment], stored: set[Tensor]) -> None:
        for segment in segments:
            if isinstance(segment, tuple):
                Nest(frame, segment, stored).write()
            elif isinstance(segment, Finished):
                contraction = segment.contraction
                if not contraction.write(frame, Epilogue(contraction.step.output, segment.steps, stored)):
                    Nest(frame, segment.steps, stored).write()
            else:
                segment.write(frame)

    def _iteration(self, node: Iteration, segments: Sequence[Segment], stored: set[Tensor]) -> None:
        """Whole generations in a loop, then the ragged last one with its own extents."""
        whole = node.extent // node.tile
        rest = node.extent - whole * node.tile
        live = self.live.get(node)
        first, end = Spans(self.frame, node, live).written() if live else (self.writer.number(0), "")
        if whole:
            self.writer.comment(f"generations of {node.rank}")
            last = Linear((), whole)
            if live:
                last = Linear.of(
                    self.writer.pure("bound", f"arith.minui {end}, {self.writer.index(last)} : index")
                )
            with self.writer.loop(node.rank, Linear.of(first) if live else Linear(), last, 1) as place:
                inner = self.frame.generation(node.rank, place, (0, whole - 1), {})
                self._segments(inner, segments, stored)
        if rest:
            self.writer.comment(f"last generation of {node.rank}: {rest} coordinates")
            place = Linear((), whole)
            inner = self.frame.generation(node.rank, place, (whole, whole), {node.tile_rank: rest})
            with ExitStack() as stack:
                if live:
                    stack.enter_context(self._reached(whole, first, end))
                self._segments(inner, segments, stored)

    @contextmanager
    def _reached(self, generation: int, first: str, end: str) -> Iterator[None]:
        """Where a generation lies in a span."""
        writer, number = self.writer, self.writer.number(generation)
        begun = writer.pure("begun", f"arith.cmpi ule, {first}, {number} : index")
        open_ = writer.pure("open", f"arith.cmpi ult, {number}, {end} : index")
        both = writer.pure("live", f"arith.andi {begun}, {open_} : i1")
        with writer.scope(f"scf.if {both} {{"):
            yield

    def _function(self) -> str:
        size = max(self.frame.arena.size, 64)
        views = []
        for view in self.frame.arena.views:
            name, offset, kind = view
            place = self.writer.number(offset)
            views.append(f"  {name} = memref.view %scratch[{place}][] : memref<{size}xi8> to {kind}")
        arguments = [
            f"{self.frame.buffer(tensor).name}: {self.frame.buffer(tensor).kind} {{llvm.noalias}}"
            for tensor in self.group.arguments
        ]
        arguments += [f"%scratch: memref<{size}xi8> {{llvm.noalias}}", "%tid: index", "%nthreads: index"]
        lines = [
            f"func.func @{self.symbol}({', '.join(arguments)})",
            f"    attributes {{{function_attributes(self.isa)}}} {{",
            *self.writer.constants(),
            *views,
            *self.writer.lines,
            "  return",
            "}",
        ]
        return "\n".join(lines)
