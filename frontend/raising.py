"""Turns a prepared graph into functions of a module: entries, shared layers and the ops inside them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import fx

from ..ir.errors import UnsupportedOp, UnsupportedOps
from ..ir.mlir import ir
from ..ir.steps import UPDATES, updated, updates
from . import fallback
from .body import Body, NoForm
from .einsums import lookup
from .functions import Function, add_argument, finish, new_function, remove_unused
from .nodes import Graph, bound_arguments, is_static, node_name, op_name, resolved, source_line
from .results import Value, has_empty, has_none, results_of, stand_in, type_of, why_unknown, within
from .sharing import Instance, Layer, find_layers
from .tensor import Tensor, as_array, camel, known, literal
from .upstream import Library


@dataclass
class _Missing:
    """An op nobody can lower, as it is met."""

    reason: str
    count: int = 0
    sources: list[str] = field(default_factory=list)


class Poisoned(Exception):
    """A value behind an unsupported op whose shape is not known."""


class Raiser:
    """Builds one module from the graphs of its entry points.

    Attributes:
        module: what is built.
        params: name → array, of every parameter some entry uses.
        instances: entry → layer instance → node name in the shared function → the instance's node name.
    """

    def __init__(self, module: ir.Module) -> None:
        self.module = module
        self.library = Library(module)
        self.params: dict[str, np.ndarray] = {}
        self.instances: dict[str, dict[str, dict[str, str]]] = {}
        self._missing: dict[str, _Missing] = {}
        self._updates: dict[str, tuple[int, ...]] = {}  # of each layer's function
        self._open: list[object] = []  # ops being decomposed
        self._arrays: dict[int, tuple[torch.Tensor, np.ndarray]] = {}

    # -- entries ---------------------------------------------------------------------------------------

    def entry(
        self, name: str, graph: Graph, inputs: Sequence[Mapping[str, ir.Attribute]],
        outputs: Sequence[Mapping[str, ir.Attribute]], suffix: str,
    ) -> None:  # fmt: skip
        """Raise one entry point.

        Args:
            name: of the public function.
            graph: its nodes.
            inputs: attributes of each input, then of each state.
            outputs: attributes of each result, then of each state updated.
            suffix: told apart the layer functions of several entries.
        """
        layers = find_layers(graph)
        shared = {layer.name: self._layer(graph, layer, suffix) for layer in layers}
        function = new_function(self.module, name, public=True)
        body = Body(self.library)
        values: dict[fx.Node, Value] = {}
        with ir.InsertionPoint(function.block):
            for node, attributes in zip((*graph.inputs, *graph.states), inputs, strict=True):
                kind = {"penstock.kind": ir.StringAttr.get("state" if node in graph.states else "input")}
                values[node] = self._argument(function, node, {**attributes, **kind}, camel(node.name))
                if node in graph.states:
                    body.states.add(body.value(self._tensor(values[node])))
            self._run(body, graph, layers, shared, values, function, name)
            ends = [*(node for _, node in graph.outputs), *graph.updates.values()]
            results = [self._returned(graph, node, values, function) for node in ends]
            finish(function, [body.value(result) for result in results], outputs)
        remove_unused(function)

    def check(self, where: str | None = None) -> None:
        """Report what could not be lowered, all at once.

        Raises:
            UnsupportedOps: with every op, its count and its source lines.
        """
        if self._missing:
            listed = tuple(
                UnsupportedOp(op, found.count, tuple(dict.fromkeys(found.sources)), found.reason)
                for op, found in self._missing.items()
            )
            raise UnsupportedOps(listed, where=where)

    def _run(
        self, body: Body, graph: Graph, layers: Sequence[Layer], shared: Mapping[str, str],
        values: dict[fx.Node, Value], function: Function, entry: str,
    ) -> None:  # fmt: skip
        starts = {instance.nodes[0]: (layer, instance) for layer in layers for instance in layer.instances}
        inside = {node for _, instance in starts.values() for node in instance.nodes}
        for node in graph.nodes:
            if node in starts:
                layer, instance = starts[node]
                self._call(body, graph, layer, instance, shared[layer.name], values, function)
                names = zip(layer.instances[0].nodes, instance.nodes, strict=True)
                table = {node_name(one): node_name(other) for one, other in names if node_name(one)}
                self.instances.setdefault(entry, {})[instance.label] = table
            elif node not in inside:
                self._node(body, graph, node, values, function)

    # -- layers ----------------------------------------------------------------------------------------

    def _layer(self, graph: Graph, layer: Layer, suffix: str) -> str:
        """The shared function of a layer; its name."""
        instance = layer.instances[0]
        function = new_function(self.module, layer.name + suffix, public=False)
        body = Body(self.library)
        values: dict[fx.Node, Value] = {}
        with ir.InsertionPoint(function.block):
            for node in instance.externals:
                kind = "param" if node in graph.params else "value"
                label = graph.params[node].name if node in graph.params else node.name
                label = label.removeprefix(f"{instance.label}.")
                attributes = {"penstock.name": label, "penstock.kind": kind}
                values[node] = self._argument(function, node, _strings(attributes), _short(label))
                if node in graph.states:
                    body.states.add(body.value(self._tensor(values[node])))
            for node in instance.nodes:
                self._node(body, graph, node, values, function)
            results = [self._tensor(values[instance.nodes[place]]) for place in layer.outputs]
            finish(function, [body.value(result) for result in results], None)
            self._updates[layer.name + suffix] = updates(function.block)
        remove_unused(function)
        return layer.name + suffix

    def _call(
        self, body: Body, graph: Graph, layer: Layer, instance: Instance, symbol: str,
        values: dict[fx.Node, Value], function: Function,
    ) -> None:  # fmt: skip
        operands = [
            body.value(self._tensor(self._read(graph, node, values, function))) for node in instance.externals
        ]
        returned = [instance.nodes[place] for place in layer.outputs]
        types = [ir.Type.parse(type_of(node)) for node in returned]
        attributes: dict[str, ir.Attribute] = {
            "callee": ir.FlatSymbolRefAttr.get(symbol),
            "penstock.instance": ir.StringAttr.get(instance.label),
        }
        if len(returned) == 1 and node_name(returned[0]):
            attributes["penstock.node"] = ir.StringAttr.get(node_name(returned[0]))
        in_place = self._updates[symbol]
        if any(operand >= 0 for operand in in_place):
            attributes[UPDATES] = ir.DenseI64ArrayAttr.get(in_place)
        location = _location(returned[0] if returned else instance.nodes[-1])
        made = ir.Operation.create("func.call", types, operands, attributes, loc=location)
        for node, value in zip(returned, made.results, strict=True):
            like = node.meta["val"]
            values[node] = Tensor(tuple(like.shape), like.dtype, value, name=camel(node.name))
            if updated(value) in body.states:
                body.states.add(value)

    # -- nodes -----------------------------------------------------------------------------------------

    def _argument(
        self, function: Function, node: fx.Node, attributes: Mapping[str, ir.Attribute], name: str
    ) -> Tensor:
        like = node.meta["val"]
        value = add_argument(function, ir.Type.parse(type_of(node)), attributes)
        return Tensor(tuple(like.shape), like.dtype, value, name=name)

    def _read(self, graph: Graph, node: fx.Node, values: dict[fx.Node, Value], function: Function) -> Value:
        if node not in values:
            if node in graph.literals:
                like = node.meta["val"]
                values[node] = literal(graph.literals[node], like.dtype)
            elif node in graph.params:
                values[node] = self._param(graph, node, function)
            else:
                raise Poisoned
        return values[node]

    def _param(self, graph: Graph, node: fx.Node, function: Function) -> Tensor:
        param = graph.params[node]
        kept = self._arrays.get(id(param.value))
        if kept is None:
            kept = (param.value, as_array(param.value))
            self._arrays[id(param.value)] = kept
        name = param.name
        while name in self.params and not _same(self.params[name], kept[1]):
            name += "'"
        self.params[name] = kept[1]
        attributes = _strings({"penstock.name": name, "penstock.kind": "param"})
        return self._argument(function, node, attributes, _short(param.name))

    def _node(
        self, body: Body, graph: Graph, node: fx.Node, values: dict[fx.Node, Value], function: Function
    ) -> None:
        def read(argument: fx.Node) -> Value:
            return self._read(graph, argument, values, function)

        try:
            args = [resolved(each, read) for each in node.args]
            kwargs = {key: resolved(each, read) for key, each in node.kwargs.items()}
            _enter(body, node)
            values[node] = self._applied(body, node, args, kwargs)
            _mark(values[node], node_name(node))
        except Poisoned:
            self._note_if_unknown(node)
        except NoForm as why:
            self._note(node, str(why))
            if is_static(node) and all(known(each.dtype) for each in results_of(node)):
                values[node] = stand_in(node)

    def _applied(self, body: Body, node: fx.Node, args: list[object], kwargs: dict[str, object]) -> Value:
        if node.target is operator.getitem:
            chosen, place = args
            assert isinstance(chosen, Sequence)
            assert isinstance(place, int)
            if place >= len(chosen):
                assert isinstance(node.args[0], fx.Node)
                raise NoForm(f"result {place} of {op_name(node.args[0])} is not computed")
            return chosen[place]  # pyright: ignore[reportReturnType]
        target = node.target
        if not isinstance(target, torch._ops.OpOverload):
            raise NoForm("a control-flow or Python operator inside the graph")
        if not is_static(node):
            raise NoForm(why_unknown(node, target))
        for result in results_of(node):
            if not known(result.dtype):
                raise NoForm(f"its result is of type {str(result.dtype).removeprefix('torch.')}")
        if all(0 in result.shape for result in results_of(node)):
            return stand_in(node)  # it has no elements
        if op_name(node) != "aten.cat.default" and has_empty([args, list(kwargs.values())]):
            raise NoForm("an operand without elements")
        if op_name(node) == "aten.as_strided.default" and not within(node):
            raise NoForm("strides over memory that is not its operand's alone")
        first = results_of(node)[0]
        body.shape, body.dtype = first.shape, first.dtype
        form = lookup(op_name(node))
        if form is not None:
            try:
                positional, named = bound_arguments(target, args, kwargs)
                return form(body, *positional, **named)
            except NoForm as why:
                return self._without_form(body, node, args, kwargs, str(why))
        return self._without_form(body, node, args, kwargs, None)

    def _without_form(
        self, body: Body, node: fx.Node, args: list[object], kwargs: dict[str, object], why: str | None
    ) -> Value:
        target = node.target
        assert isinstance(target, torch._ops.OpOverload)
        against = fallback.reason_against(target)
        if (why or "").startswith("random") or against not in (None, fallback.RANDOM):
            raise NoForm(against or str(why))
        found = None if target in self._open else fallback.decompose(target, args, kwargs)
        if found is not None:
            self._open.append(target)
            try:
                return self._inline(body, *found)
            except NoForm:
                pass  # torch-mlir may still lower the op as a whole
            finally:
                self._open.pop()
        if against is not None:  # some ops, such as recurrent layers, are random only in training
            raise NoForm(against)
        _enter(body, node)
        try:
            made = fallback.by_torch_mlir(body, target, args, kwargs, results_of(node))
        except NoForm as error:
            raise NoForm(f"{why}; {error}" if why else f"no Einsum form, and {error}") from error
        return made[0] if not isinstance(node.meta["val"], tuple | list) else made

    def _inline(self, body: Body, traced: fx.GraphModule, tensors: Sequence[Tensor]) -> Value:
        """Raise a decomposition in place."""
        values: dict[fx.Node, object] = {}
        given = iter(tensors)
        for node in traced.graph.nodes:
            if node.op == "placeholder":
                values[node] = next(given)
                continue
            args = [resolved(each, values.__getitem__) for each in node.args]
            kwargs = {key: resolved(each, values.__getitem__) for key, each in node.kwargs.items()}
            if node.op == "output":
                return args[0]  # pyright: ignore[reportReturnType]
            values[node] = self._applied(body, node, args, kwargs)
        return None

    # -- reports ---------------------------------------------------------------------------------------

    def _note(self, node: fx.Node, reason: str) -> None:
        found = self._missing.setdefault(op_name(node), _Missing(reason))
        found.count += 1
        line = source_line(node)
        if line is not None:
            found.sources.append(f"{line[0].rpartition('/')[2]}:{line[1]}")

    def _note_if_unknown(self, node: fx.Node) -> None:
        """Behind a value of unknown shape only ops that nobody knows at all can be told."""
        target = node.target
        if isinstance(target, torch._ops.OpOverload) and lookup(op_name(node)) is None:
            against = fallback.reason_against(target)
            if against is not None:
                self._note(node, against)

    def _returned(
        self, graph: Graph, node: fx.Node, values: dict[fx.Node, Value], function: Function
    ) -> Tensor:
        if has_none(node.meta["val"]):
            self._note(node, "a result without elements is returned")
        try:
            return self._tensor(self._read(graph, node, values, function))
        except Poisoned:  # reported by `check`
            return literal(0, torch.float32)

    def _tensor(self, value: Value) -> Tensor:
        if not isinstance(value, Tensor):
            raise NoForm("not a tensor")
        return value


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    if not any(one.strides) and not any(other.strides):  # shapes without values
        return one.shape == other.shape and one.dtype == other.dtype
    return one is other or (
        one.shape == other.shape and one.dtype == other.dtype
        and (one.ctypes.data == other.ctypes.data or bool(np.array_equal(one, other)))
    )  # fmt: skip


def _strings(values: Mapping[str, str]) -> dict[str, ir.Attribute]:
    return {key: ir.StringAttr.get(value) for key, value in values.items()}


def _short(name: str) -> str:
    """The end of a parameter's path as a name in Einsums: ``QueryWeight``."""
    plain = name.partition("[")[0].replace(":", ".")
    return camel("_".join(plain.split(".")[-2:]))


def _location(node: fx.Node) -> ir.Location:
    line = source_line(node)
    if line is None:
        return ir.Location.name(node_name(node) or node.name)
    place = ir.Location.file(line[0].rpartition("/")[2], line[1], 0)
    return ir.Location.name(node_name(node) or node.name, place)


def _enter(body: Body, node: fx.Node) -> None:
    body.node = node_name(node) or node.name
    body.location = _location(node)


def _mark(value: Value, name: str) -> None:
    """Write on the op that computes a node's value which node that is."""
    if not isinstance(value, Tensor) or value.value is None or not name:
        return
    owner = value.value.owner
    if not isinstance(owner, ir.Block) and "penstock.node" not in owner.operation.attributes:
        owner.operation.attributes["penstock.node"] = ir.StringAttr.get(name)
