"""Builds a program operation by operation; tensors are named, and sized in elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..problem import Instruction, Problem, Tensor

ELEMENT_BYTES = 2
FLOPS_PER_S = 138e12 * 0.6
"""Peak of TPUv4i in bfloat16 (Jouppi et al., ISCA 2021, table 1), and the share of it that is reached."""
VECTOR_OPS_PER_S = 8 * 128 * 1.05e9 * 2
"""Element-wise work: 8 sublanes × 128 lanes, two operations a cycle of 1.05 GHz (an assumption)."""


class Builder:
    """Collects tensors and instructions in program order."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.instructions: list[Instruction] = []

    def tensor(
        self, name: str, elements: int, kind: str, *, alias: str | None = None, width: int = ELEMENT_BYTES
    ) -> int:
        """A tensor of so many elements; its index."""
        self.tensors.append(Tensor(name, elements * width, kind, alias))
        return len(self.tensors) - 1

    def param(self, name: str, elements: int) -> int:
        """A weight, or an input of the program."""
        return self.tensor(name, elements, "param")

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        elements: int,
        *,
        flops: float = 0.0,
        vector_ops: float = 0.0,
        kind: str = "temp",
        alias: str | None = None,
        parts: Mapping[int, float] | None = None,
    ) -> int:
        """An operation with one output of so many elements; the output's index.

        Args:
            name: of the operation and its output.
            inputs: tensors it reads, each once.
            elements: of the output.
            flops: on the matrix units.
            vector_ops: on the vector unit, beside them.
            kind: of the output.
            alias: class of the output.
            parts: share of an input that is read, where it is not all of it.
        """
        out = self.tensor(name, elements, kind, alias=alias)
        share = parts or {}
        reads = tuple((each, round(self.tensors[each].size * share.get(each, 1.0))) for each in inputs)
        seconds = max(flops / FLOPS_PER_S, vector_ops / VECTOR_OPS_PER_S)
        writes = ((out, self.tensors[out].size),)
        self.instructions.append(Instruction(name, seconds, reads, writes))
        return out

    def problem(self, name: str) -> Problem:
        """What was built."""
        return Problem(name, tuple(self.instructions), tuple(self.tensors))
