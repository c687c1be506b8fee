"""Activation functions of neural networks."""

from __future__ import annotations

from ..body import Body, NoForm
from ..tensor import Tensor, size_of
from .formula import evaluate
from .pointwise import register
from .table import form

FORMULAS: dict[str, tuple[str, str]] = {
    "aten.relu": ("self", "relu(self)"),
    "aten.relu6": ("self", "min(relu(self), 6)"),
    "aten.silu": ("self", "silu(self)"),
    "aten.mish": ("self", "self * tanh(softplus(self))"),
    "aten.leaky_relu.default": ("self negative_slope", "leaky_relu(self, negative_slope)"),
    "aten.log_sigmoid": ("self", "-softplus(-self)"),
    "aten.hardswish": ("self", "self * min(max(self + 3, 0), 6) / 6"),
    "aten.hardsigmoid": ("self", "min(max(self + 3, 0), 6) / 6"),
    "aten.hardshrink": ("self lambd", "where(abs(self) <= lambd, 0, self)"),
    "aten.softshrink": (
        "self lambd", "where(abs(self) <= lambd, 0, where(self > 0, self - lambd, self + lambd))"
    ),
    "aten.threshold.default": ("self threshold value", "where(self <= threshold, value, self)"),
    "aten.elu.default": (
        "self alpha scale input_scale",
        "where(self > 0, scale * self, (alpha * scale) * expm1(input_scale * min(self, 0)))",
    ),
    "aten.celu.default": ("self alpha", "where(self > 0, self, alpha * expm1(min(self, 0) / alpha))"),
    "aten.selu.default": (
        "self",
        "where(self > 0, 1.0507009873554805 * self, 1.7580993408473766 * expm1(min(self, 0)))",
    ),
}  # fmt: skip

register(FORMULAS, __name__)


@form("aten.gelu.default")
def gelu(body: Body, x: Tensor, *, approximate: str = "none") -> Tensor:
    """x·Φ(x), exact or by tanh."""
    return evaluate(body, {"none": "gelu(self)", "tanh": "gelu_tanh(self)"}[approximate], {"self": x})


@form("aten.softplus.default")
def softplus(body: Body, x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(βx)) / β; the identity beyond the threshold."""
    text = "softplus(self)" if beta == 1 else "softplus(self * beta) / beta"
    text = f"where(self * beta > threshold, self, {text})"
    return evaluate(body, text, {"self": x, "beta": beta, "threshold": threshold})


@form("aten.prelu.default", "aten._prelu_kernel.default")
def prelu(body: Body, x: Tensor, slope: Tensor) -> Tensor:
    """Leaky ReLU with a learned slope per channel."""
    if size_of(slope.shape) > 1 and len(slope.shape) == 1:
        slope = body.reshape(slope, (slope.shape[0], *[1] * (len(x.shape) - 2)))
    return evaluate(body, "where(self > 0, self, slope * self)", {"self": x, "slope": slope})


@form("aten.rrelu.default")
def rrelu(
    body: Body,
    x: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: object = None,
) -> Tensor:
    """Leaky ReLU with the mean slope, as in inference."""
    if training:
        raise NoForm("random slopes")
    return evaluate(body, "leaky_relu(self, slope)", {"self": x, "slope": (lower + upper) / 2})


@form("aten.dropout.default", "aten.feature_dropout.default", "aten.alpha_dropout.default")
def dropout(body: Body, x: Tensor, probability: float, train: bool) -> Tensor:
    """Nothing, in inference."""
    if train and probability:
        raise NoForm("random: dropout in training mode")
    return x


@form("aten.native_dropout.default")
def native_dropout(body: Body, x: Tensor, probability: float, train: bool | None) -> tuple[Tensor, ...]:
    """Nothing, in inference; the mask of what was kept is all true."""
    if train and probability:
        raise NoForm("random: dropout in training mode")
    import torch

    from ..tensor import literal

    return x, literal(True, torch.bool, x.shape)
