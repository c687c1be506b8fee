"""Compiled code beside the interpreter, kernel by kernel, each on the inputs that the compiled code gave it.

Where a module rounds to bf16, two right executions of it drift apart: a difference of one float32 unit before
a rounding may be one of bf16 after it, and such flips multiply from layer to layer. Within one kernel they do
not, so a kernel can be held to `sim.compare.KERNEL_BOUND`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .compiler import raise_subject
from .ir.interpreter import interpret
from .ir.module import parse_module
from .sim.compare import KERNEL_BOUND, difference
from .sim.verification import Case, OutputError
from .subject import Subject

if TYPE_CHECKING:
    from .backends.cpu.loader import Step
    from .checking import Program


@dataclass(frozen=True)
class Bound:
    """A module as it was compiled.

    Attributes:
        text: of the module.
        stored: arrays of its quantized parameters, by name.
    """

    text: str
    stored: Mapping[str, np.ndarray]

    def compare(
        self,
        subject: Subject,
        program: Program,
        entry: str,
        inputs: Mapping[str, np.ndarray],
        extents: Mapping[str, int],
    ) -> Case:
        """The kernel that is farthest from the interpreter in one run of an entry.

        Args:
            subject: the model, for the values of its parameters.
            program: compiled from it.
            entry: to run.
            inputs: of its full extents.
            extents: these, for the report.
        """
        seen: list[tuple[str, list[np.ndarray]]] = []

        def keep(step: Step, outputs: list[np.ndarray]) -> None:
            what = " ".join([step.kernel, *[node for node in step.nodes if node][-1:]])
            seen.append(("/".join((*step.instance, what)), [np.array(each) for each in outputs]))

        program.run(inputs, entry=entry, probe=keep)
        found: list[OutputError] = []
        given = iter(seen)

        def after(results: list[object]) -> list[object]:
            name, outputs = next(given)
            if not outputs:  # it updates a state where it is
                return results
            for result, out in zip(results, outputs, strict=True):
                reference = np.asarray(result)
                error = difference(out.reshape(reference.shape), reference)
                found.append(OutputError(name, error.max_abs, error.relative, error.cosine))
            return list(outputs)

        alone = replace(subject, entries={entry: subject.entries[entry]})
        if subject.programs is not None:
            alone = replace(alone, programs={entry: subject.programs[entry]})
        params = raise_subject(alone).params
        states = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in program.entries[entry].states}
        values: dict[str, Any] = {**params, **self.stored, **inputs, **states}
        interpret(parse_module(self.text, where=entry), entry, values, after)
        worst = max(found, key=lambda error: error.relative)
        name = f"worst of {len(seen)} kernels beside the interpreter: {worst.name}"
        return Case(entry, extents, KERNEL_BOUND, (replace(worst, name=name),))
