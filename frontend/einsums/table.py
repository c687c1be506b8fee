"""The table from ATen operator to its Einsum form, filled by the modules beside this one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from ..tensor import Tensor

# A form takes the body and the op's arguments in the order of its ATen schema (keyword-only ones by name)
# and gives its results. It raises `body.NoForm` for a use it does not cover.
Form = Callable[..., Tensor | Sequence[Tensor]]
_F = TypeVar("_F", bound=Form)

KINDS = (
    "pointwise",
    "special",
    "activation",
    "creation",
    "contraction",
    "convolution",
    "pooling",
    "reduction",
    "softmax",
    "loss",
    "norm",
    "attention",
    "shape",
    "joining",
    "selection",
    "ordering",
)

_FORMS: dict[str, Form] = {}


def form(*names: str) -> Callable[[_F], _F]:
    """Register a function as the form of ops: ``aten.linear.default``, or ``aten.to`` for all overloads."""

    def register(function: _F) -> _F:
        for name in names:
            _FORMS[name] = function
        return function

    return register


@cache
def _forms() -> dict[str, Form]:
    for kind in KINDS:
        importlib.import_module(f".{kind}", __package__)
    return _FORMS


def lookup(op: str) -> Form | None:
    """The form of an op written ``aten.name.overload``, or None."""
    forms = _forms()
    return forms.get(op) or forms.get(op.rpartition(".")[0])


def covered() -> dict[str, str]:
    """Op, or op family, → kind, in the order of the table."""
    return {name: function.__module__.rpartition(".")[2] for name, function in _forms().items()}
