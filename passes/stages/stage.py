"""Stages: what one unit or a few do to a tile, and the tensors between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Activation:
    """A tensor that streams: one matrix for each tile.

    Attributes:
        name: unique.
        rows: of a tile.
        width: of a row.
    """

    name: str
    rows: int
    width: int


@dataclass(frozen=True)
class Linear:
    """``result[t, n] = Σ_d source[t, d] · weight[n, d] + bias[n]``, through GELU or not."""

    kind: ClassVar[str] = "linear"

    source: str
    weight: str
    result: str
    bias: str | None = None
    gelu: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Activations read."""
        return (self.source,)


@dataclass(frozen=True)
class Scores:
    """``result[h, p, m] = scale · Σ_e query[p, h, e] · key[m, h, e]``; a row is ``(h, p)``."""

    kind: ClassVar[str] = "scores"

    query: str
    key: str
    result: str
    heads: int
    scale: float = 1.0

    @property
    def reads(self) -> tuple[str, ...]:
        """Activations read."""
        return (self.query, self.key)


@dataclass(frozen=True)
class Softmax:
    """``result[h, p, :] = softmax(source[h, p, :])``.

    Attributes:
        source, result: activations.
        mask: an input of the part, a value for each key, or None.
        boolean: whether it says which keys are seen; else it is added.
    """

    kind: ClassVar[str] = "softmax"

    source: str
    result: str
    mask: str | None = None
    boolean: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Activations read."""
        return (self.source,)


@dataclass(frozen=True)
class Context:
    """``result[p, h, f] = Σ_m weights[h, p, m] · value[m, h, f]``."""

    kind: ClassVar[str] = "context"

    weights: str
    value: str
    result: str
    heads: int

    @property
    def reads(self) -> tuple[str, ...]:
        """Activations read."""
        return (self.weights, self.value)


@dataclass(frozen=True)
class AddNorm:
    """``result = LayerNorm(source + residual) · weight + bias`` over the width."""

    kind: ClassVar[str] = "add_norm"

    source: str
    residual: str
    result: str
    weight: str
    bias: str
    epsilon: float

    @property
    def reads(self) -> tuple[str, ...]:
        """Activations read."""
        return (self.source, self.residual)


Stage = Linear | Scores | Softmax | Context | AddNorm


@dataclass(frozen=True)
class Stages:
    """A part of a model.

    Attributes:
        activations: by name; the input is the first.
        stages: in order.
        source, result: names of the activations that stream in and out.
        mask: name of the part's input that hides keys, or None.
        tiles: how many tiles the part was written for, its batch.
    """

    activations: Mapping[str, Activation]
    stages: tuple[Stage, ...]
    source: str
    result: str
    mask: str | None
    tiles: int

    def multiplications(self, stage: Stage) -> int:
        """Products of a stage and tile."""
        if isinstance(stage, Linear):
            source, result = self.activations[stage.source], self.activations[stage.result]
            return source.rows * source.width * result.width
        if isinstance(stage, Scores | Context):
            wide = self.activations[stage.key if isinstance(stage, Scores) else stage.value]
            rows = self.activations[stage.query if isinstance(stage, Scores) else stage.result].rows
            return math.prod((rows, wide.rows, wide.width))
        return 0
