"""Attention, however written, becomes one pass with running values, and keeps its values to the last row."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.ir.build import EinsumView, integer, is_einsum, string, strings
from penstock.ir.cascade import FUSED, walk
from penstock.ir.interpreter import interpret
from penstock.ir.mlir import ir
from penstock.ir.module import parse_module
from penstock.passes.analyse import check, count_passes, extract_cascade, live_footprint

from .attention import attention
from .modules import assert_same_values, random_inputs, run_passes

MASKS = ["", "additive", "boolean", "causal", "alibi", "softcap"]


def groups(module: ir.Module) -> list[ir.Operation]:
    return [op for op in walk(module.operation) if op.name == FUSED]


def only_group(module: ir.Module) -> ir.Operation:
    found = groups(module)
    assert len(found) == 1
    return found[0]


def canonical(module: ir.Module) -> list[str]:
    """The first product and everything from the local maximum on, tensors named by order; div as div_left."""
    einsums = [EinsumView.of(op).einsum for op in walk(only_group(module)) if is_einsum(op)]
    peak = next(place for place, einsum in enumerate(einsums) if einsum.reduce == "max")
    first = next(place for place, einsum in enumerate(einsums) if einsum.reduce == "sum")
    names = {einsums[peak].accesses[0].tensor: "S", einsums[first].output.tensor: "QK"}
    form = []
    for einsum in [*einsums[: first + 1], *einsums[peak:]]:
        read = [names.setdefault(access.tensor, f"t{len(names)}") for access in einsum.accesses]
        written = names.setdefault(einsum.output.tensor, f"t{len(names)}")
        form.append(str(einsum.with_tensors(written, read)).replace("div_left", "div"))
    return form


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("way", ["sdpa", "explicit", "late"])
def test_every_way_reaches_the_form_of_plain_attention(way: str, mask: str) -> None:
    got = canonical(run_passes(attention(way, 5, 300, mask), "fuse"))
    assert got == canonical(run_passes(attention("sdpa", 5, 300), "fuse"))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sizes", [(1, 1), (7, 129), (129, 7), (1, 1000)])
def test_fusing_keeps_the_values_at_ragged_lengths(mask: str, sizes: tuple[int, int]) -> None:
    module = assert_same_values(attention("sdpa", *sizes, mask), "fuse")
    group = only_group(module)
    assert (integer(group, "passes_before"), integer(group, "passes_after")) == (3, 1)
    assert string(group, "kernel") == "attention"


@pytest.mark.parametrize(("way", "hidden"), [("sdpa", 0.0), ("explicit", np.nan)])
@pytest.mark.parametrize("keys", [7, 300])
def test_fully_masked_rows_give_what_they_gave_before(way: str, hidden: float, keys: int) -> None:
    text = attention(way, 3, keys, "additive")
    given = random_inputs(parse_module(text))
    given["mask"][0] = -np.inf
    module = assert_same_values(text, "fuse", given)
    with np.errstate(all="ignore"):
        (values,) = interpret(module, "main", given).values()
    np.testing.assert_array_equal(values[0], np.full_like(values[0], hidden))


@pytest.mark.parametrize("way", ["sdpa", "explicit"])
def test_a_fully_masked_first_tile_gives_no_nan(way: str) -> None:
    text = attention(way, 3, 300, "additive")
    given = random_inputs(parse_module(text))
    given["mask"][:] = -np.inf
    given["mask"][..., 299] = 0.0
    module = assert_same_values(text, "fuse", given)
    (values,) = interpret(module, "main", given).values()
    assert np.isfinite(values).all()


def test_the_counts_on_the_op_are_those_of_its_body() -> None:
    module = run_passes(attention("explicit", 5, 300, "causal"), "fuse")
    group = only_group(module)
    cascade = extract_cascade(group)
    check(cascade)
    assert count_passes(cascade, "m1").passes == integer(group, "passes_after") == 1
    assert str(live_footprint(cascade, "m1")) == string(group, "footprint_after")
    assert string(group, "footprint_before") == "M + 1"


def test_what_stays_live_does_not_depend_on_the_number_of_keys() -> None:
    for keys in (200, 20000):
        module = run_passes(attention("sdpa", 5, keys), "fuse")
        group = only_group(module)
        live = live_footprint(extract_cascade(group), "m1")
        assert live.ranks == {"f", "m0"}
        assert live.at({"f": 6, "m0": 128}) == 137


def test_the_derivation_says_what_each_step_did_and_why() -> None:
    module = run_passes(attention("sdpa", 5, 300), "fuse")
    lines = strings(only_group(module), "derivation")
    assert lines[0].startswith("found: 3 passes over m, most over k")
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == [
        "found", "defer", "split", "iterate", "iterate", "iterate", "result",
    ]  # fmt: skip
    assert all("FuseMax" in line for line in lines[1:-1] if not line.startswith(" "))
    assert lines[-1] == "result: 1 pass over m; F + M0 + 3 elements live per (b,h,p)"


def test_weights_that_leave_keep_the_cascade_as_it_is() -> None:
    text = attention("sdpa", 5, 7)
    lines = text.replace(
        "return %av : tensor<2x4x5x6xf64>", "return %av, %a : tensor<2x4x5x6xf64>, tensor<2x4x5x7xf64>"
    )
    lines = lines.replace(
        "-> tensor<2x4x5x6xf64> {\n", "-> (tensor<2x4x5x6xf64>, tensor<2x4x5x7xf64>) {\n", 1
    )
    module = assert_same_values(lines, "fuse")
    assert [string(op, "kernel") for op in groups(module)] == ["contract", "rows", "contract"]
    rows = groups(module)[1]
    assert (integer(rows, "passes_before"), integer(rows, "passes_after")) == (3, 3)


def test_tile_extents_follow_the_options() -> None:
    module = run_passes(attention("sdpa", 129, 300), "fuse{p_tile=32,m_tile=64}")
    group = only_group(module)
    assert strings(group, "tiles") == ("p=32", "m0=64")
    assert strings(group, "rank_order")[: integer(group, "parallel")] == ("b", "h", "p")


def test_the_group_names_the_node_whose_value_it_gives() -> None:
    module = run_passes(attention("late", 5, 7), "fuse")
    assert strings(only_group(module), "penstock.nodes") == ("out",)
