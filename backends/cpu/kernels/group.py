"""A ``cascade.fused`` op read into plain Python: tensors, Einsum steps, iterations over generations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ....ir.build import EinsumView, element_type, integer, string, strings
from ....ir.cascade import EINSUM, ITERATE, YIELD, shape_of
from ....ir.einsum import Access, Einsum, Index, Literal
from ....ir.errors import PassError
from ....ir.mlir import ir


@dataclass(eq=False)
class Tensor:
    """A tensor of the group.

    Attributes:
        name: for the generated text.
        shape: whole extents (a thread holds only its tile of a tensor in scratch).
        element: element type.
        argument: place among the kernel's arguments, None for scratch.
        param: a constant that may be packed.
        ranks: rank of every dimension as written by its producer; empty for inputs.
        order: dimensions of a scratch tensor, innermost last; None leaves the choice open.
        lanes: how many innermost dimensions of `order` are laid end to end and padded to whole vectors.
        reads: number of accesses that read it.
        pairs: two neighbours of the dimension outside the lanes lie side by side (``pairs.py``).
        coarse: f32 of which nothing is made but bf16, and sums beside it.
    """

    name: str
    shape: tuple[int, ...]
    element: str
    argument: int | None = None
    param: bool = False
    ranks: tuple[str, ...] = ()
    order: tuple[int, ...] | None = None
    lanes: int = 1
    reads: int = 0
    pairs: bool = False
    coarse: bool = False


@dataclass(eq=False)
class Step:
    """One Einsum: its output tensor, one tensor per access, extents of its iteration space."""

    einsum: Einsum
    output: Tensor
    inputs: tuple[Tensor, ...]
    extents: dict[str, int]

    @property
    def text(self) -> str:
        """The Einsum with the group's tensor names."""
        names = (tensor.name for tensor in self.inputs)
        return str(self.einsum.with_tensors(self.output.name, names))


@dataclass(eq=False)
class Iteration:
    """A generational rank: the body runs once a generation, carried tensors live in scratch."""

    rank: str
    generations: int
    extent: int
    tile: int
    tile_rank: str
    body: list[Step]


Node = Step | Iteration


@dataclass
class Group:
    """The whole fused op: nodes in order, arguments, outer ranks and tile hints."""

    nodes: list[Node]
    arguments: list[Tensor]
    inputs: int
    parallel: tuple[str, ...]
    tiles: dict[str, int]
    tensors: list[Tensor] = field(default_factory=list)

    def steps(self) -> Iterator[Step]:
        """Every Einsum, those of iteration bodies included."""
        for node in self.nodes:
            if isinstance(node, Step):
                yield node
            else:
                yield from node.body


_POWERS = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "recip", 1.0: "id"}


def _cheaper(einsum: Einsum) -> Einsum:
    """A power with a plain exponent as the operator that computes it."""
    exponent = einsum.operands[-1]
    if einsum.map != "pow" or not isinstance(exponent, Literal) or exponent.value not in _POWERS:
        return einsum
    return replace(einsum, map=_POWERS[exponent.value], operands=einsum.operands[:1])


def copy_step(source: Tensor, target: Tensor, ranks: Sequence[str]) -> Step:
    """``target[ranks] = source[ranks]``."""
    index = tuple(Index.of(rank) for rank in ranks)
    einsum = Einsum(Access(target.name, index), "id", (Access(source.name, index),))
    return Step(einsum, target, (source,), dict(zip(ranks, target.shape, strict=True)))


class _Reader:
    """Walks the op once."""

    def __init__(self, fused: ir.Operation, is_param: Sequence[bool]) -> None:
        self.fused = fused
        self.names = {"scratch": 1, "tid": 1, "nthreads": 1}  # the other arguments of a kernel
        self.values: dict[ir.Value, Tensor] = {}
        block = fused.regions[0].blocks[0]
        self.arguments: list[Tensor] = []
        for place, value in enumerate(block.arguments):
            tensor = self.tensor(value, "")
            tensor.argument, tensor.param = place, bool(is_param) and is_param[place]
            self.arguments.append(tensor)

    def unique(self, name: str) -> str:
        clean = re.sub(r"\W", "_", name) or "T"
        count = self.names.get(clean, 0)
        self.names[clean] = count + 1
        return clean if count == 0 else f"{clean}_{count}"

    def tensor(self, value: ir.Value, name: str) -> Tensor:
        made = Tensor(self.unique(name) if name else "", shape_of(value), str(element_type(value)))
        self.values[value] = made
        return made

    def step(self, op: ir.Operation) -> Step:
        view = EinsumView.of(op)
        inputs = []
        for access, value in zip(view.einsum.accesses, view.operands, strict=True):
            tensor = self.values[value]
            tensor.name = tensor.name or self.unique(access.tensor)
            tensor.reads += 1
            inputs.append(tensor)
        output = self.tensor(view.result, view.einsum.output.tensor)
        if None in view.einsum.output.plain:
            raise PassError("the output's indices must be plain ranks", where=str(view.einsum))
        output.ranks = tuple(rank for rank in view.einsum.output.plain if rank is not None)
        return Step(_cheaper(view.einsum), output, tuple(inputs), view.extents())

    def block(self, operations: Sequence[ir.OpView]) -> tuple[list[Node], list[Tensor]]:
        nodes: list[Node] = []
        for op in operations:
            operation = op.operation
            if operation.name == EINSUM:
                nodes.append(self.step(operation))
            elif operation.name == ITERATE:
                nodes += self.iteration(operation, nodes)
            elif operation.name == YIELD:
                return nodes, [self.values[value] for value in operation.operands]
            else:
                raise PassError(
                    f"'{operation.name}' cannot be part of a kernel",
                    where=str(operation.location),
                    accepted=f"{EINSUM}, {ITERATE}",
                )
        raise PassError("the group does not end with cascade.yield", where=self.fused.name)

    def iteration(self, op: ir.Operation, before: list[Node]) -> list[Node]:
        """The nodes that start the carried tensors, then the iteration."""
        inner = op.regions[0].blocks[0]
        starts = [self.values[value] for value in op.operands]
        carried = [
            self.tensor(value, f"{start.name}c") for value, start in zip(inner.arguments, starts, strict=True)
        ]
        body, ends = self.block(list(inner.operations))
        steps = [node for node in body if isinstance(node, Step)]
        if len(steps) != len(body):
            raise PassError("an iteration inside an iteration cannot be compiled", where=str(op.location))
        prefix: list[Node] = []
        for tensor, start, end in zip(carried, starts, ends, strict=True):
            tensor.ranks = end.ranks or start.ranks
            producer = next((n for n in before if isinstance(n, Step) and n.output is start), None)
            if producer is not None and start.reads == 0 and start.ranks == tensor.ranks:
                producer.output, start.reads = tensor, 1
            else:
                start.reads += 1
                prefix.append(copy_step(start, tensor, tensor.ranks))
        steps += self._advance(steps, carried, ends)
        for value, tensor in zip(op.results, carried, strict=True):
            self.values[value] = tensor
        names = ("rank", "split", "tile_rank")
        rank, split, tile_rank = (string(op, name) for name in names)
        generations, extent, tile = (integer(op, name) for name in ("generations", "extent", "tile"))
        if not split:
            extent, tile, tile_rank = generations, 1, ""
        return [*prefix, Iteration(rank, generations, extent, tile, tile_rank, steps)]

    def _advance(self, steps: list[Step], carried: list[Tensor], ends: list[Tensor]) -> list[Step]:
        """Copies from a generation's results to the carried tensors; in place where nobody reads the old."""
        held: list[Step] = []
        copies: list[Step] = []
        for tensor, end in zip(carried, ends, strict=True):
            if end is tensor:
                continue
            writer = next((k for k, step in enumerate(steps) if step.output is end), None)
            readers = [k for k, step in enumerate(steps) if tensor in step.inputs]
            in_place = (
                writer is not None
                and ends.count(end) == 1
                and steps[writer].einsum.reduce is None
                and all(k < writer for k in readers)
            )
            if in_place and writer is not None:
                for step in steps:
                    step.inputs = tuple(tensor if t is end else t for t in step.inputs)
                steps[writer].output = tensor
                continue
            end.reads += 1
            if end in carried:
                kept = Tensor(
                    self.unique(f"{end.name}_old"), end.shape, end.element, ranks=end.ranks, reads=1
                )
                held.append(copy_step(end, kept, tensor.ranks))
                end = kept
            copies.append(copy_step(end, tensor, tensor.ranks))
        return held + copies


def read_group(fused: ir.Operation, is_param: Sequence[bool]) -> Group:
    """The group behind a ``cascade.fused`` op.

    Raises:
        PassError: it holds an op that is no Einsum.
    """
    reader = _Reader(fused, is_param)
    nodes, outputs = reader.block(list(fused.regions[0].blocks[0].operations))
    inputs = len(reader.arguments)
    written = {node.output for node in nodes if isinstance(node, Step)}
    iterated = {step.output for node in nodes if isinstance(node, Iteration) for step in node.body}
    for place, tensor in enumerate(outputs, start=inputs):
        if tensor in written and tensor not in iterated and tensor.argument is None:
            tensor.argument = place
            reader.arguments.append(tensor)
            continue
        target = Tensor(
            reader.unique(f"{tensor.name or 'X'}_out"), tensor.shape, tensor.element, argument=place
        )
        ranks = tensor.ranks or tuple(f"x{axis}" for axis in range(len(tensor.shape)))
        target.ranks = ranks
        tensor.name = tensor.name or reader.unique("X")
        tensor.reads += 1
        nodes.append(copy_step(tensor, target, ranks))
        reader.arguments.append(target)
    for place, tensor in enumerate(reader.arguments):
        tensor.name = tensor.name or reader.unique(f"unused{place}")
    group = Group(nodes, reader.arguments, inputs, (), {})
    group.tiles = _tiles(fused)
    order = strings(fused, "rank_order")
    group.parallel = _legal(group, order[: integer(fused, "parallel")])
    group.tensors = list(dict.fromkeys([*group.arguments, *(step.output for step in group.steps())]))
    for tensor in group.tensors:
        tensor.coarse = _is_coarse(tensor, [step for step in group.steps() if tensor in step.inputs])
    return group


def _is_coarse(tensor: Tensor, readers: Sequence[Step]) -> bool:
    """Whether a tensor of scratch is only rounded to bf16, and summed."""
    roundings = [s for s in readers if s.einsum.map in ("id", "to_float") and s.output.element == "bf16"]
    sums = [s for s in readers if s.einsum.map == "id" and s.einsum.reduce == "sum"]
    inside = tensor.argument is None and tensor.element == "f32"
    return inside and bool(roundings) and len(roundings) + len(sums) == len(readers)


def _tiles(fused: ir.Operation) -> dict[str, int]:
    pairs = (text.partition("=") for text in strings(fused, "tiles"))
    return {rank: int(extent) for rank, _, extent in pairs}


def _legal(group: Group, wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted outer ranks that really are independent: never folded, and whatever the group computes
    along them is read at the same coordinate."""
    produced = {step.output for step in group.steps()}
    kept = []
    for rank in wanted:
        extents = {step.extents[rank] for step in group.steps() if rank in step.extents}
        if len(extents) == 1 and all(_independent(step, rank, produced) for step in group.steps()):
            kept.append(rank)
    return tuple(kept)


def _independent(step: Step, rank: str, produced: set[Tensor]) -> bool:
    if rank in step.einsum.reduced:
        return False
    for access, tensor in zip(step.einsum.accesses, step.inputs, strict=True):
        if tensor not in produced:
            continue
        for index, owner in zip(access.index, tensor.ranks, strict=True):
            if owner == rank and index.plain != rank:
                return False
    return True
