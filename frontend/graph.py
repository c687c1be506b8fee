"""An exported program made ready: its own copy of the graph, live nodes only, parameters known and folded."""

from __future__ import annotations

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, InputSpec, OutputKind

from ..ir.errors import InputError
from .folding import fold
from .nodes import Graph, Param, is_static, op_name

_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._functional_assert", "aten.sym_")


def prepare(program: ExportedProgram) -> Graph:
    """The graph of a functional program (no op changes its operands).

    Raises:
        InputError: the program updates its own buffers, or takes objects that are not tensors.
    """
    copied = fx.Graph()
    memo: dict[fx.Node, fx.Node] = {}
    returned = copied.graph_copy(program.graph, memo)
    graph = Graph()
    placeholders = [node for node in copied.nodes if node.op == "placeholder"]
    for spec, node in zip(program.graph_signature.input_specs, placeholders, strict=True):
        _classify(program, graph, spec, node)
    results = returned if isinstance(returned, tuple | list) else (returned,)
    for place, (spec, node) in enumerate(zip(program.graph_signature.output_specs, results, strict=True)):
        if spec.kind == OutputKind.BUFFER_MUTATION:
            raise InputError(
                f"the model changes its buffer '{spec.target}' when called; only functions of the inputs are "
                "compiled",
                accepted="a model in inference mode whose state is an input and an output",
            )
        if spec.kind == OutputKind.USER_OUTPUT and isinstance(node, fx.Node):
            graph.outputs.append((place, node))
    copied.output(tuple(node for _, node in graph.outputs))
    for node in reversed(list(copied.nodes)):
        if node.op == "call_function" and op_name(node).startswith(_CHECKS) and not node.users:
            copied.erase_node(node)
    copied.eliminate_dead_code()
    fold(copied, graph)
    end = next(node for node in copied.nodes if node.op == "output")
    graph.outputs = [(place, node) for (place, _), node in zip(graph.outputs, end.args[0], strict=True)]  # pyright: ignore
    copied.eliminate_dead_code()
    graph.nodes = [node for node in copied.nodes if node.op == "call_function"]
    return graph


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
