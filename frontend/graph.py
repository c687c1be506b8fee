"""An exported program made ready: its own copy of the graph, live nodes only, parameters known and folded.

What a model updates when it is called, a buffer or an input, is a state: kept from call to call.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, InputSpec, OutputKind

from ..ir.errors import InputError
from .folding import fold
from .nodes import PUTS, Graph, Param, coordinates, dimension, is_static, op_name

_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._functional_assert", "aten.sym_")


def prepare(program: ExportedProgram) -> Graph:
    """The graph of a functional program (no op changes its operands).

    Raises:
        InputError: the program updates a state in a way that has no form, or takes what is no tensor.
    """
    copied = fx.Graph()
    memo: dict[fx.Node, fx.Node] = {}
    returned = copied.graph_copy(program.graph, memo)
    graph = Graph()
    placeholders = [node for node in copied.nodes if node.op == "placeholder"]
    for spec, node in zip(program.graph_signature.input_specs, placeholders, strict=True):
        _classify(program, graph, spec, node)
    results = returned if isinstance(returned, tuple | list) else (returned,)
    _returned(program, graph, placeholders, results)
    copied.output((*(node for _, node in graph.outputs), *graph.updates.values()))
    for node in reversed(list(copied.nodes)):
        if node.op == "call_function" and op_name(node).startswith(_CHECKS) and not node.users:
            copied.erase_node(node)
    copied.eliminate_dead_code()
    fold(copied, graph)
    found: tuple[fx.Node, ...] = next(node for node in copied.nodes if node.op == "output").args[0]  # pyright: ignore
    graph.outputs = [(place, node) for (place, _), node in zip(graph.outputs, found, strict=False)]
    graph.updates = dict(zip(graph.updates, found[len(graph.outputs) :], strict=True))
    copied.eliminate_dead_code()
    graph.nodes = [node for node in copied.nodes if node.op == "call_function"]
    for node in graph.nodes:
        if op_name(node) == "aten.embedding.default":
            table, rows = node.args[:2]
            assert isinstance(table, fx.Node)
            assert isinstance(rows, fx.Node)
            _limit(graph, rows, table.meta["val"].shape[0])
    return graph


def _limit(graph: Graph, place: fx.Node, extent: int) -> None:
    """Know of an input that its numbers are coordinates below an extent."""
    if place in graph.inputs:
        graph.limits[place] = min(graph.limits.get(place, extent), extent)


def _returned(
    program: ExportedProgram, graph: Graph, placeholders: Sequence[fx.Node], results: Sequence[object]
) -> None:
    """Tell what is returned from states as they are afterwards."""
    signature = program.graph_signature
    buffers = {spec.target: node for spec, node in zip(signature.input_specs, placeholders, strict=True)}
    inputs = {node.name: node for node in placeholders}
    users = 0
    for spec, node in zip(signature.output_specs, results, strict=True):
        if spec.kind == OutputKind.USER_OUTPUT:
            if isinstance(node, fx.Node):
                graph.outputs.append((users, node))
            users += 1
        elif spec.kind in (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION):
            assert isinstance(node, fx.Node)
            state = buffers.get(spec.target) or inputs[spec.target or ""]
            _state(graph, state, spec.target or "", node)


def _state(graph: Graph, state: fx.Node, name: str, update: fx.Node) -> None:
    """Take a buffer or input that is updated when the model is called as a state, zeros at first.

    Raises:
        InputError: it is updated by something else than rows put at coordinates, or does not begin as zeros.
    """
    where = f"'{name}'"
    last = update
    while last is not state:
        if op_name(last) not in PUTS or not isinstance(last.args[0], fx.Node):
            raise InputError(
                f"the model updates {where} by {op_name(last)} when called",
                accepted="index_copy_ along one dimension, or an assignment to one list of coordinates",
            )
        for place in coordinates(last):
            _limit(graph, place, last.meta["val"].shape[dimension(last)])
        last = last.args[0]
    param = graph.params.pop(state, None)
    if param is not None and not param.value.is_meta and bool(param.value.any()):
        raise InputError(f"the state {where} does not begin as zeros", accepted="a buffer of zeros")
    if state in graph.inputs:
        graph.inputs.remove(state)
    graph.states[state] = name
    graph.updates[state] = update


def _classify(program: ExportedProgram, graph: Graph, spec: InputSpec, node: fx.Node) -> None:
    kind, target = spec.kind, spec.target or ""
    if kind == InputKind.USER_INPUT:
        if not isinstance(spec.arg, ConstantArgument):
            if not is_static(node):
                shape = tuple(getattr(node.meta.get("val"), "shape", ()))
                raise InputError(
                    f"input '{node.name}' has a shape that is not fixed: {list(shape)}",
                    accepted="a program exported with fixed shapes; several lengths are several entries",
                )
            graph.inputs.append(node)
        return
    if kind not in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
        raise InputError(f"the model takes '{target}', which is not a tensor")
    value = program.state_dict.get(target)
    if value is None:
        value = program.constants[target]
    assert isinstance(value, torch.Tensor)
    if kind == InputKind.CONSTANT_TENSOR and not value.shape:
        graph.literals[node] = value.item()
    graph.params[node] = Param(target, value.detach())
