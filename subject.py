"""What is compiled: a module, example inputs for each entry point, and which axes may be shorter."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .frontend import zoo
from .ir.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.export import ExportedProgram

    from .frontend.zoo import ZooModel

SEQUENCE, BATCH = "s", "b"
MAIN = "main"
DTYPES = {"f32": "float32", "f64": "float64"}

Inputs = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Subject:
    """A model ready to be raised.

    Attributes:
        name: how the user named it.
        recipe: how to make it again, for the manifest; JSON.
        module: in inference mode.
        entries: example inputs by entry point.
        input_ranks, output_ranks: per axis the ragged rank, None where the extent is fixed.
        pads: what fills an input beyond the caller's extent.
        output_names: names of the outputs; empty to let the frontend choose.
        model: the zoo's own description, where it comes from the zoo.
        programs: exported programs by entry point, where the model comes as a file of one.
    """

    name: str
    recipe: Mapping[str, Any]
    module: torch.nn.Module
    entries: Mapping[str, Inputs]
    input_ranks: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    output_ranks: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    pads: Mapping[str, int] = field(default_factory=dict)
    output_names: tuple[str, ...] = ()
    model: ZooModel | None = None
    programs: Mapping[str, ExportedProgram] | None = None


def resolve(
    model: str | nn.Module,
    shapes: Mapping[str, Sequence[int]] | None,
    dtype: str,
    seed: int,
    example_inputs: Sequence[object] | Mapping[str, object] | None = None,
) -> Subject:
    """A model however it is given: a name of the zoo, a file, or a module with example inputs.

    Raises:
        InputError: no such model, or options that do not fit its kind.
    """
    if not isinstance(model, str):
        return from_module(model, example_inputs, dtype)
    if example_inputs is not None:
        raise InputError("a model given by name brings its own inputs", accepted="no example_inputs")
    if model.startswith(zoo.PREFIX):
        return from_zoo(model, shapes, dtype, seed)
    if shapes:
        raise InputError(
            "the shapes of this model are those of its example inputs",
            where="--shape",
            accepted="other example inputs, or a model of the zoo",
        )
    return from_file(model, dtype)


def from_zoo(
    spec: str, shapes: Mapping[str, Sequence[int]] | None, dtype: str, seed: int, *, meta: bool = False
) -> Subject:
    """A model of the zoo, one entry per sequence length.

    Args:
        spec: ``zoo:NAME[,key=value…]``.
        shapes: ``s``: lengths, ``b``: one batch size; the zoo's own lengths and 1 by default.
        dtype: a key of `DTYPES`.
        seed: of the example inputs.
        meta: shapes only, no weights: enough to raise and analyse.

    Raises:
        InputError: an unknown model, option, rank or dtype.
    """
    import torch

    model = zoo.build(spec, device="meta" if meta else None)
    entry = model.entry
    lengths, batch = _sizes(entry.name, model.lengths, shapes or {})
    if model.cache and batch != 1:
        raise InputError(f"a batch of {batch} with a cache", where="--shape b", accepted="b=1, or cache=0")
    kind = getattr(torch, _dtype(dtype))
    model.module.to(kind)
    entries = {}
    for length in lengths:
        inputs = model.example_inputs(length, batch, seed)
        name = MAIN if length is None else f"{MAIN}_{length}"
        entries[name] = {
            key: value.to(kind) if value.is_floating_point() else value for key, value in inputs.items()
        }
    ranks = {
        name: (
            *(() if given.kind == "positions" else (None,)),
            *(SEQUENCE if size is None else None for size in given.shape),
        )
        for name, given in model.inputs.items()
    }
    outputs = {
        name: (*(None,) * axis, SEQUENCE, None)
        for name, axis in model.positions_axis.items()
        if axis is not None
    }
    recipe = {"name": spec, "shapes": {key: list(sizes) for key, sizes in (shapes or {}).items()}}
    return Subject(
        name=spec,
        recipe={**recipe, "dtype": dtype, "seed": seed},
        module=model.module,
        entries=entries,
        input_ranks=ranks,
        output_ranks=outputs,
        pads=dict(model.padding or {}),
        output_names=model.output_names,
        model=model,
    )


def from_module(
    module: nn.Module, example_inputs: Sequence[object] | Mapping[str, object] | None, dtype: str
) -> Subject:
    """A module in memory with example inputs, tensors by position or by name.

    Raises:
        InputError: inputs are missing, too many, or not tensors.
    """
    import torch
    from torch import nn

    if not isinstance(module, nn.Module):
        raise InputError(
            f"cannot compile a {type(module).__name__}", accepted="a torch.nn.Module, or a model's name"
        )
    if example_inputs is None:
        raise InputError("a module needs example inputs", accepted="tensors of the shapes to compile for")
    kind = getattr(torch, _dtype(dtype))
    inputs = _tensors(_named(module, example_inputs), kind)
    return Subject(type(module).__name__, {"dtype": dtype}, _ready(module, kind), {MAIN: inputs})


def _ready(module: nn.Module, kind: torch.dtype) -> nn.Module:
    """The module in inference mode and of one floating type; a copy of it where it is not so already.

    Raises:
        InputError: it cannot be copied.
    """
    tensors = [*module.parameters(), *module.buffers()]
    if any(each.is_floating_point() and each.dtype != kind for each in tensors):
        shared = {}
    elif any(each.training for each in module.modules()):
        shared = {id(each): each for each in tensors}
    else:
        return module
    try:
        return copy.deepcopy(module, shared).to(kind).train(False)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"the module cannot be copied, so as to leave yours as it is: {error}",
            accepted=f"the module in inference mode (eval), its parameters {kind}".replace("torch.", ""),
        ) from error


def from_file(model: str, dtype: str) -> Subject:
    """A model named by a file: ``path.py:callable`` or ``file.pt2``.

    Raises:
        InputError: no such file or callable, or code that fails.
    """
    from .frontend.sources import resolve

    source = resolve(model)
    if source.program is None:
        path, _, name = model.rpartition(":")
        recipe = {"name": f"{Path(path).resolve()}:{name}", "dtype": dtype}
        subject = from_module(source.module, source.example_inputs, dtype)
        return replace(subject, name=source.name, recipe=recipe)
    if dtype != "f32":
        raise InputError("an exported program keeps its own types", where="--dtype", accepted="f32")
    recipe = {"name": str(Path(model).resolve()), "dtype": dtype}
    inputs = _tensors(source.example_inputs, None)
    return Subject(source.name, recipe, source.module, {MAIN: inputs}, programs={MAIN: source.program})


def _tensors(named: Mapping[str, object], kind: torch.dtype | None) -> Inputs:
    """Inputs, the floating ones in the type of the computation; left as they are for None."""
    import torch

    inputs: Inputs = {}
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{type(value).__name__} is no tensor", where=f"input {name}")
        inputs[name] = value.to(kind) if kind is not None and value.is_floating_point() else value
    return inputs


def fingerprint(module: nn.Module) -> str:
    """SHA-256 over a module's parameters and buffers, by name."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _named(module: nn.Module, inputs: Sequence[object] | Mapping[str, object]) -> dict[str, object]:
    """Inputs by the names of the module's arguments."""
    if isinstance(inputs, Mapping):
        return dict(inputs)
    parameters = inspect.signature(module.forward).parameters.values()
    names = [each.name for each in parameters if each.kind != each.VAR_KEYWORD]
    unnamed = [str(each) for each in parameters if each.kind in (each.VAR_POSITIONAL, each.POSITIONAL_ONLY)]
    if unnamed:
        raise InputError(
            f"forward takes inputs that have no name: {', '.join(unnamed)}",
            where=type(module).__name__,
            accepted="a forward with a name for each input",
        )
    if len(inputs) > len(names):
        raise InputError(
            f"{len(inputs)} inputs for {len(names)} arguments", accepted=", ".join(names) or "no input"
        )
    return dict(zip(names, inputs, strict=False))


def _dtype(dtype: str) -> str:
    if dtype not in DTYPES:
        raise InputError(f"no computation in '{dtype}'", where="--dtype", accepted=", ".join(DTYPES))
    return DTYPES[dtype]


def _sizes(
    name: str, lengths: Sequence[int], shapes: Mapping[str, Sequence[int]]
) -> tuple[tuple[int | None, ...], int]:
    known = (SEQUENCE, BATCH) if lengths else (BATCH,)
    for rank in shapes:
        if rank not in known:
            raise InputError(f"{name} has no rank '{rank}'", where="--shape", accepted=", ".join(known))
    batches = shapes.get(BATCH, (1,))
    if len(batches) != 1:
        raise InputError(f"{len(batches)} batch sizes", where="--shape b", accepted="one")
    return tuple(shapes.get(SEQUENCE, lengths)) or (None,), batches[0]
