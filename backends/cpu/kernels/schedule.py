"""Order of a kernel's work: runs of Einsums that share a nest, contractions apart, iterations around."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .contraction import Contraction
from .frame import Frame
from .group import Group, Step, Tensor

Segment = Contraction | tuple[Step, ...]
_LONGEST = 24  # Einsums in one nest: beyond that values spill out of registers


@dataclass(frozen=True)
class Schedule:
    """Segments of each list of steps, and the tensors that must be kept in memory."""

    frame: Frame
    contractions: Mapping[Step, Contraction]

    def segments(self, steps: Iterable[Step]) -> list[Segment]:
        """Consecutive Einsums over one iteration space go together."""
        done: list[Segment] = []
        run: list[Step] = []
        for step in steps:
            if step not in self.contractions and (not run or self._joins(run, step)):
                run.append(step)
                continue
            if run:
                done.append(tuple(run))
            run = []
            if step in self.contractions:
                done.append(self.contractions[step])
            else:
                run.append(step)
        return [*done, tuple(run)] if run else done

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
    return (segment.step,) if isinstance(segment, Contraction) else segment
