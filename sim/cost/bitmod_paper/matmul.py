"""One matrix product as the model sees it: what the array holds, what streams through, how often it runs."""

from __future__ import annotations

from dataclasses import dataclass

from ....ir.errors import InputError


@dataclass(frozen=True)
class Matmul:
    """``out[z, t, n] = sum[d] x[z, t, d] · w[z, n, d]``.

    Attributes:
        name: for people.
        tokens: T, rows of the activations, for each of the batch.
        channels: N, output channels: rows of the array.
        inputs: D, what is reduced.
        attention: the operand held is K or V, not a weight.
        batch: Z, products with operands of their own (key-value heads).
        count: times all of this runs.
        streamed: activations a token brings in; D where None.
    """

    name: str
    tokens: int
    channels: int
    inputs: int
    attention: bool = False
    batch: int = 1
    count: int = 1
    streamed: int | None = None

    def __post_init__(self) -> None:
        sizes = (self.tokens, self.channels, self.inputs, self.batch, self.count)
        if min(sizes) < 0 or (self.streamed or 0) < 0:
            raise InputError(f"a matrix product of sizes {sizes}", where=self.name, accepted="0 or more")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all runs."""
        return self.tokens * self.channels * self.inputs * self.batch * self.count
