"""Order of a kernel's work: runs of Einsums that share a nest, contractions apart, iterations around."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from .contraction import Contraction
from .epilogue import follows
from .frame import Frame
from .group import Group, Step, Tensor
from .pairs import PairPanel


@dataclass(frozen=True, eq=False)
class Finished:
    """A contraction and the Einsums that are done on its sums, where they fit (`epilogue.py`)."""

    contraction: Contraction
    steps: tuple[Step, ...]


Segment = Contraction | Finished | PairPanel | tuple[Step, ...]
_LONGEST = 24  # Einsums in one nest: beyond that values spill out of registers


@dataclass(frozen=True)
class Schedule:
    """Segments of each list of steps, and the tensors that must be kept in memory."""

    frame: Frame
    group: Group
    contractions: Mapping[Step, Contraction]

    def segments(self, steps: Iterable[Step]) -> list[Segment]:
        """Einsums over one iteration space go together, also past others that they do not touch."""
        left, done = list(steps), list[Segment]()
        while left:
            first = left.pop(0)
            if self._alone(first):
                done.append(self.contractions.get(first) or PairPanel(first))
                continue
            run, passed = [first], list[Step]()
            for step in left:
                fits = not self._alone(step) and self._joins(run, step)
                (run if fits and _independent(step, passed) else passed).append(step)
            left = passed
            if done and self._finishes(done[-1], run):
                done[-1] = Finished(done[-1], tuple(run))
            else:
                done.append(tuple(run))
        return done

    def _finishes(self, last: Segment, run: Sequence[Step]) -> TypeGuard[Contraction]:
        """Whether the run may be done on the sums of a contraction just before it."""
        if not isinstance(last, Contraction):
            return False
        step, space = last.step, self._space(run[0])
        made = {rank: n for rank, n in self._space(step).items() if rank not in step.einsum.reduced}
        readers = [other for other in self.group.steps() if step.output in other.inputs]
        return space == made and follows(step, run, readers)

    def _alone(self, step: Step) -> bool:
        return step in self.contractions or step.output.pairs

    def _space(self, step: Step) -> dict[str, int]:
        extents = {rank: self.frame.extent(step, rank) for rank in step.einsum.ranks}
        return {r: n for r, n in extents.items() if n > 1 and r not in self.frame.fixed}

    def _joins(self, run: Sequence[Step], step: Step) -> bool:
        if len(run) >= _LONGEST or self._space(run[0]) != self._space(step):
            return False
        folded = {other.einsum.reduced for other in [*run, step] if other.einsum.reduced}
        if len({frozenset(ranks) for ranks in folded}) > 1:
            return False
        written = {other.output: other for other in run}
        for access, tensor in zip(step.einsum.accesses, step.inputs, strict=True):
            writer = written.get(tensor)
            if writer is not None and (
                writer.einsum.reduce is not None or writer.einsum.output.index != access.index
            ):
                return False
        return not any(
            tensor is step.output and access.index != step.einsum.output.index
            for other in run
            for access, tensor in zip(other.einsum.accesses, other.inputs, strict=True)
        )


def _independent(step: Step, others: Iterable[Step]) -> bool:
    """Whether the Einsum may run before the others."""
    return all(
        step.output is not other.output
        and step.output not in other.inputs
        and other.output not in step.inputs
        for other in others
    )


def in_place(group: Group, segments: Sequence[Segment], stored: set[Tensor]) -> dict[Tensor, Tensor]:
    """Tensors of scratch that may lie where another one is: read for the last time by what writes them.

    A point is read before it is written, and both are indexed alike.
    """
    outside = {node.output for node in group.nodes if isinstance(node, Step)}
    taken: dict[Tensor, Tensor] = {}
    for segment in segments:
        if not isinstance(segment, tuple):
            continue
        for place, step in enumerate(segment):
            made = step.output
            if made not in stored or made.argument is not None or made in outside or step.einsum.reduce:
                continue
            for access, tensor in zip(step.einsum.accesses, step.inputs, strict=True):
                readers = [other for other in group.steps() if tensor in other.inputs]
                last = all(other in segment[: place + 1] for other in readers)
                local = tensor.argument is None and tensor not in outside and tensor in stored
                alike = access.index == step.einsum.output.index and _shape(tensor) == _shape(made)
                if last and local and alike and tensor not in taken.values():
                    taken[made] = tensor
                    break
    return taken


def _shape(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.element, tensor.ranks, tensor.order, tensor.lanes, tensor.pairs


def kept(group: Group, segments: Sequence[Segment]) -> set[Tensor]:
    """Tensors read outside the nest that makes them, or before it (by the next generation), or outputs."""
    place = {step: k for k, segment in enumerate(segments) for step in steps_of(segment)}
    order = {step: k for k, step in enumerate(group.steps())}
    stored = {tensor for tensor in group.arguments if tensor.argument is not None}
    for step in group.steps():
        for other in group.steps():
            if step.output in other.inputs and (place[step] != place[other] or order[other] <= order[step]):
                stored.add(step.output)
    return stored


def steps_of(segment: Segment) -> tuple[Step, ...]:
    """The Einsums of a segment."""
    if isinstance(segment, Finished):
        return segment.contraction.step, *segment.steps
    return segment if isinstance(segment, tuple) else (segment.step,)
