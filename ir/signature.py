"""What an entry point takes and gives: names, element types, shapes, and which axes may be shorter.

An entry is compiled for fixed extents. Ragged axes carry the name of their rank; a caller may bring less
than the entry's extent, and the rest is filled with the tensor's pad value (0 for a mask that hides it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Scalar = float | int | bool


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: as the caller writes it.
        dtype: NumPy's name of the element type.
        shape: static extents.
        ranks: per axis the ragged rank it is, or None for an axis of fixed extent.
        pad: what fills an input beyond the caller's extent.
        below: values of a whole-numbered input must be at least 0 and below it; None says nothing.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    ranks: tuple[str | None, ...] = ()
    pad: Scalar = 0
    below: int | None = None

    @property
    def ragged(self) -> dict[int, str]:
        """Axis → rank of the ragged axes."""
        return {axis: rank for axis, rank in enumerate(self.ranks) if rank is not None}

    def __str__(self) -> str:
        ragged = self.ragged
        axes = [f"{ragged[axis]}≤{n}" if axis in ragged else str(n) for axis, n in enumerate(self.shape)]
        return f"{self.name}: {self.dtype}[{', '.join(axes)}]"

    def to_json(self) -> dict[str, Any]:
        """The specification as a JSON object."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "ranks": list(self.ranks),
            "pad": self.pad,
            "below": self.below,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> TensorSpec:
        """The specification that `to_json` wrote."""
        shape, ranks = tuple(data["shape"]), tuple(data["ranks"])
        return TensorSpec(data["name"], data["dtype"], shape, ranks, data["pad"], data.get("below"))


@dataclass(frozen=True)
class Entry:
    """One entry point.

    Attributes:
        name: of the function in the module.
        inputs, outputs: in the order of the function's signature; parameters are not inputs.
        states: tensors kept from run to run and updated in place, behind the inputs; zeros at first.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    states: tuple[TensorSpec, ...] = ()

    @property
    def extents(self) -> dict[str, int]:
        """Ragged rank → the extent this entry is compiled for."""
        return {rank: tensor.shape[axis] for tensor in self.inputs for axis, rank in tensor.ragged.items()}

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object, without its name."""
        return {
            "inputs": [tensor.to_json() for tensor in self.inputs],
            "outputs": [tensor.to_json() for tensor in self.outputs],
            "states": [tensor.to_json() for tensor in self.states],
        }

    @staticmethod
    def from_json(name: str, data: Mapping[str, Any]) -> Entry:
        """The entry that `to_json` wrote."""
        inputs, outputs, states = (
            tuple(TensorSpec.from_json(tensor) for tensor in data.get(key, ()))
            for key in ("inputs", "outputs", "states")
        )
        return Entry(name, inputs, outputs, states)


def entries_json(entries: Sequence[Entry]) -> dict[str, Any]:
    """Entries as the manifest holds them, by name."""
    return {entry.name: entry.to_json() for entry in entries}
