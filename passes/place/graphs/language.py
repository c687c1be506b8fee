"""Language models: BERT over whole sentences, a GPT decoding one token, an LSTM over time steps."""

from __future__ import annotations

from ..problem import Problem
from .builder import Builder


class Transformer(Builder):
    """Operations on ``rows`` tokens of width ``wide``."""

    def __init__(self, rows: int, wide: int) -> None:
        super().__init__()
        self.rows, self.wide = rows, wide

    def dense(
        self, name: str, x: int, inner: int, outer: int, *, add: int | None = None, kind: str = "temp"
    ) -> int:
        """A linear layer, its bias, activation and residual fused."""
        weight = self.param(f"{name}.w", inner * outer + outer)
        inputs = [x, weight] + ([] if add is None else [add])
        flops = 2.0 * self.rows * inner * outer
        return self.op(name, inputs, self.rows * outer, flops=flops, kind=kind)

    def norm(self, name: str, x: int) -> int:
        """A layer normalisation."""
        weight = self.param(f"{name}.w", 2 * self.wide)
        return self.op(name, [x, weight], self.rows * self.wide, vector_ops=8.0 * self.rows * self.wide)


def bert(layers: int = 4, batch: int = 8, length: int = 128, wide: int = 768, heads: int = 12) -> Problem:
    """BERT-base's layers; attention scores are written out, the softmax apart."""
    net = Transformer(batch * length, wide)
    x = net.param("embedded", net.rows * wide)
    scores = batch * heads * length * length
    for layer in range(layers):
        name = f"layer{layer}"
        q, k, v = (net.dense(f"{name}.{each}", x, wide, wide) for each in "qkv")
        products = 2.0 * scores * wide // heads
        s = net.op(f"{name}.scores", [q, k], scores, flops=products)
        p = net.op(f"{name}.softmax", [s], scores, vector_ops=8.0 * scores)
        a = net.op(f"{name}.context", [p, v], net.rows * wide, flops=products)
        x = net.norm(f"{name}.norm1", net.dense(f"{name}.out", a, wide, wide, add=x))
        up = net.dense(f"{name}.up", x, wide, 4 * wide)
        x = net.norm(f"{name}.norm2", net.dense(f"{name}.down", up, 4 * wide, wide, add=x))
    net.dense("pooler", x, wide, wide, kind="result")
    return net.problem("bert")


def gpt_decode(
    layers: int = 12, batch: int = 8, context: int = 512, wide: int = 768, tokens: int = 3
) -> Problem:
    """GPT-2-small decoding a few tokens in a row: weights come back each token, so does the key-value cache.

    The cache is read whole; a token's new keys and values are results beside it.
    """
    net = Transformer(batch, wide)
    weights = {
        (layer, part): net.param(f"layer{layer}.{part}.w", inner * outer)
        for layer in range(layers)
        for part, inner, outer in (
            ("qkv", wide, 3 * wide),
            ("out", wide, wide),
            ("up", wide, 4 * wide),
            ("down", 4 * wide, wide),
        )
    }
    caches = [net.param(f"layer{layer}.cache", 2 * batch * context * wide) for layer in range(layers)]
    for token in range(tokens):
        x = net.param(f"token{token}", batch * wide)
        for layer in range(layers):
            name = f"t{token}.layer{layer}"

            def dense(part: str, y: int, inner: int, outer: int, *more: int, name=name, layer=layer) -> int:
                return net.op(
                    f"{name}.{part}",
                    [y, weights[layer, part], *more],
                    batch * outer,
                    flops=2.0 * batch * inner * outer,
                )

            qkv = dense("qkv", x, wide, 3 * wide)
            net.op(f"{name}.append", [qkv], 2 * batch * wide, kind="result", parts={qkv: 2 / 3})
            attended = net.op(
                f"{name}.attend",
                [qkv, caches[layer]],
                batch * wide,
                vector_ops=4.0 * batch * context * wide,
            )
            x = dense("out", attended, wide, wide, x)
            x = dense("down", dense("up", x, wide, 4 * wide), 4 * wide, wide, x)
        net.op(f"t{token}.final", [x], batch * wide, vector_ops=8.0 * batch * wide, kind="result")
    return net.problem("gpt-decode")


def lstm(steps: int = 48, batch: int = 8, wide: int = 1024) -> Problem:
    """One LSTM layer over time: one shared weight, and a cell state carried in place (an alias class)."""
    net = Transformer(batch, wide)
    weight = net.param("w", 8 * wide * wide)
    h, c = net.param("h0", batch * wide), net.param("c0", batch * wide)
    for step in range(steps):
        x = net.param(f"x{step}", batch * wide)
        gates = net.op(
            f"gates{step}", [x, h, weight], 4 * batch * wide, flops=2.0 * batch * 2 * wide * 4 * wide
        )
        ops = 10.0 * batch * wide
        last = step == steps - 1
        c = net.op(
            f"cell{step}",
            [gates, c],
            batch * wide,
            vector_ops=ops,
            kind="result" if last else "temp",
            alias="cell",
            parts={gates: 0.75},
        )
        h = net.op(
            f"hidden{step}",
            [gates, c],
            batch * wide,
            vector_ops=ops,
            kind="result" if last else "temp",
            parts={gates: 0.25},
        )
    return net.problem("lstm")
