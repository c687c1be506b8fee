"""Random cascades of views, copies, pointwise work, sums, products and softmaxes keep their values."""

from __future__ import annotations

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.ir.cascade import EINSUM, FUSED
from penstock.ir.mlir import func
from penstock.ir.module import print_module

from .modules import assert_same_values, module_text, run_passes

Shape = tuple[int, ...]
RANKS = "abcdefgh"
UNARY = ("exp", "neg", "tanh", "square", "id")
BINARY = ("add", "sub", "mul", "max")


class Writer:
    """Draws one operation after the other and writes it as text."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.values: list[tuple[str, Shape]] = [
            ("x", (2, 3, 4)),
            ("y", (2, 3, 4)),
            ("z", (3, 4)),
            ("w", (6, 4)),
        ]

    def add(self, line: str, shape: Shape) -> None:
        name = f"v{len(self.lines)}"
        self.lines.append(f"%{name} = {line}")
        self.values.append((name, shape))

    def einsum(self, body: str, indices: str, sources: list[tuple[str, Shape]], shape: Shape) -> None:
        name = f"T{len(self.lines)}"
        operands = ", ".join(f"%{source}" for source, _ in sources)
        types = ", ".join(kind(each) for _, each in sources)
        text = f'"cascade.einsum"({operands}) {{expr = "{name}[{indices}] = {body}"}}'
        self.add(f"{text} : ({types}) -> {kind(shape)}", shape)

    def pick(self) -> tuple[str, Shape]:
        return self.draw(st.sampled_from(self.values))

    def unary(self) -> None:
        source = self.pick()
        ranks = ",".join(RANKS[: len(source[1])])
        operator = self.draw(st.sampled_from(UNARY))
        scaled = f"tanh(X[{ranks}])" if operator in ("exp", "square") else None
        if scaled:
            self.einsum(scaled, ranks, [source], source[1])
            source = self.values[-1]
        body = f"X[{ranks}]" if operator == "id" else f"{operator}(X[{ranks}])"
        self.einsum(body, ranks, [source], source[1])

    def binary(self) -> None:
        left = self.pick()
        ranks = RANKS[: len(left[1])]
        right, index = self.draw(st.sampled_from(self.broadcasts(left[1])))
        operator = self.draw(st.sampled_from(BINARY))
        self.einsum(
            f"{operator}(X[{','.join(ranks)}], Y[{','.join(index)}])", ",".join(ranks), [left, right], left[1]
        )

    def broadcasts(self, shape: Shape) -> list[tuple[tuple[str, Shape], list[str]]]:
        found = []
        for name, other in self.values:
            tail = shape[len(shape) - len(other) :] if len(other) <= len(shape) else None
            if tail is not None and all(n in (1, m) for n, m in zip(other, tail, strict=True)):
                ranks = RANKS[len(shape) - len(other) : len(shape)]
                index = ["0" if n == 1 and m != 1 else r for n, m, r in zip(other, tail, ranks, strict=True)]
                found.append(((name, other), index))
        return found

    def transpose(self) -> None:
        source = self.pick()
        order = self.draw(st.permutations(range(len(source[1]))))
        ranks = RANKS[: len(order)]
        out = [ranks[dim] for dim in order]
        shape = tuple(source[1][dim] for dim in order)
        self.einsum(f"X[{','.join(ranks)}]", ",".join(out), [source], shape)

    def reduce(self) -> None:
        source = self.pick()
        if not source[1]:
            return
        dim = self.draw(st.integers(0, len(source[1]) - 1))
        ranks = RANKS[: len(source[1])]
        operator = self.draw(st.sampled_from(["sum", "max"]))
        kept = [rank for rank in ranks if rank != ranks[dim]]
        shape = tuple(n for place, n in enumerate(source[1]) if place != dim)
        self.einsum(f"{operator}[{ranks[dim]}] X[{','.join(ranks)}]", ",".join(kept), [source], shape)

    def product(self) -> None:
        left = self.pick()
        pairs = [each for each in self.values if len(each[1]) == 2 and left[1] and each[1][1] == left[1][-1]]
        if not pairs:
            return
        right = self.draw(st.sampled_from(pairs))
        ranks = RANKS[: len(left[1])]
        out = [*ranks[:-1], "n"]
        body = f"sum[{ranks[-1]}] mul(X[{','.join(ranks)}], W[n,{ranks[-1]}])"
        self.einsum(body, ",".join(out), [left, right], (*left[1][:-1], right[1][0]))

    def softmax(self) -> None:
        source = self.pick()
        if len(source[1]) < 2:
            return
        ranks = ",".join(RANKS[: len(source[1])])
        rank, rows = RANKS[len(source[1]) - 1], ",".join(RANKS[: len(source[1]) - 1])
        self.einsum(f"max[{rank}] X[{ranks}]", rows, [source], source[1][:-1])
        peak = self.values[-1]
        self.einsum(f"exp_sub(X[{ranks}], G[{rows}])", ranks, [source, peak], source[1])
        numerator = self.values[-1]
        self.einsum(f"sum[{rank}] X[{ranks}]", rows, [numerator], source[1][:-1])
        self.einsum(f"div(X[{ranks}], D[{rows}])", ranks, [numerator, self.values[-1]], source[1])
        if self.draw(st.booleans()):
            self.product()

    def split(self) -> None:
        source = self.pick()
        options = [(dim, n) for dim, n in enumerate(source[1]) if n in (4, 6)]
        if not options:
            return
        dim, size = self.draw(st.sampled_from(options))
        shape = (*source[1][:dim], size // 2, 2, *source[1][dim + 1 :])
        groups = [[place + (place > dim)] for place in range(len(source[1]))]
        groups[dim] = [dim, dim + 1]
        sizes = ", ".join(map(str, shape))
        text = f"tensor.expand_shape %{source[0]} {groups} output_shape [{sizes}]"
        self.add(f"{text} : {kind(source[1])} into {kind(shape)}", shape)

    def merge(self) -> None:
        source = self.pick()
        if len(source[1]) < 2:
            return
        dim = self.draw(st.integers(0, len(source[1]) - 2))
        shape = (*source[1][:dim], source[1][dim] * source[1][dim + 1], *source[1][dim + 2 :])
        groups = [[place + (place > dim)] for place in range(len(shape))]
        groups[dim] = [dim, dim + 1]
        self.add(f"tensor.collapse_shape %{source[0]} {groups} : {kind(source[1])} into {kind(shape)}", shape)


def kind(shape: Shape) -> str:
    return f"tensor<{'x'.join(map(str, (*shape, 'f64')))}>"


@st.composite
def modules(draw: st.DrawFn) -> str:
    writer = Writer(draw)
    steps = [
        "unary",
        "binary",
        "binary",
        "transpose",
        "reduce",
        "product",
        "product",
        "softmax",
        "split",
        "merge",
    ]
    for _ in range(draw(st.integers(2, 9))):
        getattr(writer, draw(st.sampled_from(steps)))()
        writer.values = [each for each in writer.values if math.prod(each[1]) <= 500 and len(each[1]) <= 6]
    made = [each for each in writer.values if each[0].startswith("v")] or writer.values
    name, shape = made[-1]
    arguments = ["x: 2x3x4xf64", "y: 2x3x4xf64", "z: 3x4xf64", "w: 6x4xf64"]
    return module_text(arguments, writer.lines, kind(shape), f"%{name}")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(modules())
def test_passes_keep_the_values_of_random_cascades(text: str) -> None:
    assert_same_values(text, "relabel,simplify,fuse{m_tile=3}", tolerance=1e-9)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(modules())
def test_fused_text_reads_back_and_holds_only_groups_views_and_calls(text: str) -> None:
    module = run_passes(text, "relabel,simplify,fuse")
    allowed = {FUSED, "tensor.expand_shape", "tensor.collapse_shape", "func.return", "func.call"}
    for function in module.body.operations:
        assert isinstance(function, func.FuncOp)
        found = {op.operation.name for op in function.body.blocks[0].operations}
        assert found <= allowed, print_module(module)
        assert EINSUM not in found
