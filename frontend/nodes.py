"""FX nodes read: names, source lines, arguments; and the graph of one program as it is raised."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import fx

from .tensor import Number

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in')
_TORCH = str(Path(str(torch.__file__)).parent)


# Rows put at a list of coordinates of one dimension, the rest of the tensor left as it is.
PUTS = ("aten.index_copy.default", "aten.index_put.default")


@dataclass(frozen=True)
class Param:
    """A parameter, buffer or constant: its name in the weights and its value."""

    name: str
    value: torch.Tensor


@dataclass
class Graph:
    """A program's nodes.

    Attributes:
        nodes: calls that matter, in order.
        inputs: placeholders of what the caller brings.
        params: placeholder → what the model brings.
        literals: placeholder → number, for constants without dimensions.
        outputs: nodes returned, with the place each had among the program's outputs.
        states: placeholder of a tensor the model updates when called → its name.
        updates: state's placeholder → the node that is its value afterwards.
        limits: placeholder of an input of coordinates → the least extent, of a state or of a table whose rows
            are looked up, that it is a coordinate in.
    """

    nodes: list[fx.Node] = field(default_factory=list)
    inputs: list[fx.Node] = field(default_factory=list)
    params: dict[fx.Node, Param] = field(default_factory=dict)
    literals: dict[fx.Node, Number] = field(default_factory=dict)
    outputs: list[tuple[int, fx.Node]] = field(default_factory=list)
    states: dict[fx.Node, str] = field(default_factory=dict)
    updates: dict[fx.Node, fx.Node] = field(default_factory=dict)
    limits: dict[fx.Node, int] = field(default_factory=dict)


def op_name(node: fx.Node) -> str:
    """``aten.add.Tensor``; ``getitem`` for the choice of one of several results."""
    return "getitem" if node.target is operator.getitem else str(node.target)


def coordinates(node: fx.Node) -> list[fx.Node]:
    """The index nodes of one of `PUTS`."""
    given = node.args[2] if op_name(node) == PUTS[0] else node.args[1]
    every = given if isinstance(given, list | tuple) else [given]
    return [each for each in every if isinstance(each, fx.Node)]


def dimension(node: fx.Node) -> int:
    """The dimension one of `PUTS` writes along."""
    if op_name(node) == PUTS[0]:
        return int(node.args[1]) % len(node.meta["val"].shape)  # pyright: ignore
    assert isinstance(node.args[1], list | tuple)
    return next(dim for dim, each in enumerate(node.args[1]) if each is not None)


def node_name(node: fx.Node) -> str:
    """Name of the FX node whose value this node computes; empty for a step inside it."""
    return node.meta.get("penstock.node", node.name)


def source_line(node: fx.Node) -> tuple[str, int] | None:
    """File and line of the call in the model's own code, PyTorch's frames passed over."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    if not frames:
        return None
    own = [frame for frame in frames if not frame[0].startswith(_TORCH)] or frames
    return own[-1][0], int(own[-1][1])


def tensor_nodes(node: fx.Node) -> list[fx.Node]:
    """The nodes a node reads, in order, repeats included."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), lambda each: found.append(each) or each)
    return found


def is_static(node: fx.Node) -> bool:
    """Whether every result is a tensor of known shape."""
    value = node.meta.get("val")
    values = value if isinstance(value, tuple | list) else (value,)
    return all(
        isinstance(each, torch.Tensor) and all(isinstance(extent, int) for extent in each.shape)
        for each in values
        if each is not None
    )


def resolved(argument: object, value: Callable[[fx.Node], object]) -> object:
    """An argument with nodes replaced by their values; sequences become lists."""
    if isinstance(argument, fx.Node):
        return value(argument)
    if isinstance(argument, list | tuple):
        return [resolved(each, value) for each in argument]
    return argument


def bound_arguments(
    target: torch._ops.OpOverload, args: Sequence[object], kwargs: dict[str, object]
) -> tuple[list[object], dict[str, object]]:
    """Positional arguments filled up with the schema's defaults; keyword-only ones that say something."""
    positional = list(args)
    named = dict(kwargs)
    listed = [argument for argument in target._schema.arguments if not argument.kwarg_only]
    for argument in listed[len(positional) :]:
        positional.append(named.pop(argument.name, argument.default_value))
    ignored = ("layout", "device", "pin_memory", "memory_format", "non_blocking", "generator", "copy")
    return positional, {
        key: value for key, value in named.items() if key not in ignored and value is not None
    }
