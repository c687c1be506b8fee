"""Verification of a bundle: its outputs and its inner values beside eager PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir.errors import InputError, VerifyError
from .progress import Progress
from .sim.compare import BOUNDS, ROUNDED_BOUNDS, difference
from .sim.verification import Case, LayerError, OutputError, Verification
from .subject import DTYPES, MAIN, SEQUENCE, Subject, fingerprint

if TYPE_CHECKING:
    import torch

    from .backends.cpu.loader import Program as CpuProgram
    from .backends.cpu.loader import Step
    from .backends.cuda.loader import Program as CudaProgram
    from .stepwise import Bound

    Program = CpuProgram | CudaProgram

REFERENCE = "eager PyTorch"
WIDE = "eager PyTorch in float64"
DEQUANTIZED = "eager PyTorch with the dequantized weights"


def lengths_of(subject: Subject, program: Program) -> list[int | None]:
    """Sequence lengths to compare at: one far below the shortest entry, and that of every entry."""
    compiled = sorted(
        {entry.extents[SEQUENCE] for entry in program.entries.values() if SEQUENCE in entry.extents}
    )
    if subject.model is None or not compiled:
        return [None]
    return [min(7, compiled[0]), *(length for length in compiled if length != 7)]


def verify(
    subject: Subject,
    program: Program,
    recipe: Mapping[str, Any],
    lengths: Sequence[int] | None,
    seed: int,
    progress: Progress | None,
    weights: Mapping[str, np.ndarray] | None = None,
    compiled: Bound | None = None,
) -> Verification:
    """Compare a program with the module it was compiled from.

    Where weights were quantized, errors are against the module with the weights that the codes stand for,
    and the distance of the outputs from the module as it was is reported beside them.

    Every length is run twice where the model takes a padding mask: full, and with part of it padding
    (positions behind the mask are left out of the comparison). The last full run also compares every value
    that leaves a fused group with the same node of the exported graph.

    Args:
        subject: the model.
        program: compiled from it.
        recipe: the manifest's record of the model.
        lengths: sequence lengths to compare at; several when None.
        seed: of the inputs.
        progress: told of each run.
        weights: the values of quantized parameters, by name; None where nothing was quantized.
        compiled: the module compiled, where it rounds to bf16: then the reference is in float64, and the
            kernels of the first entry are compared with the interpreter, one by one.

    Raises:
        VerifyError: lengths for a model without a sequence, or parameters that are not those compiled.
    """
    if recipe.get("fingerprint", "") != fingerprint(subject.module):
        raise VerifyError(
            "the model made again has other parameters than the one compiled",
            where=subject.name,
            accepted="a model that is the same every time, such as one made after torch.manual_seed(0)",
        )
    wanted: list[int | None] = list(lengths) if lengths else lengths_of(subject, program)
    if lengths and (subject.model is None or subject.model.entry.max_length is None):
        raise VerifyError("the model has no sequence length", where="--lengths", accepted="no --lengths")
    runs = []
    kernels: list[Case] = []
    wide = compiled is not None and _runs_wide(subject, _inputs(subject, wanted[0], None, seed))
    reference, dequantized = (WIDE, f"{DEQUANTIZED}, in float64") if wide else (REFERENCE, DEQUANTIZED)
    with _with_weights(subject, weights or {}):
        for number, length in enumerate(wanted):
            if progress is not None:
                progress(f"compare at length {length}" if length else "compare", number, len(wanted))
            for real in _masks(subject, length):
                inputs = _inputs(subject, length, real, seed + number)
                runs.append((real, inputs, *_compare(subject, program, inputs, length, real, recipe, wide)))
        if compiled is not None and program.probed:
            if progress is not None:
                progress("compare kernel by kernel", len(wanted), None)
            entry = min(program.entries, key=lambda name: program.entries[name].extents.get(SEQUENCE, 0))
            extents = program.entries[entry].extents
            inputs = _inputs(subject, extents.get(SEQUENCE), None, seed)
            arrays = {name: value.numpy() for name, value in inputs.items()}
            kernels = [compiled.compare(subject, program, entry, arrays, extents)]
    if not weights:
        return Verification(reference, (*(case for _, _, case, _ in runs), *kernels))
    cases = [
        replace(case, quantization=_outputs(subject, inputs, got, real, wide))
        for real, inputs, case, got in runs
    ]
    return Verification(dequantized, (*cases, *kernels))


@contextmanager
def _with_weights(subject: Subject, weights: Mapping[str, np.ndarray]) -> Iterator[None]:
    """Other values for some parameters of a model, its own again afterwards.

    Raises:
        VerifyError: a parameter that the model does not hold as it is.
    """
    import torch

    from .frontend.sources import PROGRAM

    states = [subject.module.state_dict(), *(each.state_dict for each in (subject.programs or {}).values())]
    held: list[tuple[torch.Tensor, np.ndarray]] = []
    for state in states:
        for name, array in weights.items():
            tensor = state.get(name, state.get(f"{PROGRAM}.{name}"))
            if tensor is None or tuple(tensor.shape) != array.shape:
                raise VerifyError(
                    "the quantized parameter is worked out from others, so that eager PyTorch cannot use it",
                    where=name,
                    accepted="parameters as the model holds them",
                )
            held.append((tensor.detach(), array))
    own = [tensor.clone() for tensor, _ in held]
    try:
        for tensor, array in held:
            tensor.copy_(torch.from_numpy(array))
        yield
    finally:
        for (tensor, _), value in zip(held, own, strict=True):
            tensor.copy_(value)


def _masks(subject: Subject, length: int | None) -> list[int | None]:
    """Real tokens per row: all of them, and where there is a mask about two thirds."""
    masked = subject.model is not None and "mask" in {given.kind for given in subject.model.inputs.values()}
    return [None, max(1, (length or 0) * 2 // 3)] if masked and length else [None]


def _inputs(subject: Subject, length: int | None, real: int | None, seed: int) -> dict[str, torch.Tensor]:
    import torch

    first = next(iter(subject.entries.values()))
    if subject.model is None:
        return first
    batch = next(iter(first.values())).shape[0]
    made = subject.model.example_inputs(
        length, batch, seed, valid_lengths=None if real is None else [real] * batch
    )
    kind = next((value.dtype for value in first.values() if value.is_floating_point()), torch.float32)
    return {name: value.to(kind) if value.is_floating_point() else value for name, value in made.items()}


def _compare(
    subject: Subject,
    program: Program,
    inputs: dict[str, torch.Tensor],
    length: int | None,
    real: int | None,
    recipe: Mapping[str, Any],
    wide: bool,
) -> tuple[Case, dict[str, np.ndarray]]:
    """Errors of one run, and what it gave."""
    arrays = {name: value.numpy() for name, value in inputs.items()}
    entry = _entry(program, length)
    layers: list[LayerError] = []
    exact = entry is not None and real is None
    probe = _Probe(subject, entry, inputs, recipe) if exact and entry is not None else None
    got = program.run(arrays, probe=probe.see if probe else None)
    if probe is not None:
        layers = probe.layers
    extents = {} if length is None else {SEQUENCE: length, **({} if real is None else {"valid": real})}
    rounding = str(recipe.get("quantized", {}).get("activations", "float"))
    element = "bfloat16" if "precision" in recipe else DTYPES[str(recipe.get("dtype", "f32"))]
    bound = max(BOUNDS[element], ROUNDED_BOUNDS[rounding])
    outputs = _outputs(subject, inputs, got, real, wide)
    return Case(entry or next(iter(program.entries)), extents, bound, outputs, tuple(layers)), got


def _eager(subject: Subject, inputs: dict[str, torch.Tensor], wide: bool) -> list[np.ndarray]:
    """What the module gives eagerly, in float64 or in its own type."""
    import torch

    given = [each.double() if wide and each.is_floating_point() else each for each in inputs.values()]
    if wide:
        subject.module.double()
    buffers = dict(subject.module.named_buffers())
    kept = {name: buffer.clone() for name, buffer in buffers.items()}
    try:
        with torch.inference_mode():
            return [value.numpy() for value in _flat(subject.module(*given))]
    finally:
        for name, buffer in buffers.items():  # what the call left in its states
            buffer.copy_(kept[name])
        if wide:
            subject.module.float()


def _runs_wide(subject: Subject, inputs: dict[str, torch.Tensor]) -> bool:
    """Whether a float32 module runs in float64 too: it may hold constants of its own type."""
    if subject.programs is not None:
        return False
    try:
        _eager(subject, inputs, wide=True)
    except (RuntimeError, TypeError):
        return False
    return True


def _outputs(
    subject: Subject,
    inputs: dict[str, torch.Tensor],
    got: Mapping[str, np.ndarray],
    real: int | None,
    wide: bool,
) -> tuple[OutputError, ...]:
    """How far outputs are from the module's, run eagerly."""
    references = _eager(subject, inputs, wide)
    outputs = []
    for (name, out), reference in zip(got.items(), references, strict=True):
        found = difference(_real_rows(subject, name, out, real), _real_rows(subject, name, reference, real))
        outputs.append(OutputError(name, found.max_abs, found.relative, found.cosine))
    arrays = {name: value.numpy() for name, value in inputs.items()}
    return (*outputs, *_embeddings(subject, arrays, got, references))


def _embeddings(
    subject: Subject,
    inputs: Mapping[str, np.ndarray],
    got: Mapping[str, np.ndarray],
    references: Sequence[np.ndarray],
) -> list[OutputError]:
    """The sentence embeddings that MiniLM's hidden states are for, compared too."""
    if subject.model is None or "last_hidden_state" not in got or subject.model.entry.name != "minilm-l6":
        return []
    from .frontend.zoo.minilm import sentence_embeddings

    place = list(got).index("last_hidden_state")
    mask = inputs["attention_mask"]
    found = difference(
        sentence_embeddings(got["last_hidden_state"], mask), sentence_embeddings(references[place], mask)
    )
    return [OutputError("sentence embedding", found.max_abs, found.relative, found.cosine)]


def _entry(program: Program, length: int | None) -> str | None:
    """The entry compiled for exactly this length, if there is one."""
    if length is None:
        return next(iter(program.entries))
    named = f"{MAIN}_{length}"
    return named if named in program.entries else None


def _real_rows(subject: Subject, name: str, value: np.ndarray, real: int | None) -> np.ndarray:
    axis = subject.model.positions_axis.get(name) if subject.model is not None else None
    return value if real is None or axis is None else np.take(value, range(real), axis=axis)


def _flat(returned: Any) -> list[torch.Tensor]:
    import torch.utils._pytree as pytree

    return list(pytree.tree_leaves(returned))


class _Probe:
    """Compares what leaves each fused group with the node of the exported graph it computes."""

    def __init__(
        self, subject: Subject, entry: str, inputs: dict[str, torch.Tensor], recipe: Mapping[str, Any]
    ) -> None:
        from .frontend.capture import export, functional
        from .frontend.eager import node_values

        program = (subject.programs or {}).get(entry) or export(subject.module, (), dict(inputs))
        self.nodes = node_values(functional(program), inputs)
        self.instances: Mapping[str, Mapping[str, str]] = recipe.get("instances", {}).get(entry, {})
        self.layers: list[LayerError] = []

    def see(self, step: Step, outputs: list[np.ndarray]) -> None:
        """Compare the outputs of one step."""
        path = "/".join(step.instance)
        names = self.instances.get(path, {})
        for node, out in zip(step.nodes, outputs, strict=True):
            actual = names.get(node, node)
            reference = self.nodes.get(actual)
            if not node or reference is None:
                continue
            if reference.size != out.size:
                raise InputError(
                    f"'{actual}' has {reference.size} elements, the bundle's {out.size}", where=step.name
                )
            found = difference(out.reshape(reference.shape), reference)
            label = f"{path}: {actual}" if path else actual
            self.layers.append(LayerError(label, found.max_abs, found.relative))
