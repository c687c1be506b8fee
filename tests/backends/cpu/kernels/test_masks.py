"""Masks made of coordinates: their formulas and the generations left out, beside every point looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.backends.cpu.isa import ISAS
from penstock.backends.cpu.kernels.frame import Frame
from penstock.backends.cpu.kernels.group import Iteration, read_group
from penstock.backends.cpu.kernels.masks import All, Atom, Formula
from penstock.backends.cpu.kernels.skipping import Live, Spans, live_points
from penstock.backends.cpu.kernels.text import Linear, Writer
from penstock.ir.einsum import Index

from .conftest import Case, Library, build

Mask = Index | tuple[Any, ...]
"""An index of key m and query p, or an operator before its operands."""
OPERATORS = {
    "le": np.less_equal, "lt": np.less, "ge": np.greater_equal, "gt": np.greater, "eq": np.equal,
    "ne": np.not_equal, "and": np.logical_and, "or": np.logical_or, "not": np.logical_not,
}  # fmt: skip
WAYS: dict[str, Sequence[str]] = {
    "where": ("S[p,m0] = where({}, QK[p,m0], -inf)",),
    "masked_fill": ("H[p,m0] = not({})", "S[p,m0] = where(H[p,m0], -inf, QK[p,m0])"),
    "additive": ("B[p,m0] = where({}, 0.0, -inf)", "S[p,m0] = add(QK[p,m0], B[p,m0])"),
}
WIDTH = 16
Check = Callable[[np.ndarray, np.ndarray, float], None]
RNG = np.random.default_rng(7)


def affine(p: int, m: int, const: int) -> Index:
    return Index(tuple(term for term in (("p", p), ("m", m)) if term[1]), const)


def causal(offset: int) -> Mask:
    """Keys up to p + offset."""
    return "le", affine(0, 1, 0), affine(1, 0, offset)


def window(behind: int, ahead: int) -> Mask:
    """Keys from p - behind to p + ahead."""
    return "and", ("ge", affine(0, 1, 0), affine(1, 0, -behind)), causal(ahead)


def shown(mask: Mask, p: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Whether queries p see keys m."""
    if isinstance(mask, Index):
        coeffs = dict(mask.terms)
        return coeffs.get("p", 0) * p + coeffs.get("m", 0) * m + mask.const
    operator, *parts = mask
    return OPERATORS[operator](*(shown(part, p, m) for part in parts))


def written(mask: Mask, key: Index, lines: list[str]) -> str:
    """The mask as an operand, after the Einsums that make it."""
    if isinstance(mask, Index):
        return f"@({mask.substitute({'m': key})})"
    operator, *parts = mask
    operands = ", ".join([written(part, key, lines) for part in parts])
    name = f"C{len(lines)}[p,m0]"
    lines.append(f"{name} = {operator}({operands})")
    return name


def attention(
    name: str, mask: Mask, queries: int, keys: int, tile: int, way: str = "where", **fields: Any
) -> dict[str, Any]:
    """One head of one-pass attention under a mask, as fields of a `Case`."""
    key = f"m1*{tile}+m0"
    lines: list[str] = []
    last = written(mask, Index((("m1", tile), ("m0", 1))), lines)
    inputs = {
        name: RNG.standard_normal((length, WIDTH), np.float32)
        for name, length in (("Q", queries), ("K", keys), ("V", keys))
    }
    body = [
        f"QK[p,m0] = sum[e] mul(Q[p,e], K[{key},e])",
        *lines,
        *(line.format(last) for line in WAYS[way]),
        "LM[p] = max[m0] S[p,m0]",
        "RMn[p] = max(RM[p], LM[p])",
        "SLN[p,m0] = exp_sub_left(S[p,m0], RMn[p])",
        "SLD[p] = sum[m0] SLN[p,m0]",
        f"SLNV[p,f] = sum[m0] mul(SLN[p,m0], V[{key},f])",
        "PRM[p] = exp_sub_left(RM[p], RMn[p])",
        "SPD[p] = mul(RD[p], PRM[p])",
        "RDn[p] = add(SLD[p], SPD[p])",
        "SPNV[p,f] = mul(RNV[p,f], PRM[p])",
        "RNVn[p,f] = add(SLNV[p,f], SPNV[p,f])",
    ]
    carried = [("RM", "RM0", "RMn"), ("RD", "RD0", "RDn"), ("RNV", "RNV0", "RNVn")]
    loop = {"rank": "m1", "extent": keys, "tile_rank": "m0", "tile": tile, "carried": carried, "body": body}
    start = {"RM0": (queries,), "RD0": (queries,), "RNV0": (queries, WIDTH)}
    square = dict.fromkeys(("QK", "B", "H", *(f"C{n}" for n in range(len(lines)))), (queries, tile))
    made = {
        "name": name,
        "program": [
            "RM0[p] = id(-inf)", "RD0[p] = id(0.0)", "RNV0[p,f] = id(0.0)", loop,
            "AV[p,f] = div_left(RNV[p,f], RD[p])",
        ],
        "inputs": inputs,
        "outputs": ["AV"],
        "reference": [],
        "order": "p",
        "parallel": 1,
        "shapes": {**start, **square, "SLNV": (queries, WIDTH)},
        "elements": dict.fromkeys([*start, "B"], "f32"),
    }  # fmt: skip
    return {**made, **fields}


def live(mask: Mask, queries: int, keys: int, tile: int, way: str) -> tuple[Iteration, Live | None]:
    """What is proved of the attention."""
    group = read_group(build(Case(**attention("a", mask, queries, keys, tile, way))), [])
    (node,) = (node for node in group.nodes if isinstance(node, Iteration))
    return node, live_points(group, node)


def holds(formula: Formula, places: Mapping[str, np.ndarray]) -> np.ndarray:
    if isinstance(formula, Atom):
        index = formula.index
        return np.asarray(index.const + sum(places[rank] * coeff for rank, coeff in index.terms) <= 0)
    fold, unit = (np.logical_and, True) if isinstance(formula, All) else (np.logical_or, False)
    shape = np.broadcast_shapes(*(place.shape for place in places.values()))
    total = np.full(shape, unit)
    for part in formula.parts:
        total = fold(total, holds(part, places))
    return total


def computed(writer: Writer, given: Mapping[str, int]) -> dict[str, int]:
    """Values of the names a writer gave, unsigned operations being refused anything below 0."""
    values: dict[str, int] = dict(given)
    signed = {"addi": lambda a, b: a + b, "muli": lambda a, b: a * b, "maxsi": max, "minsi": min}
    unsigned = {"maxui": max, "minui": min, "divui": lambda a, b: a // b}
    for line in [*writer.constants(), *writer.lines]:
        name, _, text = line.strip().removesuffix(" : index").partition(" = arith.")
        operation, _, rest = text.partition(" ")
        names = rest.removeprefix("sle, ").split(", ")
        if operation == "constant":
            values[name] = int(rest)
            continue
        operands = [values[operand] for operand in names]
        if operation == "cmpi":
            values[name] = int(operands[0] <= operands[1])
        elif operation == "select":
            values[name] = operands[1] if operands[0] else operands[2]
        else:
            assert operation in signed or min(operands) >= 0, (line, operands)
            values[name] = (signed | unsigned)[operation](*operands)
    return values


def spans(live: Live, node: Iteration, queries: int, tile: int) -> list[tuple[int, range]]:
    """First query of every tile of `tile` queries, and the generations computed for it."""
    frame = Frame(Writer(), ISAS["portable"], {"p": tile}, origin={"p": Linear.of("%p0")})
    if tile == 1:
        frame.fixed["p"] = Linear.of("%p0")
    names = Spans(frame, node, live).written()
    found = []
    for begin in range(0, queries, tile):
        origin = min(begin, queries - tile)
        values = computed(frame.writer, {"%p0": origin})
        found.append((origin, range(*(values[name] for name in names))))
    return found


indices = st.builds(affine, st.integers(-3, 3), st.integers(-3, 3), st.integers(-40, 40))
offsets = st.integers(-60, 60)
usual = st.builds(causal, offsets) | st.builds(window, st.integers(0, 60), st.integers(0, 60))
anything = st.recursive(
    usual | st.tuples(st.sampled_from(["le", "lt", "ge", "gt", "eq", "ne"]), indices, indices),
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=4,
)
shapes = st.tuples(st.integers(1, 50), st.integers(1, 60), st.integers(1, 16), st.integers(1, 20))
"""Queries, keys, keys a generation, queries a tile."""


@settings(deadline=None, max_examples=60)
@given(anything, shapes, st.sampled_from(list(WAYS)))
def test_no_generation_with_a_shown_key_is_left_out(
    mask: Mask, shape: tuple[int, int, int, int], way: str
) -> None:
    """The formula holds at exactly the points the mask shows, and they all are in the generations left."""
    queries, keys, tile, rows = shape
    node, proved = live(mask, queries, keys, tile, way)
    assert proved is not None
    p, m = np.arange(queries)[:, None], np.arange(-(-keys // tile) * tile)
    points = np.broadcast_to(shown(mask, p, m), (queries, len(m)))
    found = holds(proved.formula, {"p": p, "m1": m // tile, "m0": m % tile})
    np.testing.assert_array_equal(np.broadcast_to(found, points.shape), points)
    rows = min(rows, queries)
    for origin, kept in spans(proved, node, queries, rows):
        assert kept.start >= 0
        assert kept.stop <= node.generations
        seen = points[origin : origin + rows, :keys].any(0)
        assert set(kept) >= set((np.flatnonzero(seen) // tile).tolist())


@settings(deadline=None, max_examples=60)
@given(usual, shapes)
def test_of_causal_masks_and_windows_no_other_generation_is_kept(
    mask: Mask, shape: tuple[int, int, int, int]
) -> None:
    """A ragged last generation counts with the keys it would have if it were whole."""
    queries, keys, tile, rows = shape
    node, proved = live(mask, queries, keys, tile, "where")
    assert proved is not None
    rows = min(rows, queries)
    for origin, kept in spans(proved, node, queries, rows):
        m = np.arange(node.generations * tile)
        seen = shown(mask, np.arange(origin, origin + rows)[:, None], m).any(0)
        assert set(kept) == set((np.flatnonzero(seen) // tile).tolist())


def exact(case: Mapping[str, Any], seen: np.ndarray) -> np.ndarray:
    """Attention in float64 over the keys seen, 0 where there are none, whatever the others hold."""
    q, k, v = (np.nan_to_num(case["inputs"][name].astype(np.float64)) for name in "QKV")
    scores = np.where(seen, q @ k.T, -np.inf)
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = weights.sum(-1, keepdims=True)
    return weights @ v / np.where(total > 0, total, 1)


def with_numbers(name: str, line: str, seen: np.ndarray, **numbers: np.ndarray) -> dict[str, Any]:
    """Attention whose mask is an Einsum that reads whole numbers."""
    queries, keys = seen.shape
    made = attention(name, causal(0), queries, keys, 16)
    loop = next(item for item in made["program"] if isinstance(item, dict))
    loop["body"] = [f"C0[p,m0] = {line}" if text.startswith("C0[") else text for text in loop["body"]]
    made["inputs"].update(numbers)
    return {**made, "reference": [exact(made, seen)]}


def of_coordinates(name: str, mask: Mask, *extents: int, **fields: Any) -> dict[str, Any]:
    queries, keys, tile = extents
    made = attention(name, mask, queries, keys, tile, **fields)
    seen = np.broadcast_to(shown(mask, np.arange(queries)[:, None], np.arange(keys)), (queries, keys))
    return {**made, "reference": [exact(made, seen)]}


def poisoned(made: dict[str, Any], begin: int, end: int | None, value: float) -> dict[str, Any]:
    """With keys and values that are not finite; what is expected stays."""
    made["inputs"]["K"][begin:end] = made["inputs"]["V"][begin:end] = value
    return made


EVERY, LOW = np.iinfo(np.int64).max, np.iinfo(np.int64).min
CASES = [
    of_coordinates("offset", causal(31), 40, 71, 16),
    of_coordinates("more_queries", causal(-20), 50, 30, 16),
    of_coordinates("window", window(20, 3), 50, 70, 16, way="masked_fill"),
    of_coordinates("window_ahead", window(-5, 9), 33, 61, 8, way="additive"),
    of_coordinates("either", ("or", causal(-9), ("ge", affine(0, 2, 0), affine(1, 0, 70))), 37, 50, 8),
    of_coordinates("no_outer_rank", causal(3), 40, 71, 16, order="", parallel=0),
    # No query sees a key behind 39, or, of the third, one before 70.
    poisoned(of_coordinates("hidden_end", causal(0), 40, 80, 16), 48, None, np.nan),
    poisoned(of_coordinates("hidden_end_added", causal(0), 40, 80, 16, way="additive"), 48, None, np.inf),
    poisoned(of_coordinates("hidden_start", window(-70, 90), 10, 120, 16), 0, 64, np.nan),
    of_coordinates("by_tile", causal(0), 64, 64, 16, tiles=["p=16"]),
    with_numbers(
        "positions", "le(@(m1*16+m0), QP[p])", np.arange(61) <= np.arange(3, 43)[:, None], QP=np.arange(3, 43)
    ),
    with_numbers(
        "keys_too", "le(KP[m1*16+m0], QP[p])", np.tri(9, 40, dtype=bool), KP=np.arange(40), QP=np.arange(9)
    ),
    with_numbers("largest", "le(@(m1*16+m0), QP[p])", np.full((9, 40), True), QP=np.full(9, EVERY)),
    with_numbers("least", "ge(@(m1*16+m0), QP[p])", np.full((9, 40), True), QP=np.full(9, LOW)),
]  # fmt: skip


@pytest.mark.parametrize("name", [case["name"] for case in CASES])
def test_compiled_attention_sees_what_the_mask_shows(compiled: Library, close: Check, name: str) -> None:
    one, two = (compiled.run(name, threads)[0] for threads in (1, 2))
    close(one, compiled.cases[name].reference[0], 1e-6)
    np.testing.assert_array_equal(two, one)


def test_what_is_not_finite_reaches_the_tiles_that_see_its_generation_and_no_other(compiled: Library) -> None:
    """Generation 2 of 4, shown to queries from 32 on; within it 0·NaN is NaN, as in PyTorch."""
    case = compiled.cases["by_tile"]
    clean = compiled.run("by_tile")[0]
    kept = case.inputs["V"].copy()
    case.inputs["V"][47] = np.nan
    spoilt = compiled.run("by_tile")[0]
    case.inputs["V"][...] = kept
    np.testing.assert_array_equal(spoilt[:32], clean[:32])
    assert np.isnan(spoilt[32:]).all()


def test_a_number_of_every_key_is_not_looked_for_where_there_is_none(compiled: Library) -> None:
    """Generations differ in it, and the last one is ragged: no bound is taken from it."""
    assert "maxsi" not in compiled.kernels["keys_too"].mlir
