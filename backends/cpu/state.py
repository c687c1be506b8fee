"""What a program keeps from run to run: its states, in one block of memory, zeros at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...ir.memory import block
from ...ir.signature import TensorSpec
from ...ir.weights import aligned


class State:
    """The states of one sequence of runs.

    Attributes:
        arrays: views into the block, by name, each on a cache line; runs write to them.
    """

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        sizes = {spec.name: int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize for spec in specs}
        held = block(sum(map(aligned, sizes.values())))
        memory = np.frombuffer(held, np.uint8)
        arrays, start = {}, 0
        for spec in specs:
            part = memory[start : start + sizes[spec.name]]
            arrays[spec.name] = part.view(spec.dtype).reshape(spec.shape)
            start += aligned(sizes[spec.name])
        self.arrays: Mapping[str, np.ndarray] = arrays

    def clear(self) -> None:
        """Back to zeros."""
        for array in self.arrays.values():
            array.fill(0)
