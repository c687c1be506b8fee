"""What follows a contraction pointwise, done on its sums while they are in registers.

A tile of sums that is put away and read again to add a bias costs a twentieth of a product 768 deep. Only
what takes few instructions follows in registers: a block has up to 28 sums, each with its own code.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from ....ir.einsum import Coord
from .frame import Frame, Stream
from .group import Step, Tensor
from .lanes import BITS, Lanes
from .points import Points, streams_of

_LIGHT = frozenset({"id", "to_float", "add", "sub", "mul", "neg", "relu"})
_MOST = 4  # Einsums


def follows(step: Step, steps: Sequence[Step], readers: Sequence[Step]) -> bool:
    """Whether Einsums may be done on the sums of a contraction.

    Args:
        step: the contraction.
        steps: of one nest.
        readers: all Einsums that read the contraction's output.
    """
    made, inside = step.output, [other for other in readers if other in steps]
    alike = all(
        access.index == step.einsum.output.index
        for other in inside
        for access, tensor in zip(other.einsum.accesses, other.inputs, strict=True)
        if tensor is made
    )
    light = len(steps) <= _MOST and all(
        other.einsum.map in _LIGHT
        and other.einsum.reduce is None
        and other.output is not made
        and not any(isinstance(operand, Coord) for operand in other.einsum.operands)
        for other in steps
    )
    return made.argument is None and light and alike and bool(inside) and len(inside) == len(readers)


@dataclass(frozen=True)
class Epilogue:
    """Einsums to be done on a contraction's sums.

    Attributes:
        made: the contraction's output.
        steps: the Einsums.
        stored: tensors whose values are needed afterwards.
    """

    made: Tensor
    steps: tuple[Step, ...]
    stored: Set[Tensor]

    def streams(self, frame: Frame, ranks: Sequence[str]) -> dict[tuple[int, int], Stream]:
        """Addresses of what is read beside the sums, and of results."""
        return streams_of(frame, self.steps, self.stored, ranks, {self.made})

    def points(
        self, frame: Frame, streams: dict[tuple[int, int], Stream], along: str | None, lanes: Lanes
    ) -> Points | None:
        """Their writer on the contraction's own vectors; None where what is read or stored lies otherwise."""
        for (_, operand), stream in streams.items():
            step = stream.coeffs.get(along or "", 0)
            if (
                stream.guards
                or BITS[stream.element] > BITS["f32"]
                or step not in ((1,) if operand < 0 else (0, 1))
            ):
                return None
        return Points(frame, self.steps, streams, (), along, lanes) if along else None
