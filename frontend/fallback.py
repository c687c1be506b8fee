"""Ops without a form of ours: PyTorch's own decomposition into ops that have one, or torch-mlir's linalg."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import _decomp, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from ..ir.mlir import ir
from . import upstream
from .body import Body, NoForm
from .einsums import lookup
from .tensor import Tensor, camel, element
from .upstream import tensor_text

if TYPE_CHECKING:
    from torch._ops import OpOverload

_FAILURES = (
    RuntimeError,
    TypeError,
    ValueError,
    NotImplementedError,
    AssertionError,
    KeyError,
    AttributeError,
)

# Dialects an upstream function may hold; torch-mlir's own tm_tensor, for one, has no lowering here.
_DIALECTS = frozenset(("arith", "cf", "func", "linalg", "math", "scf", "tensor", "builtin"))


RANDOM = "its result is random"

# Decompositions of this PyTorch that give other numbers than its own kernels.
_MISTAKEN = {
    "aten.multilabel_margin_loss.default": "PyTorch's decomposition counts targets after the first -1"
}


def reason_against(target: OpOverload) -> str | None:
    """Why no compiler of static functions can take an op; None if one may."""
    if str(target) in _MISTAKEN:
        return _MISTAKEN[str(target)]
    if torch.Tag.nondeterministic_seeded in target.tags:
        return RANDOM
    if torch.Tag.dynamic_output_shape in target.tags or torch.Tag.data_dependent_output in target.tags:
        return "the shape of its result depends on data"
    if target.namespace not in ("aten", "prims", "torchvision", "quantized_decomposed"):
        return f"a custom operator of '{target.namespace}'"
    return None


def closed(
    target: OpOverload, args: Sequence[object], kwargs: dict[str, object]
) -> tuple[Callable[..., object], list[Tensor]]:
    """The op as a function of its tensors alone, and those tensors in order."""
    tensors: list[Tensor] = []

    def collect(value: object) -> object:
        if isinstance(value, Tensor):
            tensors.append(value)
            return _Hole(len(tensors) - 1)
        if isinstance(value, list | tuple):
            return [collect(each) for each in value]
        return value

    holes = [collect(value) for value in args]
    named = {key: collect(value) for key, value in kwargs.items()}

    def function(*given: object) -> object:
        return target(
            *[_filled(value, given) for value in holes],
            **{key: _filled(value, given) for key, value in named.items()},
        )

    return function, tensors


class _Hole:
    """The place of a tensor among the arguments."""

    def __init__(self, place: int) -> None:
        self.place = place


def _filled(value: object, given: Sequence[object]) -> object:
    if isinstance(value, _Hole):
        return given[value.place]
    return [_filled(each, given) for each in value] if isinstance(value, list) else value


def decompose(
    target: OpOverload, args: Sequence[object], kwargs: dict[str, object]
) -> tuple[fx.GraphModule, list[Tensor]] | None:
    """The op as a graph of ops that all have forms, and the tensors it takes; None if PyTorch has none."""
    function, tensors = closed(target, args, kwargs)
    table = {op: rule for op, rule in _decomp.decomposition_table.items() if _wanted(op)}
    for device in ("cpu", "meta"):  # some rules choose a CPU library's fused op, which the other avoids
        try:
            with FakeTensorMode(), torch.no_grad():
                examples = [
                    torch.empty(tensor.shape, dtype=tensor.dtype, device=device) for tensor in tensors
                ]
                traced = make_fx(function, decomposition_table=table)(*examples)
                if any(_in_place(node.target) for node in traced.graph.nodes):
                    traced = make_fx(functionalize(traced), decomposition_table=table)(*examples)
        except _FAILURES:
            continue
        traced.graph.eliminate_dead_code()
        if all(_has_form(node) for node in traced.graph.nodes):
            return traced, tensors
    return None


def _in_place(target: object) -> bool:
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _wanted(op: object) -> bool:
    """Whether a rule is followed: not for ops with a form, nor for updates in place (undone first)."""
    return lookup(str(op)) is None and not _in_place(op)


def _has_form(node: fx.Node) -> bool:
    if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
        return lookup(str(node.target)) is not None
    return node.op != "get_attr"


class _One(nn.Module):
    """A module that is one op."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: torch.Tensor) -> object:
        """The op."""
        return self.function(*tensors)


def by_torch_mlir(
    body: Body,
    target: OpOverload,
    args: Sequence[object],
    kwargs: dict[str, object],
    results: Sequence[Tensor],
) -> list[Tensor]:
    """Call the op as torch-mlir lowers it to linalg on tensors.

    Raises:
        NoForm: torch-mlir cannot, or only with dialects of its own.
    """
    if str(target).startswith(_SCATTERS):
        raise NoForm("torch-mlir lowers it only to 'tm_tensor'")
    function, tensors = closed(target, args, kwargs)
    key = (str(target), repr([_type(value) for value in (*args, *kwargs.items())]))
    text = body.library.lowered.get(key)
    if text is None:
        text = body.library.lowered[key] = _attempt(function, tensors, results)
    if text.startswith(_REFUSED):
        raise NoForm(text.removeprefix(_REFUSED))
    hint = re.sub(r"\W+", "_", target._schema.name.partition("::")[2])
    symbol = body.library.symbol(hint, text)
    named = [Tensor(result.shape, result.dtype, name=camel(body.node)) for result in results]
    return upstream.call(body, symbol, tensors, named)


_REFUSED = "refused: "

_SCATTERS = ("aten.scatter", "aten.index_put")
"""What torch-mlir lowers to its own dialect at best, and with some arguments ends the process over."""


def _type(value: object) -> object:
    """An argument up to the values of its tensors."""
    if isinstance(value, Tensor):
        return (value.shape, value.dtype)
    return [_type(each) for each in value] if isinstance(value, list | tuple) else value


def _attempt(function: Callable[..., object], tensors: Sequence[Tensor], results: Sequence[Tensor]) -> str:
    """What `_lowered` gives, or why it gives nothing."""
    try:
        return _lowered(function, tensors, results)
    except NoForm as why:
        return f"{_REFUSED}{why}"


def _lowered(function: Callable[..., object], tensors: Sequence[Tensor], results: Sequence[Tensor]) -> str:
    from torch_mlir import fx as importer
    from torch_mlir.compiler_utils import TorchMlirCompilerError

    examples = tuple(torch.ones(tensor.shape, dtype=tensor.dtype) for tensor in tensors)
    try:
        with _silence(), torch.no_grad():
            program = torch.export.export(_One(function), examples, strict=False)
            module = importer.export_and_import(
                program, output_type="linalg-on-tensors", func_name="FUNCTION"
            )
            text = str(module)
    except (*_FAILURES, TorchMlirCompilerError) as error:
        raise NoForm("torch-mlir cannot lower it") from error
    used = set(re.findall(r"^\s*(?:%[\w:, %]+ = )?\"?([a-z_]+)\.[a-z_]", text, re.MULTILINE))
    foreign = sorted(used - _DIALECTS)
    if "dense_resource" in text:  # their values stay behind in the text's own context
        raise NoForm("torch-mlir lowers it with tables of constants")
    if foreign or "?" in text:
        what = f"'{foreign[0]}'" if foreign else "shapes that depend on data"
        raise NoForm(f"torch-mlir lowers it only to {what}")
    return _inlined(text, [tensor_text(result.shape, element(result.dtype)) for result in results])


def _inlined(text: str, results: Sequence[str]) -> str:
    """The module's function alone, re-printed: attribute aliases are valid only inside their own text."""
    with ir.Context() as fresh:
        fresh.allow_unregistered_dialects = True
        parsed = ir.Module.parse(text)
        functions = [op.operation for op in parsed.body.operations]
        if len(functions) != 1:
            raise NoForm("torch-mlir lowers it to several functions")
        made = ir.FunctionType(ir.TypeAttr(functions[0].attributes["function_type"]).value).results
        if [str(each) for each in made] != list(results):
            raise NoForm("torch-mlir lowers it to results of other shapes")
        return functions[0].get_asm(print_generic_op_form=True)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep MLIR's diagnostics of failed conversions off the terminal: the cause is reported by us."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as sink, warnings.catch_warnings():
            os.dup2(sink.fileno(), 2)
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
