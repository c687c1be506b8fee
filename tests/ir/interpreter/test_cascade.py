"""Cascades written as text, run in float64, against closed forms in NumPy: the sheet's six and six beyond."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penstock.ir.errors import InputError
from penstock.ir.interpreter import input_shapes, run_cascade
from penstock.ir.view import Cascade
from penstock.ir.view_text import parse_cascade, read_cascade

Values = dict[str, np.ndarray]


def example(checkout: Path, name: str) -> Cascade:
    return read_cascade(checkout / "examples" / "cascades" / f"{name}.txt")


def inputs_of(cascade: Cascade, seed: int = 5) -> Values:
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=shape) for name, shape in input_shapes(cascade).items()}


def softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1.0 + np.exp(-x))


def attention(v: Values) -> np.ndarray:
    return v["V"] @ softmax(v["K"].T @ v["Q"], axis=0)


def sum_of_products(v: Values) -> np.ndarray:
    return (v["A"] @ v["B"]) * v["A"].sum()


def linear_attention(v: Values) -> np.ndarray:
    features = [np.where(v[name] > 0, v[name] + 1, np.exp(v[name])) for name in ("Q", "K")]
    weights = features[0] @ features[1].T
    return ((weights / weights.sum(axis=1, keepdims=True)) @ v["V"]).T


def gated_scan(v: Values) -> np.ndarray:
    state, rows = np.zeros_like(v["A"]), []
    for x, dt, b, c, gate in zip(v["X"], v["DT"], v["B"], v["C"], v["G"], strict=True):
        state = np.exp(dt[:, None] * v["A"]) * state + (dt * x)[:, None] * b
        rows.append((state @ c + x * v["SK"]) * silu(gate))
    return np.stack(rows)


def mla(v: Values) -> np.ndarray:
    total = np.zeros((4, 32))
    for head in range(4):
        keys = np.concatenate([v["C"] @ v["WK"][head].T, v["CR"]], axis=1)
        queries = np.concatenate([v["Q"][head], v["QJ"][head]], axis=1)
        weights = softmax(queries @ keys.T / math.sqrt(24), axis=1)
        total += weights @ (v["C"] @ v["WV"][head].T) @ v["WO"][head]
    return total


def loss(v: Values) -> np.ndarray:
    rows = softmax(v["X"] @ v["W"].T, axis=1)
    picked = [row[int(label)] for row, label in zip(rows, v["L"], strict=True)]
    return -np.log(np.asarray(picked)).mean(keepdims=True)[0]


def gated_mlp(v: Values) -> np.ndarray:
    return (silu(v["X"] @ v["WG"]) * (v["X"] @ v["WU"])) @ v["WD"]


def rms_matmul(v: Values) -> np.ndarray:
    scale = np.sqrt((v["X"] ** 2).mean(axis=1, keepdims=True) + 1e-6)
    return (v["X"] / scale * v["G"]) @ v["W"]


CLOSED_FORMS: dict[str, tuple[str, Callable[[Values], np.ndarray]]] = {
    "attention3": ("AV", attention),
    "attention2": ("AV", attention),
    "attention1": ("AV", attention),
    "cascade1": ("Z", sum_of_products),
    "cascade2": ("Z", sum_of_products),
    "cascade3": ("Z", sum_of_products),
    "linear_attention": ("AV", linear_attention),
    "gated_scan": ("Y", gated_scan),
    "mla": ("Y", mla),
    "logsumexp_loss": ("LOSS", loss),
    "mlp_chain": ("Y", gated_mlp),
    "norm_matmul": ("Y", rms_matmul),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_example_cascades_compute_their_closed_forms(checkout: Path, name: str) -> None:
    cascade = example(checkout, name)
    given = inputs_of(cascade)
    if name == "logsumexp_loss":
        given["L"] = np.arange(16) * 7 % 256
    result, closed_form = CLOSED_FORMS[name]
    np.testing.assert_allclose(run_cascade(cascade, given)[result], closed_form(given), rtol=1e-11)


@pytest.mark.parametrize("name", ["attention1", "attention2"])
def test_a_short_last_tile_is_not_read_past_its_end(checkout: Path, name: str) -> None:
    cascade = example(checkout, name)
    generator = np.random.default_rng(2)
    given = {"Q": generator.normal(size=(4, 3)), "K": generator.normal(size=(4, 7)) - 9.0}
    given["V"] = generator.normal(size=(4, 7))
    np.testing.assert_allclose(run_cascade(cascade, given)["AV"], attention(given), rtol=1e-12)


def test_a_short_last_tile_of_what_the_initialization_makes_is_not_read_past_its_end() -> None:
    text = (
        "M=7 M1=3 M0=3\ninit:\n  Y[m] = sub(X[m], 9.0)\neinsums:\n  T[m1,m0] = Y[m1*M0+m0]\n"
        "  L[m1] = max[m0] T[m1,m0]\n  G = max[m1] L[m1]\n  N = sum[m1,m0] exp(T[m1,m0])\n"
    )
    x = np.random.default_rng(0).normal(size=7)
    values = run_cascade(parse_cascade(text), {"X": x})
    np.testing.assert_allclose([values["G"], values["N"]], [x.max() - 9, np.exp(x - 9).sum()], rtol=1e-12)


def test_what_is_carried_holds_one_generation_more_than_its_rank() -> None:
    text = (
        "T=3\ninit:\n  S[0] = 2.0\neinsums:\n  S[t+1] = add(S[t], X[t])\n"
        "  Y[t] = mul(S[t], X[t])\nstop: t >= T"
    )
    values = run_cascade(parse_cascade(text), {"X": np.array([1.0, 2.0, 4.0])})
    assert values["S"].tolist() == [2.0, 3.0, 5.0, 9.0]
    assert values["Y"].tolist() == [2.0, 6.0, 20.0]


def test_what_waits_for_the_last_generation_may_stream_the_rank_again() -> None:
    text = (
        "T=2\ninit:\n  S[0] = 0.0\neinsums:\n  S[t+1] = add(S[t], X[t])\n"
        "  Z = S[T]\n  Y[t] = div(X[t], Z)\nstop: t >= T"
    )
    assert run_cascade(parse_cascade(text), {"X": np.array([1.0, 3.0])})["Y"].tolist() == [0.25, 0.75]


def test_truth_values_choose_and_count() -> None:
    text = "B[i] = gt(X[i], 0.0)\nN = sum[i] B[i]\nANY = any[i] B[i]\nY[i] = where(B[i], X[i], -1.0)"
    values = run_cascade(parse_cascade(text), {"X": np.array([1.0, -2.0, 3.0])})
    assert (float(values["N"]), bool(values["ANY"]), values["Y"].tolist()) == (2.0, True, [1.0, -1.0, 3.0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"A": (6,)}, "input 'B' is missing"),
        ({"A": (6,), "B": (5,)}, "rank 'k' has extent 6 and, in B, 5"),
        ({"A": (6, 1), "B": (6,)}, "1 ranks"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(checkout: Path, inputs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_cascade(example(checkout, "cascade1"), {name: np.ones(shape) for name, shape in inputs.items()})


def test_tiles_of_two_lengths_are_refused(checkout: Path) -> None:
    given = {"Q": np.ones((4, 3)), "K": np.ones((4, 7)), "V": np.ones((4, 3))}
    with pytest.raises(InputError, match="does not fit the tiles"):
        run_cascade(example(checkout, "attention1"), given)
