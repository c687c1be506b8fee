"""Random cascades as text, and how two cascades are held to the same values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from penstock.ir.interpreter import input_shapes, run_cascade
from penstock.passes.analyse import Cascade, check, parse_cascade, read_cascade

EXTENTS = {"a": 3, "b": 4, "c": 2, "d": 5, "m": 6, "u": 3, "w": 2}
UNARY = ("tanh", "neg", "square", "id", "abs")
BINARY = ("add", "sub", "mul", "max")

Tensor = tuple[str, tuple[str, ...]]


class Writer:
    """Draws one piece of a cascade after the other: products, norms, softmaxes, folds, pointwise work."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.inputs: list[Tensor] = [
            ("X", ("a", "m")),
            ("Y", ("b", "m")),
            ("W", ("m", "c")),
            ("U", ("c", "d")),
            ("S", ("m",)),
        ]
        self.made: list[Tensor] = []

    def add(self, body: str, ranks: tuple[str, ...]) -> Tensor:
        tensor = (f"T{len(self.lines)}", ranks)
        self.lines.append(f"{at(tensor)} = {body}")
        self.made.append(tensor)
        return tensor

    def pick(self, *, recent: bool = True) -> Tensor:
        listed = self.made[-3:] + self.inputs if recent else self.inputs + self.made
        return self.draw(st.sampled_from(listed))

    def fold(self, tensor: Tensor, rank: str, operator: str) -> Tensor:
        kept = tuple(each for each in tensor[1] if each != rank)
        return self.add(f"{operator}[{rank}] {at(tensor)}", kept)

    def product(self) -> None:
        left, right = self.pick(), self.pick()
        union = tuple(dict.fromkeys(left[1] + right[1]))
        shared = [rank for rank in left[1] if rank in right[1]] or list(union)
        if not shared or len(union) > 4:
            return
        rank = self.draw(st.sampled_from(shared))
        kept = tuple(each for each in union if each != rank)
        fold, operator = self.draw(
            st.sampled_from([("sum", "mul"), ("sum", "mul"), ("sum", "mul"), ("max", "add"), ("min", "sub")])
        )
        self.add(f"{fold}[{rank}] {operator}({at(left)}, {at(right)})", kept)

    def reduction(self) -> None:
        tensor = self.pick()
        if tensor[1]:
            operator = self.draw(st.sampled_from(["sum", "max", "min"]))
            self.fold(tensor, self.draw(st.sampled_from(tensor[1])), operator)

    def unary(self) -> None:
        tensor = self.pick()
        self.add(f"{self.draw(st.sampled_from(UNARY))}({at(tensor)})", tensor[1])

    def binary(self) -> None:
        left = self.pick()
        inside = [each for each in self.inputs + self.made if set(each[1]) <= set(left[1])]
        right = self.draw(st.sampled_from(inside))
        self.add(f"{self.draw(st.sampled_from(BINARY))}({at(left)}, {at(right)})", left[1])

    def scale(self) -> None:
        tensor = self.pick()
        self.add(f"mul({at(tensor)}, {self.draw(st.sampled_from(['0.5', '-1.25', '0.125']))})", tensor[1])

    def softmax(self) -> None:
        tensor = self.bounded()
        if not tensor[1]:
            return
        rank = self.draw(st.sampled_from(tensor[1]))
        peak = self.fold(tensor, rank, "max")
        numerator = self.add(f"exp_sub({at(tensor)}, {at(peak)})", tensor[1])
        total = self.fold(numerator, rank, "sum")
        if self.draw(st.booleans()):
            logarithm = self.add(f"log({at(total)})", total[1])
            self.add(f"add({at(logarithm)}, {at(peak)})", total[1])
            return
        weights = self.add(f"div({at(numerator)}, {at(total)})", tensor[1])
        self.contract(weights, rank)

    def norm(self) -> None:
        tensor = self.bounded()
        if not tensor[1]:
            return
        rank = self.draw(st.sampled_from(tensor[1]))
        inverse = 1.0 / EXTENTS[rank]
        if self.draw(st.booleans()):
            total = self.fold(tensor, rank, "sum")
            mean = self.add(f"mul({at(total)}, {inverse})", total[1])
            tensor = self.add(f"sub({at(tensor)}, {at(mean)})", tensor[1])
        kept = tuple(each for each in tensor[1] if each != rank)
        squares = self.add(f"sum[{rank}] square({at(tensor)})", kept)
        mean = self.add(f"mul({at(squares)}, {inverse})", kept)
        shifted = self.add(f"add({at(mean)}, 0.25)", kept)
        scale = self.add(f"rsqrt({at(shifted)})", kept)
        scaled = self.add(f"mul({at(tensor)}, {at(scale)})", tensor[1])
        self.contract(scaled, rank)

    def variance(self) -> None:
        tensor = self.bounded()
        if tensor[1]:
            rank = self.draw(st.sampled_from(tensor[1]))
            total = self.fold(tensor, rank, "sum")
            mean = self.add(f"div({at(total)}, {EXTENTS[rank]}.0)", total[1])
            centred = self.add(f"sub({at(tensor)}, {at(mean)})", tensor[1])
            squares = self.add(f"sum[{rank}] square({at(centred)})", total[1])
            self.add(f"sqrt({at(squares)})", total[1])

    def view(self) -> None:
        """An input whose rank m is read in two parts."""
        name, ranks = self.draw(st.sampled_from([each for each in self.inputs if "m" in each[1]]))
        read = ",".join("u*2+w" if rank == "m" else rank for rank in ranks)
        split = tuple(part for rank in ranks for part in (("u", "w") if rank == "m" else (rank,)))
        self.add(f"{name}[{read}]", split)

    def contract(self, tensor: Tensor, rank: str) -> None:
        others = [each for each in self.inputs if rank in each[1] and len({*each[1], *tensor[1]}) <= 4]
        if others:
            other = self.draw(st.sampled_from(others))
            kept = tuple(dict.fromkeys(each for each in tensor[1] + other[1] if each != rank))
            self.add(f"sum[{rank}] mul({at(tensor)}, {at(other)})", kept)

    def mask(self) -> None:
        tensor = self.pick()
        if len(tensor[1]) > 1:
            one, other = tensor[1][:2]
            seen = self.add(f"le(@{one}, @{other})", (one, other))
            self.made.pop()  # a truth value is read by nothing else
            self.add(f"where({at(seen)}, {at(tensor)}, 0.0)", tensor[1])

    def bounded(self) -> Tensor:
        tensor = self.pick()
        return self.add(f"tanh({at(tensor)})", tensor[1])


def at(tensor: Tensor) -> str:
    return f"{tensor[0]}[{','.join(tensor[1])}]"


PIECES = (
    "product", "product", "product", "reduction", "unary", "binary", "scale", "softmax", "norm", "mask",
    "variance", "view",
)  # fmt: skip


@st.composite
def cascades(draw: st.DrawFn, pieces: int = 5) -> str:
    writer = Writer(draw)
    writer.product()
    for _ in range(draw(st.integers(1, pieces))):
        getattr(writer, draw(st.sampled_from(PIECES)))()
    if not writer.made:
        writer.reduction()
    shapes = " ".join(f"{rank.upper()}={extent}" for rank, extent in EXTENTS.items())
    return "\n".join([shapes, *writer.lines]) + "\n"


@st.composite
def scans(draw: st.DrawFn) -> str:
    """A linear recurrence over t with what it is made of and what is made of it."""
    decayed = draw(st.sampled_from(["t", "t,a"]))
    decay = draw(st.sampled_from(["sigmoid", "tanh", "exp"]))
    gain = draw(st.sampled_from(["mul(X[t,a], P[t])", "X[t,a]", "sum[b] mul(Y[t,b], W[b,a])"]))
    old = ["S[t,a]", f"A[{decayed}]"]
    new = ["D[t,a]", "B[t,a]"]
    lines = [
        f"A[{decayed}] = {decay}(R[{decayed}])",
        f"B[t,a] = {gain}",
        f"D[t,a] = mul({', '.join(draw(st.permutations(old)))})",
        f"S[t+1,a] = add({', '.join(draw(st.permutations(new)))})",
    ]
    reads = [
        "O[t] = sum[a] mul(S[t+1,a], X[t,a])",
        "E[a] = S[T,a]",
        "G[t,a] = tanh(S[t+1,a])",
        "F[a] = sum[t] X[t,a]",
    ]
    lines += draw(st.lists(st.sampled_from(reads), unique=True, min_size=1))
    start = draw(st.sampled_from(["0.0", "1.5", "Q[a]"]))
    body = "\n".join(f"  {line}" for line in lines)
    return f"T=12 A=3 B=2\ninit:\n  S[0,a] = {start}\neinsums:\n{body}\nstop: t >= T\n"


def example(checkout: Path, name: str) -> Cascade:
    return read_cascade(checkout / "examples" / "cascades" / f"{name}.txt")


def inputs_of(cascade: Cascade, seed: int = 7) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.uniform(-1, 1, shape) for name, shape in input_shapes(cascade).items()}


def assert_same(
    before: Cascade, after: Cascade, inputs: dict[str, np.ndarray], tolerance: float = 1e-9
) -> None:
    """Hold a rewritten cascade to the values of the one it was made from, and to its own text.

    A result may come in chunks of one of its ranks, the same elements in the same order.
    """
    check(after)
    assert str(parse_cascade(str(after))) == str(after)
    old, new = run_cascade(before, inputs), run_cascade(after, inputs)
    for name in before.results:
        size = max(1.0, float(np.max(np.abs(old[name]), initial=0.0)))
        np.testing.assert_allclose(
            new[name].reshape(old[name].shape),
            old[name],
            rtol=tolerance,
            atol=tolerance * size,
            err_msg=f"{name}\n{after}",
        )
