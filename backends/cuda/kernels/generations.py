"""Any cascade with a generational rank on the CUDA cores: a block takes a few rows through every generation.

What tensor cores do not take comes here: float32 contractions, a log-sum-exp over a matrix product whose
logits are never stored, extents that are no multiples. Every Einsum is a loop of the block over its
output's points, folds are done by one thread a point; what lies between Einsums is in shared memory, a
barrier after each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, prod

from ....ir.einsum import Access, Coord, Index, Literal
from ....ir.errors import PassError
from ...cpu.kernels.group import Group, Iteration, Step, Tensor
from ..codegen.expressions import identity_text
from ..codegen.text import (
    ELEMENTS,
    VALUES,
    Names,
    comment,
    fold_text,
    index_text,
    literal_text,
    operator_text,
)
from ..kernel import Buffer, Kernel, Launch, Place
from .scores import offset_text

_THREADS = 256
_ROWS = (16, 8, 4, 2, 1)
_SHARED = 98304  # two blocks fit a multiprocessor
_BYTES = {"bool": 1, "long long": 8, "double": 8}


def stream_generations(group: Group, name: str) -> tuple[Launch, ...]:
    """The launch that carries out a group with a generational rank.

    Raises:
        PassError: a point that leaves its tensor, or scratch that shared memory does not hold.
    """
    for rows in _ROWS:
        writer = _Writer(group, name, rows)
        if writer.shared_bytes <= _SHARED:
            return (writer.launch(),)
    raise PassError(f"{writer.shared_bytes} bytes between its Einsums", where=name, accepted=f"{_SHARED}")


@dataclass(frozen=True)
class _Held:
    """A tensor in shared memory: ranks that index it, their extents there, offset in bytes."""

    name: str
    ranks: tuple[str, ...]
    extents: tuple[int, ...]
    kind: str
    start: int


class _Writer:
    """Writes one kernel for so many rows a block."""

    def __init__(self, group: Group, name: str, rows: int) -> None:
        self.group, self.name, self.rows = group, name, rows
        self.outer, self.block = group.parallel[:-1], (group.parallel or ("",))[-1]
        self.extents = {rank: n for step in group.steps() for rank, n in step.extents.items()}
        loops = [node for node in group.nodes if isinstance(node, Iteration)]
        self.tiles = {loop.tile_rank: loop for loop in loops if loop.tile_rank}
        self.names = Names([*self.extents, "shared", "point", "rest", "total", "threadIdx", "blockIdx"])
        self.parameters = {tensor: self.names.take(tensor.name) for tensor in group.arguments}
        self.held: dict[Tensor, _Held] = {}
        self.shared_bytes = 0
        for tensor in dict.fromkeys(step.output for step in group.steps()):
            if tensor.argument is None:
                self._hold(tensor)

    def _hold(self, tensor: Tensor) -> None:
        ranks = tuple(rank for rank in tensor.ranks if rank not in self.outer)
        extents = tuple(self._local(rank) for rank in ranks)
        kind = VALUES[tensor.element]
        start = -(-self.shared_bytes // 16) * 16
        self.held[tensor] = _Held(self.names.take(tensor.name), ranks, extents, kind, start)
        self.shared_bytes = start + prod(extents) * _BYTES.get(kind, 4)

    def _local(self, rank: str) -> int:
        """Coordinates of a rank that one block and one generation go through."""
        return min(self.rows, self.extents[rank]) if rank == self.block else self.extents[rank]

    def launch(self) -> Launch:
        result = self.group.arguments[self.group.inputs :]
        blocks = prod(self.extents[rank] for rank in self.outer)
        if self.block:
            blocks *= ceil(self.extents[self.block] / self.rows)
        buffers = tuple(
            Buffer(self.parameters[t], t.element, t.shape, role="out" if t in result else "in")
            for t in self.group.arguments
        )
        texts = tuple(step.text for step in self.group.steps())
        kernel = Kernel(
            self.name, "\n".join(self._source(result)), "sm_80", (blocks, 1, 1), (_THREADS, 1, 1),
            self.shared_bytes, buffers, texts, f"{self.rows} rows through every generation on the CUDA cores",
        )  # fmt: skip
        places = {
            name: Place("result", tensor.argument - self.group.inputs)
            if tensor in result
            else Place("operand", tensor.argument)
            for tensor, name in self.parameters.items()
            if tensor.argument is not None
        }
        return Launch(kernel, places)

    def _source(self, result: list[Tensor]) -> Iterator[str]:
        yield from comment(step.text for step in self.group.steps())
        yield '#include "operators.cuh"'
        yield ""
        given = ", ".join(
            f"{'' if t in result else 'const '}{ELEMENTS[t.element]}* __restrict__ {name}"
            for t, name in self.parameters.items()
        )
        yield f'extern "C" __global__ void __launch_bounds__({_THREADS})'
        yield f"{self.name}({given}) {{"
        yield "  extern __shared__ __align__(16) unsigned char shared[];"
        for held in self.held.values():
            place = f"reinterpret_cast<{held.kind}*>(shared + {held.start})"
            yield f"  {held.kind}* const {held.name} = {place};"
        yield from self._outer()
        for node in self.group.nodes:
            if isinstance(node, Step):
                yield from (f"  {line}" for line in self._step(node))
                continue
            yield f"  for (int {node.rank} = 0; {node.rank} < {node.generations}; ++{node.rank}) {{"
            for step in node.body:
                yield from (f"    {line}" for line in self._step(step))
            yield "  }"
        yield "}"
        yield ""

    def _outer(self) -> Iterator[str]:
        rest = "static_cast<int>(blockIdx.x)"
        if self.block:
            count = ceil(self.extents[self.block] / self.rows)
            yield f"  const int first = {rest} % {count} * {self.rows};"
            rest = f"{rest} / {count}"
        below = 1
        for rank in reversed(self.outer):
            yield f"  const int {rank} = {rest}{f' / {below}' if below > 1 else ''} % {self.extents[rank]};"
            below *= self.extents[rank]

    def _step(self, step: Step) -> Iterator[str]:
        """One Einsum: the block's threads over its points."""
        ranks = tuple(rank for rank in step.einsum.output.ranks if rank not in self.outer)
        extents = tuple(self._local(rank) for rank in ranks)
        yield f"// {step.text}"
        yield f"for (int point = threadIdx.x; point < {prod(extents)}; point += {_THREADS}) {{"
        below = 1
        for rank, extent in zip(reversed(ranks), reversed(extents), strict=True):
            text = f"point / {below}" if below > 1 else "point"
            start = "first + " if rank == self.block else ""
            yield f"  const int {rank} = {start}{text} % {extent};"
            below *= extent
        guards = [guard for rank in ranks if (guard := self._guard(rank))]
        if guards:
            yield f"  if ({' || '.join(guards)}) continue;"
        text = self._mapped(step)
        if step.einsum.reduce is not None:
            kind = VALUES[step.output.element]
            yield f"  {kind} total = {identity_text(step.einsum.reduce, kind)};"
            yield from (f"  {self._loop(rank)}" for rank in step.einsum.reduced)
            yield f"    {fold_text(step.einsum.reduce, 'total', text)}"
            text = "total"
        yield f"  {self._store(step, text)}"
        yield "}"
        yield "__syncthreads();"

    def _guard(self, rank: str) -> str:
        """When a point of a rank is behind its end."""
        if rank == self.block and self.extents[rank] % self.rows:
            return f"{rank} >= {self.extents[rank]}"
        loop = self.tiles.get(rank)
        if loop is not None and loop.extent % loop.tile:
            return f"{loop.rank} * {loop.tile} + {rank} >= {loop.extent}"
        return ""

    def _loop(self, rank: str) -> str:
        if rank == self.block or rank in self.outer:
            raise PassError("folds over independent points", where=rank)
        loop = self.tiles.get(rank)
        end = str(self.extents[rank])
        if loop is not None and loop.extent % loop.tile:
            end = f"min({end}, {loop.extent} - {loop.rank} * {loop.tile})"
        return f"for (int {rank} = 0; {rank} < {end}; ++{rank})"

    def _mapped(self, step: Step) -> str:
        result = VALUES[step.output.element]
        inputs, texts = iter(step.inputs), list[tuple[str, str]]()
        for operand in step.einsum.operands:
            if isinstance(operand, Literal):
                texts.append(("", ""))
            elif isinstance(operand, Coord):
                texts.append((f"({index_text(operand.index)})", "int"))
            else:
                texts.append(self._read(operand, next(inputs), step))
        wanted = result if result != "bool" else next((kind for _, kind in texts if kind), "float")
        for number, operand in enumerate(step.einsum.operands):
            if isinstance(operand, Literal):
                texts[number] = (literal_text(operand, wanted), wanted)
        return operator_text(step.einsum.map, texts, result)

    def _read(self, access: Access, tensor: Tensor, step: Step) -> tuple[str, str]:
        kind = VALUES[tensor.element]
        if tensor.argument is not None:
            self._check(access, tensor, step)
            return f"widen({self.parameters[tensor]}[{offset_text(access, tensor.shape)}])", kind
        ranks = dict(zip(tensor.ranks, access.index, strict=True))
        return self._place(tensor, ranks), kind

    def _place(self, tensor: Tensor, ranks: Mapping[str, Index]) -> str:
        held = self.held[tensor]
        at = Access(
            held.name,
            tuple(
                Index(ranks[rank].terms, ranks[rank].const) if rank != self.block else Index.of("@")
                for rank in held.ranks
            ),
        )
        if any(rank == self.block and ranks[rank].plain != rank for rank in held.ranks):
            raise PassError("reads another row of what the loop made", where=tensor.name)
        flat = offset_text(at, held.extents).replace("@", f"({self.block} - first)")
        return f"{held.name}[{flat}]"

    def _check(self, access: Access, tensor: Tensor, step: Step) -> None:
        """Hold the read to points inside the tensor, the last tile's excepted: it is guarded."""
        for index, extent in zip(access.index, tensor.shape, strict=True):
            low, high = index.bounds({**self.extents, **step.extents})
            guarded = any(rank in self.tiles for rank in index.ranks) and high - extent < max(
                loop.tile for loop in self.tiles.values()
            )
            if low < 0 or (high >= extent and not guarded):
                raise PassError("a point leaves its tensor", where=step.text)

    def _store(self, step: Step, text: str) -> str:
        tensor = step.output
        element = ELEMENTS[tensor.element]
        if tensor.argument is not None:
            place = f"{self.parameters[tensor]}[{offset_text(step.einsum.output, tensor.shape)}]"
            return f"{place} = Narrow<{element}>::of({text});"
        if tensor.element in ("bf16", "f16"):
            text = f"rounded<{element}>({text})"
        ranks = dict(zip(tensor.ranks, step.einsum.output.index, strict=True))
        return f"{self._place(tensor, ranks)} = {text};"
