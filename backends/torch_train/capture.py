"""What plain autograd calls for one block, forward and backward, traced without allocating anything.

Between both lie the *skeletal* tensors, which the forward makes and the backward reads (MEMO, SIGMOD 2025,
arXiv 2407.12117, section 3.2). They are read off the trace, so that any block of the operators in `rows.py`
around one attention is taken, GPT's and Llama's among them.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses import FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from ...ir.errors import InputError, PenstockError
from .program import Ref, Step, Value, refs

_aten = torch.ops.aten

ATTENTION = (
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
)
"""Attention that keeps no scores: its result and log-sum-exp are all that its backward needs."""

_RANDOM = ("dropout", "bernoulli", "rand", "normal_", "uniform", "exponential", "multinomial")


@dataclass(frozen=True)
class Arguments:
    """What a block is called with besides its input.

    Attributes:
        tensors: in order, taken out of nested lists, tuples and dictionaries.
        leaves: everything, with `Arguments.TENSOR` in the tensors' places.
        form: how the leaves are nested.
    """

    TENSOR = "a tensor"

    tensors: tuple[Tensor, ...]
    leaves: tuple[Any, ...]
    form: pytree.TreeSpec

    @staticmethod
    def of(extras: Sequence[Any], keywords: Mapping[str, Any]) -> Arguments:
        """Arguments taken apart."""
        leaves, form = pytree.tree_flatten((tuple(extras), dict(keywords)))
        tensors = tuple(each for each in leaves if isinstance(each, Tensor))
        return Arguments(
            tensors, tuple(Arguments.TENSOR if isinstance(e, Tensor) else e for e in leaves), form
        )

    def filled(self, tensors: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments again, with these tensors."""
        queue = iter(tensors)
        leaves = [next(queue) if each is Arguments.TENSOR else each for each in self.leaves]
        return pytree.tree_unflatten(leaves, self.form)


@dataclass(frozen=True)
class Trace:
    """One block's calls on inputs of one form.

    Attributes:
        values: every tensor, by number; None for results that are no tensors.
        forward, backward: calls before and after the block's output is there.
        x, dy: the block's input and its output's gradient.
        extras: further tensor arguments of the block, in order.
        params: parameters and buffers, by name.
        y: the output.
        dx: gradient of the input.
        dparams: gradients of the parameters that want one, by name; None where none reaches it.
        attention: place of attention among the forward's steps.
    """

    values: tuple[Value | None, ...]
    forward: tuple[Step, ...]
    backward: tuple[Step, ...]
    x: int
    dy: int
    extras: tuple[int, ...]
    params: Mapping[str, int]
    y: int
    dx: int
    dparams: Mapping[str, int | None]
    attention: int

    def value(self, number: int) -> Value:
        """A value that is a tensor."""
        found = self.values[number]
        assert found is not None, number
        return found


def trace(block: nn.Module, x: Tensor, arguments: Arguments, tokens: int, where: str) -> Trace:
    """Trace a block's forward and backward.

    Args:
        block: in training mode or not, as it will be called.
        x: its first argument, ``[batch, …, width]``; only its form is looked at.
        arguments: the others; tensors' tokens are along the axis `token_axis` finds.
        tokens: how many of the input's tokens are traced, the first ones.
        where: the block's name, for errors.

    Raises:
        InputError: the block does what cannot be traced, is random, changes its arguments, or has not one
            attention that keeps no scores.
    """
    params = {**dict(block.named_parameters()), **dict(block.named_buffers())}
    wanted = [name for name, param in params.items() if param.requires_grad]

    def joint(x: Tensor, extras: list[Tensor], given: list[Tensor], dy: Tensor) -> Any:
        inside = dict(zip(params, given, strict=True))
        others, named = arguments.filled(extras)
        y = functional_call(block, inside, (x, *others), named)
        _check_output(y, x, where)
        boundary = dy.clone()  # what is traced from here on is the backward
        sources = [x, *(inside[name] for name in wanted)]
        return boundary, y, *torch.autograd.grad(y, sources, boundary, allow_unused=True)

    def cut(shape: Sequence[int]) -> list[int]:
        axis = token_axis(shape, x.shape[1])
        return [tokens if at == axis else size for at, size in enumerate(shape)]

    with FakeTensorMode():
        fake_x = torch.empty((x.shape[0], tokens, *x.shape[2:]), dtype=x.dtype, device=x.device)
        extras = [torch.empty(cut(e.shape), dtype=e.dtype, device=e.device) for e in arguments.tensors]
        given = [_like(param) for param in params.values()]
        dy = torch.empty_like(fake_x)
        try:
            graph = make_fx(joint)(fake_x.requires_grad_(), extras, given, dy).graph
        except PenstockError:
            raise
        except Exception as error:  # the block is the user's, and may fail in any way of its own
            said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise InputError(
                f"cannot be traced, {said}",
                where=where,
                accepted="a block whose shapes depend on no values: no mixture of experts, no cache",
            ) from error
    return _Reader(graph, len(extras), tuple(params), wanted).trace(where)


def token_axis(shape: Sequence[int], tokens: int) -> int | None:
    """The axis of a block's argument that tokens lie along, the first as long as the sequence; or None."""
    return next((axis for axis, size in enumerate(shape) if size == tokens), None)


def _like(param: Tensor) -> Tensor:
    made = torch.empty_strided(param.shape, param.stride(), dtype=param.dtype, device=param.device)
    return made.requires_grad_(param.requires_grad)


def _check_output(y: Any, x: Tensor, where: str) -> None:
    if isinstance(y, Tensor) and y.shape == x.shape and y.dtype == x.dtype:
        return
    found = f"a tensor {list(y.shape)} of {y.dtype}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
    raise InputError(
        f"the block gives {found}",
        where=where,
        accepted=f"one tensor like its input: {list(x.shape)}, {x.dtype}",
    )


class _Reader:
    """Makes a `Trace` of a graph."""

    def __init__(self, graph: fx.Graph, extras: int, params: tuple[str, ...], wanted: list[str]) -> None:
        self.nodes = [node for node in graph.nodes if node.op != "output"]
        self.output = next(node for node in graph.nodes if node.op == "output")
        self.extras, self.params, self.wanted = extras, params, wanted
        self.values: list[Value | None] = []
        self.numbers: dict[fx.Node, int] = {}
        self.storages: dict[int, int] = {}
        self.steps: list[Step] = []

    def trace(self, where: str) -> Trace:
        boundary, y, *gradients = self.output.args[0]  # pyright: ignore[reportGeneralTypeIssues]
        places = [node for node in self.nodes if node.op == "placeholder"]
        for node in places:
            self._number(node, node.meta["val"])
        dy = self.numbers[places[-1]]
        split = None
        for node in self.nodes:
            if node is boundary:
                split = len(self.steps)
                self.numbers[node] = dy
            elif node.op == "call_function" and node.target is not operator.getitem:
                self._step(node)
        assert split is not None
        numbers = [self.numbers[node] for node in places]
        found = [None if node is None else self.numbers[node] for node in gradients]
        assert found[0] is not None
        forward = tuple(self.steps[:split])
        return Trace(
            values=tuple(self.values),
            forward=forward,
            backward=tuple(self.steps[split:]),
            x=numbers[0],
            dy=dy,
            extras=tuple(numbers[1 : 1 + self.extras]),
            params=dict(zip(self.params, numbers[1 + self.extras : -1], strict=True)),
            y=self.numbers[y],
            dx=found[0],
            dparams=dict(zip(self.wanted, found[1:], strict=True)),
            attention=_attention(forward, where),
        )

    def _number(self, node: fx.Node, made: Any, name: str = "") -> int:
        self.numbers[node] = number = len(self.values)
        self.values.append(self._value(name or node.name, made))
        return number

    def _value(self, name: str, made: Any) -> Value | None:
        if not isinstance(made, Tensor):
            return None
        storage = self.storages.setdefault(made.untyped_storage()._cdata, len(self.storages))
        shape, stride = tuple(made.shape), tuple(made.stride())
        return Value(name, shape, stride, int(made.storage_offset()), made.dtype, storage)

    def _step(self, node: fx.Node) -> None:
        made = node.meta["val"]
        several = isinstance(made, (tuple, list))
        results: list[int | None]
        if several:
            results = [None] * len(made)
            for user in node.users:
                if user.target is operator.getitem:
                    place = user.args[1]
                    results[place] = self._number(user, made[place], f"{node.name}.{place}")  # pyright: ignore
        else:
            results = [self._number(node, made)]
        arguments = tuple(self._argument(each) for each in node.args)
        keywords = {name: self._argument(each) for name, each in node.kwargs.items()}
        reads = tuple(dict.fromkeys(refs([*arguments, *keywords.values()])))
        self.steps.append(Step(node.target, arguments, keywords, tuple(results), several, reads))  # pyright: ignore

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, fx.Node):
            return Ref(self.numbers[argument])
        if isinstance(argument, (list, tuple)):
            return [self._argument(each) for each in argument]
        return argument


def _attention(forward: Sequence[Step], where: str) -> int:
    """The place of the only attention; what cannot be recomputed by rows is said here, all at once."""
    names = {step.op.name().removeprefix("aten::") for step in forward}
    random = sorted(name for name in names if any(word in name for word in _RANDOM))
    changing = sorted(step.op.name() for step in forward if step.op._schema.is_mutable)
    if random:
        raise InputError(
            f"is random ({', '.join(random)}), so no rows of it can be recomputed",
            where=where,
            accepted="dropout of probability 0",
        )
    if changing:
        raise InputError(
            f"changes tensors in place ({', '.join(changing)})",
            where=where,
            accepted="a block without a cache",
        )
    found = [at for at, step in enumerate(forward) if step.op in ATTENTION]
    if len(found) != 1:
        raise InputError(
            f"has {len(found)} attentions that keep no scores",
            where=where,
            accepted="one F.scaled_dot_product_attention, causal or not, without a mask that wants one",
        )
    if _dropped(forward[found[0]]):
        raise InputError("attention drops out", where=where, accepted="dropout of probability 0")
    return found[0]


def _dropped(attention: Step) -> float:
    """The probability that attention drops a score."""
    for place, argument in enumerate(attention.op._schema.arguments):
        if argument.name == "dropout_p":
            at = attention.arguments
            return float(at[place] if place < len(at) else attention.keywords.get("dropout_p", 0.0))
    return 0.0
