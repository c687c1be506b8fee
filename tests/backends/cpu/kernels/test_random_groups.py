"""Random groups (affine and absent accesses, any outer ranks and tiles; f32, bf16) beside the interpreter."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from penstock.backends.cpu.isa import ISAS
from penstock.ir.bfloat16 import decode, encode, rounded
from penstock.ir.einsum import Einsum, solve_extents
from penstock.ir.errors import NotationError
from penstock.ir.interpreter.einsum import evaluate

from .conftest import Case, Library, runs_here

COUNT, HALVES = 60, 60
EXTENTS = (1, 2, 3, 5, 8, 16, 17, 33, 40)
UNARY = ("relu", "tanh", "sigmoid", "abs", "square", "neg", "id")
BINARY = ("mul", "mul", "add", "sub", "max", "min")


class Draw:
    """One group: Einsums that read new inputs and earlier results, at plain and other affine indices.

    With `halves`, about half of the tensors are of bf16.
    """

    def __init__(self, seed: int, *, halves: bool = False) -> None:
        self.halves, self.elements = halves, dict[str, str]()
        self.random, self.values = random.Random(seed), np.random.default_rng(seed)
        names = "abcde"[: self.random.randint(2, 5)]
        self.extents = {rank: self.random.choice(EXTENTS) for rank in names}
        self.tensors: dict[str, np.ndarray] = {}
        self.ranks: dict[str, list[str]] = {}
        self.inputs: list[str] = []
        self.program: list[str] = []

    def some(self, pool: list[str], share: float) -> list[str]:
        chosen = [rank for rank in pool if self.random.random() < share]
        self.random.shuffle(chosen)
        return chosen

    def access(self, pool: list[str], boolean: bool = False) -> str:
        known = [t for t in self.ranks if set(self.ranks[t]) <= set(pool) and not boolean]
        if known and self.random.random() < 0.6:
            tensor = self.random.choice(known)
            shifted = [r if self.random.random() < 0.93 else f"{r}-1" for r in self.ranks[tensor]]
            return f"{tensor}[{','.join(shifted)}]"
        index, shape = [], []
        for rank in self.some(pool, 0.7):
            form = self.random.choice(["{}", "{}", "{}", "{}", "{}+1", "{}-2", "{}*2"])
            index.append(form.format(rank))
            shape.append(self.extents[rank] * (2 if "*" in form else 1))
        name = f"I{len(self.inputs)}"
        self.inputs.append(name)
        array = self.values.standard_normal(shape).astype(np.float32)
        self.tensors[name] = array > 0 if boolean else self.stored(name, array)
        return f"{name}[{','.join(index)}]"

    def stored(self, name: str, array: np.ndarray) -> np.ndarray:
        """The values of a tensor in the type it gets."""
        half = self.halves and self.random.random() < 0.5
        self.elements[name] = "bf16" if half else "f32"
        return rounded(array) if half else array

    def einsum(self) -> None:
        pool = self.some(list(self.extents), 0.8) or list(self.extents)[:1]
        kind = self.random.random()
        if kind < 0.6:
            body = f"{self.random.choice(BINARY)}({self.access(pool)}, {self.access(pool)})"
        elif kind < 0.8:
            body = f"{self.random.choice(UNARY)}({self.access(pool)})"
        elif kind < 0.9:
            body = f"where({self.access(pool, True)}, {self.access(pool)}, 0.5)"
        else:
            body = f"add({self.access(pool)}, @{self.random.choice(pool)})"
        output = self.some(pool, 0.7)
        folded = sorted({r for r in re.findall(r"\b[a-e]\b", body) if r not in output})
        fold = f"{self.random.choice(['sum', 'sum', 'max'])}[{','.join(folded)}] " if folded else ""
        name = f"T{len(self.program)}"
        einsum = Einsum.parse(f"{name}[{','.join(output)}] = {fold}{body}")
        operands = [self.tensors[access.tensor] for access in einsum.accesses]
        shape = tuple(self.extents[rank] for rank in output)
        extents = solve_extents(einsum, [array.shape for array in operands], shape)
        wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in operands]
        value = evaluate(einsum, wide, extents, np.dtype(np.float64), {})
        if not np.isfinite(value).all():
            raise NotationError("an output point nobody visits")
        self.tensors[name], self.ranks[name] = self.stored(name, value), output
        self.program.append(str(einsum))

    def case(self, name: str) -> dict[str, Any]:
        for _ in range(self.random.randint(1, 6)):
            self.einsum()
        order = self.some(list(self.extents), 1.0)
        parallel = self.random.randint(0, len(order))
        outputs = [t for t in self.ranks if self.random.random() < 0.5 or t == f"T{len(self.program) - 1}"]
        return {
            "name": name,
            "program": self.program,
            "inputs": {
                tensor: encode(self.tensors[tensor])
                if self.elements.get(tensor) == "bf16"
                else self.tensors[tensor]
                for tensor in self.inputs
            },
            "outputs": outputs,
            "reference": [self.tensors[tensor] for tensor in outputs],
            "order": " ".join(order),
            "parallel": parallel,
            "tiles": [f"{r}={self.random.choice([2, 5, 16])}" for r in order if self.random.random() < 0.3],
            "params": [tensor for tensor in self.inputs if self.random.random() < 0.5],
            "shapes": {t: tuple(self.extents[r] for r in ranks) for t, ranks in self.ranks.items()},
            "elements": self.elements,
        }


def groups(count: int, *, halves: bool = False) -> list[dict[str, Any]]:
    made, seed = [], 0
    while len(made) < count:
        with suppress(NotationError):  # a rank without an extent, or a maximum over nothing: not a case
            made.append(Draw(seed, halves=halves).case(f"group{seed}"))
        seed += 1
    return made


CASES = groups(COUNT)


@pytest.mark.parametrize("threads", [1, 3])
def test_random_groups_match_the_interpreter(compiled, threads: int) -> None:
    for name, case in compiled.cases.items():
        for out, reference, tensor in zip(
            compiled.run(name, threads), case.reference, case.outputs, strict=True
        ):
            error = np.linalg.norm(out - reference) / max(np.linalg.norm(reference), 1e-3)
            assert error < 3e-5, (name, tensor, error, case.program, case.order, case.parallel, case.tiles)


@pytest.mark.parametrize("isa", ISAS)
def test_random_groups_with_bf16_match_the_interpreter(isa: str) -> None:
    """A value beside a tie may be rounded to the other side of it: up to a step of bf16 each, 2⁻⁷ in norm."""
    runs_here(isa)
    library = Library([Case(**case) for case in groups(HALVES, halves=True)], isa)
    for name, case in library.cases.items():
        for out, reference, tensor in zip(library.run(name, 3), case.reference, case.outputs, strict=True):
            found = decode(out) if out.dtype == np.uint16 else out
            error = np.linalg.norm(found - reference) / max(np.linalg.norm(reference), 1e-3)
            assert error < 1e-2, (name, tensor, error, case.program, case.elements)
