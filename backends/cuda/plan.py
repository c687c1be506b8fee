"""The launch list of a program: what runs, on which bytes of one device allocation, after what.

This is ``cuda/plan.json`` of a bundle. It is data alone: the loader reads it without MLIR, and the checker
(`lanes.check`) without the compiler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...ir.errors import BundleError
from .kernel import Argument, Buffer, Kernel, Scalar, TensorMap
from .resources import Resources

SCHEMA = 2
ALIGNMENT = 256
"""Bytes that sections of the allocation start at multiples of, as cuMemAlloc's own."""


def aligned(size: int) -> int:
    """The size rounded up to whole units of `ALIGNMENT`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Span:
    """Bytes ``[start, end)`` of the device allocation."""

    start: int
    end: int

    def meets(self, other: Span) -> bool:
        """Whether they share a byte."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Step:
    """One launch or copy.

    Attributes:
        name: what it does: a kernel's name, ``copy``, ``clear``, ``fetch``.
        kind: ``kernel``; ``copy``, bytes within the allocation; ``clear``, bytes set to zero; ``fetch``,
            bytes from the weights that lie in the host's memory.
        places: of a kernel, where each of its tensors begins, by name; of a copy ``from`` and ``to``; of a
            clear and a fetch ``to``. Bytes from the start of the allocation; a fetch's ``far`` is one of the
            host's image.
        bytes: of a copy, clear or fetch.
        instance: path of the layer it belongs to, ``""`` outside of layers.
        node: the node of the exported graph it computes, or ``""``.
        reads, writes: bytes it touches.
        lane: the stream it runs on.
        after: numbers of earlier steps on other lanes that must have ended.
        far: which weights it reads in the window, by the name of its place: where they begin in the image.
    """

    name: str
    kind: Literal["kernel", "copy", "clear", "fetch"]
    places: Mapping[str, int]
    bytes: int = 0
    instance: str = ""
    node: str = ""
    reads: tuple[Span, ...] = ()
    writes: tuple[Span, ...] = ()
    lane: int = 0
    after: tuple[int, ...] = ()
    far: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The step as a JSON object."""
        return {
            "name": self.name,
            "kind": self.kind,
            "places": dict(self.places),
            "bytes": self.bytes,
            "instance": self.instance,
            "node": self.node,
            "reads": [[span.start, span.end] for span in self.reads],
            "writes": [[span.start, span.end] for span in self.writes],
            "lane": self.lane,
            "after": list(self.after),
            "far": dict(self.far),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Step:
        """The step that `to_json` wrote."""
        plain: dict[str, Any] = {
            key: data[key] for key in ("name", "kind", "places", "bytes", "instance", "node", "lane", "far")
        }
        reads, writes = (tuple(Span(*pair) for pair in data[key]) for key in ("reads", "writes"))
        return Step(**plain, reads=reads, writes=writes, after=tuple(data["after"]))


@dataclass(frozen=True)
class EntryPlan:
    """One entry point.

    Attributes:
        inputs, outputs, states: where each tensor begins, by name.
        steps: in an order in which they may run one after another.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    states: Mapping[str, int]
    steps: tuple[Step, ...]

    @property
    def lanes(self) -> int:
        """Streams it uses."""
        return 1 + max((step.lane for step in self.steps), default=0)


@dataclass(frozen=True)
class KernelFacts:
    """What the loader and the report need of a kernel.

    Attributes:
        kernel: as emitted, its source left out.
        cubin: the file with its machine code, within the bundle.
        resources: what it takes of a multiprocessor.
    """

    kernel: Kernel
    cubin: str
    resources: Resources


@dataclass(frozen=True)
class Plan:
    """A whole program.

    Attributes:
        arch: what the cubins are for.
        bytes: of the device allocation.
        sections: name, as in `unroll.SECTIONS` → first byte and size.
        kernels: by name.
        entries: by name.
        far_bytes: of the weights that lie in the host's memory: those behind the ``weights`` of the device in
            the bundle's file.
    """

    arch: str
    bytes: int
    sections: Mapping[str, tuple[int, int]]
    kernels: Mapping[str, KernelFacts]
    entries: Mapping[str, EntryPlan] = field(default_factory=dict)
    far_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return {
            "schema": SCHEMA,
            "arch": self.arch,
            "bytes": self.bytes,
            "far_bytes": self.far_bytes,
            "sections": {name: list(section) for name, section in self.sections.items()},
            "kernels": {name: _kernel_json(facts) for name, facts in self.kernels.items()},
            "entries": {
                name: {
                    "inputs": dict(entry.inputs),
                    "outputs": dict(entry.outputs),
                    "states": dict(entry.states),
                    "steps": [step.to_json() for step in entry.steps],
                }
                for name, entry in self.entries.items()
            },
        }

    @staticmethod
    def from_json(data: Mapping[str, Any], where: str) -> Plan:
        """The plan that `to_json` wrote.

        Raises:
            BundleError: it is of another schema.
        """
        if data.get("schema") != SCHEMA:
            accepted = f"{SCHEMA}; compile again"
            raise BundleError(f"a plan of schema {data.get('schema')}", where=where, accepted=accepted)
        return Plan(
            data["arch"],
            data["bytes"],
            {name: (start, size) for name, (start, size) in data["sections"].items()},
            {name: _kernel_from_json(name, facts) for name, facts in data["kernels"].items()},
            {
                name: EntryPlan(
                    entry["inputs"],
                    entry["outputs"],
                    entry["states"],
                    tuple(Step.from_json(step) for step in entry["steps"]),
                )
                for name, entry in data["entries"].items()
            },
            data["far_bytes"],
        )


def _kernel_json(facts: KernelFacts) -> dict[str, Any]:
    kernel = facts.kernel
    return {
        "cubin": facts.cubin,
        "arch": kernel.arch,
        "grid": list(kernel.grid),
        "block": list(kernel.block),
        "cluster": list(kernel.cluster),
        "shared_bytes": kernel.shared_bytes,
        "arguments": [_argument_json(argument) for argument in kernel.arguments],
        "einsums": list(kernel.einsums),
        "note": kernel.note,
        "resources": facts.resources.to_json(),
    }


def _kernel_from_json(name: str, data: Mapping[str, Any]) -> KernelFacts:
    kernel = Kernel(
        name,
        "",
        data["arch"],
        _three(data["grid"]),
        _three(data["block"]),
        data["shared_bytes"],
        tuple(_argument_from_json(argument) for argument in data["arguments"]),
        tuple(data["einsums"]),
        data["note"],
        _three(data["cluster"]),
    )
    return KernelFacts(kernel, data["cubin"], Resources(**data["resources"]))


def _three(values: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = values
    return x, y, z


def _argument_json(argument: Argument) -> dict[str, Any]:
    if isinstance(argument, Scalar):
        return {"scalar": argument.name, "dtype": argument.dtype, "value": argument.value}
    if isinstance(argument, TensorMap):
        described = {"box": list(argument.box), "swizzle": argument.swizzle}
        return {"tensor_map": argument.name, "tensor": _argument_json(argument.tensor), **described}
    layout = {"shape": list(argument.shape), "strides": list(argument.strides)}
    return {"buffer": argument.name, "dtype": argument.dtype, **layout, "role": argument.role}


def _argument_from_json(data: Mapping[str, Any]) -> Argument:
    if "scalar" in data:
        return Scalar(data["scalar"], data["dtype"], data["value"])
    if "tensor_map" in data:
        tensor = _argument_from_json(data["tensor"])
        assert isinstance(tensor, Buffer)
        return TensorMap(data["tensor_map"], tensor, tuple(data["box"]), data["swizzle"])
    shape, strides = tuple(data["shape"]), tuple(data["strides"])
    return Buffer(data["buffer"], data["dtype"], shape, strides, data["role"])
