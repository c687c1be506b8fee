"""A group as a kernel with a block for each point of its outer ranks: reductions over the block's threads.

Scalars live in registers, the same in every thread; what has inner ranks and is worth keeping lies in shared
memory; everything else is done again where it is read. An iteration is a loop with its running values in
registers and shared memory. Nothing between the Einsums touches device memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from ....ir.build import EinsumView, integer, strings
from ....ir.cascade import EINSUM, ITERATE, YIELD, shape_of
from ....ir.einsum import Index
from ....ir.errors import PassError
from ....ir.mlir import ir
from ..kernel import Kernel, Launch
from .expressions import Held, Scope, flat_index, identity_text, store_text
from .group import Group, Iteration, dtype_name
from .points import decode, signature
from .text import VALUES, Names, is_costly

MOST_THREADS = 256
MOST_SHARED = 200 * 1024
"""Bytes of shared memory for intermediates; the rest of a multiprocessor's is cache."""

_SIZES = {"double": 8, "long long": 8, "float": 4, "int": 4, "short": 2}


def rows_kernel(group: Group, name: str) -> Launch | None:
    """The kernel of a group, or None where its Einsums do not stay within a block.

    Args:
        group: the group.
        name: of the kernel.
    """
    outer = strings(group.op, "rank_order")[: integer(group.op, "parallel")]
    if not _stays_within(group, outer):
        return None
    return _Rows(group, name, outer).launch()


def _stays_within(group: Group, outer: Sequence[str]) -> bool:
    """Whether no Einsum reads another's result at other outer coordinates than its own, or sums over them."""
    for view in group.views:
        if set(view.einsum.reduced) & set(outer):
            return False
        for access, value in zip(view.einsum.accesses, view.operands, strict=True):
            if value in group.operands:
                continue
            ranks = group.ranks_of(value)
            for rank, index in zip(ranks, access.index, strict=True):
                if rank in outer and index.plain != rank:
                    return False
    return all(set(outer) <= set(group.made[value].einsum.output.ranks) for value in _sources(group))


def _sources(group: Group) -> list[ir.Value]:
    return [group.source(value) for value in group.yielded]


@dataclass
class _Rows:
    """Writes one kernel."""

    group: Group
    name: str
    outer: Sequence[str]
    shared: list[str] = field(default_factory=list)
    shared_bytes: int = 0

    def __post_init__(self) -> None:
        widest = max(
            (prod(self.group.extents[rank] for rank in self._inner(view)) for view in self.group.views),
            default=1,
        )
        self.threads = min(MOST_THREADS, max(32, -(-widest // 32) * 32))
        self.names: Names = self.group.names()
        self.partial = ""

    def _inner(self, view: EinsumView) -> tuple[str, ...]:
        """Ranks that a block goes through: those of the output that are not the block's, and the reduced."""
        return tuple(rank for rank in view.einsum.ranks if rank not in self.outer)

    def launch(self) -> Launch:
        group = self.group
        scope = Scope(group, self.names, {})
        for op in group.top():
            self._step(op, scope)
        spaces = [tuple(group.ranks_of(value)) for value in group.yielded]
        for space in dict.fromkeys(spaces):
            self._store([number for number, own in enumerate(spaces) if own == space], space, scope)
        blocks = prod(group.extents[rank] for rank in self.outer)
        ranks = decode("block", tuple(self.outer), group)
        number = ["const int block = blockIdx.x;"] if blocks > 1 else []
        body = [*number, *ranks, *self.shared, *scope.lines]
        what = f"a block of {self.threads} threads for each ({','.join(self.outer)})"
        source = "\n".join(
            [
                *group.head(f"{self.name}: {what}"),
                '#include "fold.cuh"',
                "",
                signature(self.name, group.buffers(), self.threads),
                *(f"    {line}".rstrip() for line in body),
                "}",
                "",
            ]
        )
        kernel = Kernel(
            self.name,
            source,
            "sm_80",
            (blocks, 1, 1),
            (self.threads, 1, 1),
            self.shared_bytes,
            group.buffers(),
            group.notation,
            what,
        )
        return Launch(kernel, group.places())

    # Steps.

    def _step(self, op: ir.Operation, scope: Scope) -> None:
        if op.name == EINSUM:
            self._einsum(EinsumView.of(op), scope)
        elif op.name == ITERATE:
            self._iterate(Iteration.of(op), scope)

    def _einsum(self, view: EinsumView, scope: Scope) -> None:
        inner = [rank for rank in view.einsum.output.ranks if rank not in self.outer]
        if view.einsum.reduce is not None and not inner:
            self._fold(view, scope)
        elif not inner:
            text, _ = scope.value(view.result, self._at(view))
            scope.held[view.result] = self._scalar(view, text)
        elif view.einsum.reduce is not None or self._worth_keeping(view):
            self._keep(view, inner, scope)

    def _scalar(self, view: EinsumView, text: str) -> Held:
        return Held(text, (), (), tuple(self.outer))

    def _at(self, view: EinsumView) -> list[Index]:
        return [Index.of(rank) for rank in view.einsum.output.ranks]

    def _fold(self, view: EinsumView, scope: Scope) -> None:
        """A reduction to a scalar: every thread takes its share, the block folds."""
        einsum, kind = view.einsum, VALUES[dtype_name(view.result)]
        assert einsum.reduce is not None
        folded = "int" if kind == "bool" else kind
        share, total = self.names.take(f"{einsum.output.tensor}_share"), self.names.take(einsum.output.tensor)
        scope.add(f"// {einsum}", f"{folded} {share} = {identity_text(einsum.reduce, kind)};")
        body = scope.inner()
        ranks = {rank: Index.of(rank) for rank in einsum.ranks}
        body.fold(view, ranks, share)
        self._spread(einsum.reduced, body, scope)
        call = f"fold::block<fold::{einsum.reduce}, {self.threads}>({share}, {self._partial(folded)})"
        scope.add(f"const {kind} {total} = {call};")
        scope.held[view.result] = Held(total, (), (), tuple(self.outer))

    def _partial(self, kind: str) -> str:
        """Shared memory that folds use, declared once a type."""
        name = f"partial_{kind.replace(' ', '_')}"
        line = f"__shared__ {kind} {name}[{MOST_THREADS // 32}];"
        if line not in self.shared:
            self.shared.append(line)
        return name

    def _keep(self, view: EinsumView, inner: Sequence[str], scope: Scope) -> None:
        """An Einsum's values at the block's coordinates as an array in shared memory."""
        name = self._array(view.einsum.output.tensor, view.result, inner)
        scope.add(f"// {view.einsum}")
        body = scope.inner()
        text, _ = body.value(view.result, self._at(view))
        held = Held(name, tuple(inner), tuple(self.group.extents[r] for r in inner), tuple(self.outer))
        body.add(f"{self._element(held)} = {text};")
        self._spread(inner, body, scope)
        scope.add("__syncthreads();")
        scope.held[view.result] = held

    def _element(self, held: Held) -> str:
        return f"{held.name}[{flat_index([Index.of(rank) for rank in held.ranks], held.extents)}]"

    def _array(self, wanted: str, value: ir.Value, inner: Sequence[str]) -> str:
        """Declare an array in dynamic shared memory."""
        kind = VALUES[dtype_name(value)]
        name = self.names.take(wanted)
        if not self.shared_bytes:
            self.shared.insert(0, "extern __shared__ __align__(16) unsigned char kept[];")
        size = prod(self.group.extents[rank] for rank in inner) * _SIZES.get(kind, 1)
        line = f"{kind}* const {name} = reinterpret_cast<{kind}*>(kept + {self.shared_bytes});"
        self.shared.append(f"{line}  // [{','.join(inner)}]")
        self.shared_bytes += -(-size // 16) * 16
        if self.shared_bytes > MOST_SHARED:
            raise PassError(
                f"its intermediates take {self.shared_bytes} bytes of a block's shared memory",
                where=self.group.label,
                accepted=f"at most {MOST_SHARED}",
            )
        return name

    def _worth_keeping(self, view: EinsumView) -> bool:
        """Whether an elementwise value is dear and read more than once."""
        readers = [other for other in self.group.views if view.result in other.operands]
        own = set(view.einsum.ranks)
        again = any(set(other.einsum.ranks) - own - set(self.outer) for other in readers)
        count = len(readers) + self.group.yielded.count(view.result)
        size = prod(self.group.extents[rank] for rank in own - set(self.outer)) * 8
        fits = self.shared_bytes + size <= MOST_SHARED
        return is_costly(view.einsum.map) and (again or count > 1) and fits

    def _spread(self, ranks: Sequence[str], body: Scope, scope: Scope) -> None:
        """A loop in which the block's threads share the points of some ranks."""
        if len(ranks) == 1:
            scope.nest(scope.loop(ranks[0], "threadIdx.x", str(self.threads)), body)
            return
        points = prod(self.group.extents[rank] for rank in ranks)
        whole = scope.inner()
        whole.add(*decode("point", tuple(ranks), self.group))
        clipped = [rank for rank in ranks if rank in scope.clipped]
        if clipped:
            whole.nest(f"if ({' && '.join(f'{rank} < {scope.clipped[rank]}' for rank in clipped)})", body)
        else:
            whole.add(*body.lines)
        scope.nest(f"for (int point = threadIdx.x; point < {points}; point += {self.threads})", whole)

    def _store(self, numbers: Sequence[int], ranks: Sequence[str], scope: Scope) -> None:
        """Write the results of the same ranks, in one loop: what they have in common is computed once."""
        inner = [rank for rank in ranks if rank not in self.outer]
        index = [Index.of(rank) for rank in ranks]
        body = scope.inner()
        for number in numbers:
            value = self.group.yielded[number]
            text, _ = body.value(value, index)
            name = self.group.results[number]
            body.add(store_text(name, dtype_name(value), shape_of(value), index, text))
        if inner:
            self._spread(inner, body, scope)
        else:
            scope.nest("if (threadIdx.x == 0)", body)

    # Iterations.

    def _iterate(self, loop: Iteration, scope: Scope) -> None:
        running = [self._running(value, scope) for value in loop.op.operands]
        block = loop.block
        for argument, held in zip(block.arguments, running, strict=True):
            scope.held[argument] = held
        body = scope.inner()
        if loop.ragged:
            end = self.names.take(f"{loop.tile_rank}_end")
            left = f"{loop.extent} - {loop.rank} * {loop.tile}"
            body.add(f"const int {end} = {left} < {loop.tile} ? {left} : {loop.tile};")
            body.clipped = {**scope.clipped, loop.tile_rank: end}
        inside = [op.operation for op in block.operations]
        for op in inside:
            if op.name != YIELD:
                self._step(op, body)
        self._advance(list(inside[-1].operands), list(block.arguments), running, body)
        head = f"for (int {loop.rank} = 0; {loop.rank} < {loop.generations}; ++{loop.rank})"
        scope.nest(head, body)
        for result, held in zip(loop.op.results, running, strict=True):
            scope.held[result] = held

    def _running(self, value: ir.Value, scope: Scope) -> Held:
        """Storage for a running value, with what it starts as in it."""
        ranks, kind = self.group.ranks_of(value), VALUES[dtype_name(value)]
        inner = tuple(rank for rank in ranks if rank not in self.outer)
        body = scope.inner() if inner else scope
        text, _ = body.value(value, [Index.of(rank) for rank in ranks])
        wanted = self.group.made[self.group.source(value)].einsum.output.tensor
        if not inner:
            name = self.names.take(f"{wanted}_running")
            scope.add(f"{kind} {name} = {text};")
            return Held(name, (), (), tuple(self.outer))
        name = self._array(f"{wanted}_running", value, inner)
        held = Held(name, inner, tuple(self.group.extents[rank] for rank in inner), tuple(self.outer))
        body.add(f"{self._element(held)} = {text};")
        self._spread(inner, body, scope)
        scope.add("__syncthreads();")
        return held

    def _advance(
        self, made: list[ir.Value], before: list[ir.Value], running: list[Held], body: Scope
    ) -> None:
        """Running values become those of this generation: arrays first, since they may need old scalars."""
        later: list[str] = []
        arrays = [held for held in running if held.ranks]
        if arrays:
            body.add("__syncthreads();")
        for value, argument, held in zip(made, before, running, strict=True):
            if held.ranks:
                inner = body.inner()
                text, _ = inner.value(value, [Index.of(rank) for rank in self.group.ranks_of(argument)])
                element = self._element(held)
                inner.add(f"{element} = {text};")
                self._check_own(inner.lines, arrays, held, element)
                self._spread(held.ranks, inner, body)
            else:
                text, kind = body.value(value, [Index.of(rank) for rank in self.group.ranks_of(argument)])
                name = self.names.take(f"{held.name}_next")
                body.add(f"const {kind} {name} = {text};")
                later.append(f"{held.name} = {name};")
        body.add(*later)
        if arrays:
            body.add("__syncthreads();")

    def _check_own(self, lines: list[str], arrays: list[Held], held: Held, element: str) -> None:
        """Refuse a running array whose next values need others than the thread's own."""
        for other in arrays:
            reads = re.findall(rf"\b{other.name}\[[^\]]*\]", "\n".join(lines))
            wanted = element.replace(held.name, other.name)
            if any(read != wanted for read in reads):
                raise PassError(
                    f"the running value {other.name} is read at other points than those it is written at",
                    where=self.group.label,
                )
