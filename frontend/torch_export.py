"""PyTorch models as modules of Einsums: torch.export, the graph kept whole, parameters as arguments."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind
from torch.utils import _pytree as pytree

from ..ir.cascade import verify
from ..ir.errors import InputError
from ..ir.mlir import ir
from ..ir.module import context
from ..ir.signature import Entry, Scalar, TensorSpec
from .capture import export, functional
from .graph import prepare
from .nodes import Graph, is_static
from .raising import Raiser
from .tensor import numpy_name

Examples = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True)
class Naming:
    """What a caller knows of inputs and outputs beyond their shapes.

    Attributes:
        outputs: names of the outputs, in order; by default from the structure the model returns.
        ranks: input or output → per axis the ragged rank it is, or None.
        pads: input → what fills it beyond the caller's extent.
    """

    outputs: tuple[str, ...] = ()
    ranks: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    pads: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Raised:
    """A model as a module.

    Attributes:
        module: its functions; entries are public.
        params: ``penstock.name`` → array, shared with the model's memory where it is row-major.
        entries: signatures, in order.
        programs: entry → the exported program, whose node names the module's ``penstock.node`` repeats.
        instances: entry → layer instance → node name in the shared function → the instance's own.
    """

    module: ir.Module
    params: dict[str, np.ndarray]
    entries: tuple[Entry, ...]
    programs: dict[str, ExportedProgram]
    instances: dict[str, dict[str, dict[str, str]]]

    @property
    def entry(self) -> Entry:
        """The first entry."""
        return self.entries[0]


def raise_model(
    module: nn.Module,
    example_inputs: Examples,
    *,
    entry: str = "main",
    dtype: torch.dtype | None = None,
    naming: Naming | None = None,
) -> Raised:
    """Raise a model for one set of static shapes.

    Args:
        module: taken in inference mode; its own mode and parameters are left as they are.
        example_inputs: positional inputs, or inputs by name; their shapes and types are what counts.
        entry: name of the entry function.
        dtype: floating-point type to compute in (parameters and inputs are converted); the model's own by
            default.
        naming: names and ragged axes.

    Raises:
        InputError: the model cannot be exported, changes its own state, or holds a type without a place here.
        UnsupportedOps: every op that neither has an Einsum form nor comes through torch-mlir.
    """
    return raise_entries(module, {entry: example_inputs}, dtype=dtype, naming=naming)


def raise_entries(
    module: nn.Module,
    examples: Mapping[str, Examples],
    *,
    dtype: torch.dtype | None = None,
    naming: Naming | None = None,
) -> Raised:
    """Raise a model for several static shapes: one entry function each, parameters shared.

    Args:
        module: as for `raise_model`.
        examples: entry name → example inputs.
        dtype: as for `raise_model`.
        naming: as for `raise_model`.

    Raises:
        InputError, UnsupportedOps: as for `raise_model`.
    """
    if dtype is not None and any(p.dtype != dtype for p in _floating(module)):
        module = copy.deepcopy(module).to(dtype)
    programs: dict[str, ExportedProgram] = {}
    was_training = module.training
    module.eval()
    try:
        for name, inputs in examples.items():
            programs[name] = export(module, *_arguments(inputs, dtype, _shapes_only(module)))
    finally:
        module.train(was_training)
    return raise_programs(programs, naming=naming)


def raise_programs(programs: Mapping[str, ExportedProgram], *, naming: Naming | None = None) -> Raised:
    """Raise exported programs of one model, each as an entry.

    Args:
        programs: entry name → program with static shapes.
        naming: names and ragged axes.

    Raises:
        InputError, UnsupportedOps: as for `raise_model`.
    """
    known = naming or Naming()
    with context(), ir.Location.unknown():
        module = ir.Module.create()
        raiser = Raiser(module)
        entries: list[Entry] = []
        ready: dict[str, ExportedProgram] = {}
        for name, program in programs.items():
            ready[name] = functional(program)
            graph = prepare(ready[name])
            signature = _signature(name, ready[name], graph, known)
            suffix = "" if len(programs) == 1 else "_" + name.rpartition("_")[2]
            raiser.entry(
                name,
                graph,
                [_attributes(spec) for spec in (*signature.inputs, *signature.states)],
                [_attributes(spec) for spec in (*signature.outputs, *signature.states)],
                suffix,
            )
            entries.append(signature)
        raiser.check()
    verify(module)
    module.operation.verify()
    return Raised(module, raiser.params, tuple(entries), ready, raiser.instances)


def _floating(module: nn.Module) -> list[torch.Tensor]:
    tensors = [*module.parameters(), *module.buffers()]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


def _shapes_only(module: nn.Module) -> bool:
    """Whether the model has no values: all its parameters are on the ``meta`` device."""
    parameters = list(module.parameters())
    return bool(parameters) and all(parameter.is_meta for parameter in parameters)


def _arguments(
    inputs: Examples, dtype: torch.dtype | None, shapes_only: bool
) -> tuple[tuple[object, ...], dict[str, object]]:
    def converted(value: object) -> object:
        if not isinstance(value, torch.Tensor):
            return value
        if shapes_only:
            value = value.to("meta")
        return value.to(dtype) if dtype is not None and value.is_floating_point() else value

    if isinstance(inputs, torch.Tensor):
        inputs = (inputs,)
    if isinstance(inputs, Mapping):
        return (), {name: pytree.tree_map(converted, value) for name, value in inputs.items()}
    return tuple(pytree.tree_map(converted, value) for value in inputs), {}


def _signature(name: str, program: ExportedProgram, graph: Graph, naming: Naming) -> Entry:
    # The caller's names; a node of the prepared graph may be called otherwise (``input_1`` for ``input``).
    given = [spec for spec in program.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
    names = [spec.arg.name for spec in given if not isinstance(spec.arg, ConstantArgument)]
    names = [called for called in names if called not in graph.states.values()]
    inputs = [
        _spec(called, node.meta["val"], naming, naming.pads.get(called, 0), graph.limits.get(node))
        for called, node in zip(names, graph.inputs, strict=True)
    ]
    states = [_spec(called, node.meta["val"], naming, 0) for node, called in graph.states.items()]
    every = naming.outputs or _output_names(program)
    outputs = []
    for place, node in graph.outputs:
        if place >= len(every):
            raise InputError(f"{len(every)} output names for more outputs", where=name)
        value = node.meta["val"]
        if not is_static(node):  # reported as unsupported when the node is raised
            value = torch.empty((), device="meta")
        outputs.append(_spec(every[place], value, naming, 0))
    return Entry(name, tuple(inputs), tuple(outputs), tuple(states))


def _spec(name: str, like: torch.Tensor, naming: Naming, pad: Scalar, below: int | None = None) -> TensorSpec:
    ranks = tuple(naming.ranks.get(name, (None,) * like.dim()))
    if len(ranks) != like.dim():
        raise InputError(f"{len(ranks)} axes named", where=name, accepted=f"{like.dim()} axes")
    return TensorSpec(name, numpy_name(like.dtype), tuple(like.shape), ranks, pad, below)


def _output_names(program: ExportedProgram) -> list[str]:
    """Names from the structure returned: keys, positions, ``output`` for a single tensor."""
    spec = program.call_spec.out_spec
    if spec is None:
        return ["output"]
    count = spec.num_leaves
    tree = pytree.tree_unflatten(list(range(count)), spec)
    paths, _ = pytree.tree_flatten_with_path(tree)
    names = [_path_name(path) for path, _ in paths]
    if count == 1 and (not names or not names[0] or names[0].isdigit()):
        return ["output"]
    return [f"output{name}" if name[:1].isdigit() else name for name in names]


def _path_name(path: Sequence[object]) -> str:
    parts = []
    for key in path:
        for attribute in ("key", "idx", "name"):
            if hasattr(key, attribute):
                parts.append(str(getattr(key, attribute)))
                break
    return "_".join(parts)


def _attributes(spec: TensorSpec) -> dict[str, ir.Attribute]:
    attributes: dict[str, ir.Attribute] = {"penstock.name": ir.StringAttr.get(spec.name)}
    if spec.ragged:
        ranks = [ir.StringAttr.get(rank or "") for rank in spec.ranks]
        attributes["penstock.ranks"] = ir.ArrayAttr.get(ranks)
        attributes["penstock.pad"] = _scalar(spec.pad)
    if spec.below is not None:
        attributes["penstock.below"] = _scalar(spec.below)
    return attributes


def _scalar(value: Scalar) -> ir.Attribute:
    if isinstance(value, bool):
        return ir.BoolAttr.get(value)
    if isinstance(value, int):
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
    return ir.FloatAttr.get(ir.F64Type.get(), value)
