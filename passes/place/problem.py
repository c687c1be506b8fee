"""What is to be mapped: instructions in a fixed order, the tensors they read and write, and a machine.

Times are seconds, sizes bytes. An instruction served by slow memory alone takes
``max(compute, bytes / slow bandwidth)``: the public cost model of XLA's memory-space assignment.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ...ir.errors import InputError

SCHEMA = 1
KINDS = ("param", "temp", "result")


@dataclass(frozen=True)
class Tensor:
    """A value of the program.

    Attributes:
        name: unique.
        size: bytes.
        kind: ``param`` starts in slow memory and never changes; ``temp``; ``result`` must be in slow
            memory at the end.
        alias: class whose members share memory and offset; None for a class of its own. Whoever makes
            the problem promises that no two members hold different live data at once.
        fast: whether it may lie in fast memory at all.
    """

    name: str
    size: int
    kind: str = "temp"
    alias: str | None = None
    fast: bool = True


@dataclass(frozen=True)
class Instruction:
    """One step: its compute time and the bytes it moves of each tensor, (tensor index, bytes)."""

    name: str
    compute_s: float
    inputs: tuple[tuple[int, int], ...] = ()
    outputs: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Machine:
    """Two memories.

    Attributes:
        capacity: bytes of fast memory.
        alignment: of offsets in it, bytes.
        slow_bytes_per_s, fast_bytes_per_s: bandwidths; fast at least slow.
    """

    capacity: int
    alignment: int
    slow_bytes_per_s: float
    fast_bytes_per_s: float

    def __post_init__(self) -> None:
        rates = (self.slow_bytes_per_s, self.fast_bytes_per_s)
        if self.capacity < 0 or self.alignment < 1:
            raise InputError("a capacity below 0 or an alignment below 1", where="machine")
        if not all(math.isfinite(rate) and rate > 0 for rate in rates) or rates[1] < rates[0]:
            raise InputError(
                f"bandwidths {rates[0]} and {rates[1]}",
                where="machine",
                accepted="finite, above 0, fast at least as fast as slow",
            )


@dataclass(frozen=True)
class Access:
    """One use or definition: the unit of decision. ``output`` tells which."""

    instruction: int
    tensor: int
    output: bool
    bytes: int


@dataclass(frozen=True)
class Problem:
    """A program to map.

    Raises:
        InputError: an instruction that names no tensor or the same one twice, a tensor defined twice or
            read before it is defined, a negative or infinite figure.
    """

    name: str
    instructions: tuple[Instruction, ...]
    tensors: tuple[Tensor, ...]
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        defined = [tensor.kind == "param" for tensor in self.tensors]
        for tensor in self.tensors:
            if tensor.size <= 0 or tensor.kind not in KINDS:
                raise InputError(
                    f"size {tensor.size}, kind {tensor.kind!r}",
                    where=f"{self.name}: {tensor.name}",
                    accepted=f"a size above 0, a kind of {', '.join(KINDS)}",
                )
        if len({tensor.name for tensor in self.tensors}) != len(self.tensors):
            raise InputError("two tensors of one name", where=self.name)
        for instruction in self.instructions:
            self._check(instruction, defined)
        for tensor, known in zip(self.tensors, defined, strict=True):
            if not known:
                raise InputError("never defined", where=f"{self.name}: {tensor.name}", accepted="one output")

    def _check(self, instruction: Instruction, defined: list[bool]) -> None:
        where = f"{self.name}: {instruction.name}"
        if not (math.isfinite(instruction.compute_s) and instruction.compute_s >= 0):
            raise InputError(f"compute time {instruction.compute_s}", where=where, accepted="0 s or more")
        named = [tensor for tensor, _ in (*instruction.inputs, *instruction.outputs)]
        if len(set(named)) != len(named) or not all(0 <= each < len(self.tensors) for each in named):
            raise InputError("a tensor named twice, or an unknown one", where=where)
        if any(count < 0 for _, count in (*instruction.inputs, *instruction.outputs)):
            raise InputError("negative bytes", where=where, accepted="0 or more")
        for tensor, _ in instruction.inputs:
            if not defined[tensor]:
                raise InputError(f"reads {self.tensors[tensor].name} before it is defined", where=where)
        for tensor, _ in instruction.outputs:
            if defined[tensor]:
                raise InputError(f"defines {self.tensors[tensor].name} again", where=where)
            defined[tensor] = True

    @cached_property
    def accesses(self) -> tuple[Access, ...]:
        """All accesses in the order they are decided: by instruction, inputs by operand, then outputs."""
        return tuple(
            Access(number, tensor, output, count)
            for number, instruction in enumerate(self.instructions)
            for output, named in ((False, instruction.inputs), (True, instruction.outputs))
            for tensor, count in named
        )

    @cached_property
    def alias_class(self) -> tuple[int, ...]:
        """Class number of each tensor."""
        numbers: dict[tuple[str, str | int], int] = {}
        keys = [
            ("alone", at) if tensor.alias is None else ("class", tensor.alias)
            for at, tensor in enumerate(self.tensors)
        ]
        return tuple(numbers.setdefault(key, len(numbers)) for key in keys)

    @cached_property
    def peak_live_bytes(self) -> int:
        """Most bytes live at once; a param lives from its first use to its last."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for access in self.accesses:
            first.setdefault(access.tensor, access.instruction)
            last[access.tensor] = access.instruction
        change = [0] * (len(self.instructions) + 1)
        for tensor, start in first.items():
            change[start] += self.tensors[tensor].size
            change[last[tensor] + 1] -= self.tensors[tensor].size
        live = peak = 0
        for each in change:
            live += each
            peak = max(peak, live)
        return peak

    def to_json(self) -> dict[str, Any]:
        """The problem as a JSON object, compact: tensors and instructions as rows."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "note": self.note,
            "tensors": [[t.name, t.size, t.kind, t.alias, t.fast] for t in self.tensors],
            "instructions": [
                [i.name, i.compute_s, [list(a) for a in i.inputs], [list(a) for a in i.outputs]]
                for i in self.instructions
            ],
        }

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON form, the note left out."""
        data = {key: value for key, value in self.to_json().items() if key != "note"}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def from_json(data: Any, where: str = "graph") -> Problem:
    """A problem from `Problem.to_json`.

    Raises:
        InputError: another schema, or not of this form.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        raise InputError(
            "not a memory-mapping graph", where=where, accepted=f'a JSON object with "schema": {SCHEMA}'
        )
    try:
        tensors = tuple(
            Tensor(str(name), int(size), kind, alias, bool(fast))
            for name, size, kind, alias, fast in data["tensors"]
        )
        instructions = tuple(
            Instruction(
                str(name),
                float(compute),
                tuple((int(tensor), int(count)) for tensor, count in inputs),
                tuple((int(tensor), int(count)) for tensor, count in outputs),
            )
            for name, compute, inputs, outputs in data["instructions"]
        )
        return Problem(str(data["name"]), instructions, tensors, str(data.get("note", "")))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"malformed: {error}", where=where, accepted="what docs/mallocgame.md describes"
        ) from error


def read(path: str | Path) -> Problem:
    """A problem from a JSON file.

    Raises:
        InputError: not JSON, or not a graph.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", where=str(path)) from error
    return from_json(data, str(path))


def machine_json(machine: Machine) -> dict[str, Any]:
    """A machine as a JSON object."""
    return asdict(machine)
