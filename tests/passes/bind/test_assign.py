"""Who runs what: FuseMax's assignment by itself, from rates, shapes and paths alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.ir.errors import PlanError
from penstock.ir.targets import load
from penstock.passes.bind.assign import Assignment, assign, operations
from penstock.passes.bind.cascades import attention_cascade
from penstock.passes.bind.form import one_pass_form
from penstock.passes.bind.tile import tile_of

from .cases import LINEAR_ATTENTION, MOMENTS, PAPERS, STABLE_ATTENTION, attention, cascade

CLOUD = load("fusemax-cloud")


def by_unit(found: Assignment) -> dict[str, set[str]]:
    units: dict[str, set[str]] = {}
    for tensor, unit in found.units.items():
        units.setdefault(unit, set()).add(tensor)
    return units


@pytest.mark.parametrize(("embedding", "p1"), [(64, 128), (128, 64)])
def test_the_papers_assignment_is_found(embedding, p1):
    found = assign(tile_of(attention(embedding, 256, p1)), CLOUD, tiles=p1)
    assert by_unit(found) == PAPERS
    loop = tuple(tensor for tensor in found.units if tensor != "AV")
    assert found.busy("array-2d", loop) == 2 * embedding + 9
    assert found.busy("array-1d", loop) == 2 * embedding + 10


@pytest.mark.parametrize(
    ("e", "f", "side", "p1"), [(4, 4, 4, 4), (32, 4, 4, 1), (16, 64, 16, 4), (1, 1, 2, 1)]
)
def test_it_is_the_papers_on_small_arrays_too(e, f, side, p1):
    small = attention_cascade(e=e, f=f, m1=4, m0=side, p1=p1, p0=side)
    assert by_unit(assign(tile_of(small), CLOUD, rows=side, columns=side, tiles=p1)) == PAPERS


def test_attention_rewritten_to_one_pass_is_assigned_alike():
    found = assign(tile_of(one_pass_form(cascade(STABLE_ATTENTION), 256)), CLOUD, tiles=2)
    assert {"QK", "LGM", "SN", "LSD", "LAV_num"} == by_unit(found)["array-2d"]


def test_running_values_without_rows_stay_off_the_array():
    """Linear attention keeps E × F running sums: one in every element, so all of it runs there."""
    found = assign(tile_of(cascade(LINEAR_ATTENTION)), CLOUD)
    assert by_unit(found) == {"array-2d": {"KV", "S", "O"}}
    moments = assign(tile_of(one_pass_form(cascade(MOMENTS), 32)), CLOUD)
    assert by_unit(moments)["array-2d"] == {"LS", "LQ"}


def test_a_sum_over_the_columns_in_the_end_goes_from_lane_to_lane():
    total = """
    T=16 D1=8 D0=8
    init:
      S[0,t] = 0.0
    einsums:
      L[d1,t]   = sum[d0] X[t,d1*D0+d0]
      S[d1+1,t] = add(S[d1,t], L[d1,t])
      ALL[]     = sum[t] S[D1,t]
    stop: d1 >= D1
    """
    tile = tile_of(cascade(total))
    assert (tile.columns, tile.rows) == ("t", "d0")
    found = assign(tile, CLOUD, rows=8, columns=8)
    assert (found.units["ALL"], found.steps["ALL"]) == ("array-1d", 8)


def test_moves_are_named():
    found = assign(tile_of(attention(64, 256, 128)), CLOUD, tiles=128)
    assert {tensor for tensor, source, _ in found.transfers if source == "array-2d"} == {"LM", "SLD", "SLNV"}
    assert ("RM", "array-1d", "array-2d") in found.transfers


def test_reasons_say_where_the_cycles_come_from():
    costs = assign(tile_of(attention(64, 256, 128)), CLOUD, tiles=128).costs
    assert costs["BQK"]["array-2d"].reason == "E × (mac 1)"
    assert costs["SLN"]["array-2d"].reason == "one point × (add 1 + exp 6)"
    assert costs["BQK"]["array-1d"].steps == 64 * 256
    assert "no div" in costs["AV"]["array-2d"].reason


def test_comparisons_that_decide_presence_are_not_arithmetic():
    stable = one_pass_form(cascade(STABLE_ATTENTION), 256)
    by_name = {einsum.output.tensor: einsum for einsum in stable.einsums}
    assert operations(by_name["SN"]) == {"add": 1, "exp": 1}
    assert operations(by_name["QK"]) == {"mac": 2}


def test_pins_are_kept():
    found = assign(tile_of(attention(4, 4)), CLOUD, rows=4, columns=4, tiles=4, pinned={"SLD": "array-2d"})
    assert found.units["SLD"] == "array-2d"
    with pytest.raises(PlanError, match="no assignment"):
        assign(tile_of(attention(4, 4)), CLOUD, rows=4, columns=4, tiles=4, pinned={"RNV": "array-2d"})


def test_an_einsum_that_no_unit_can_run_is_refused():
    powers = cascade(
        "K=8\ninit:\n  S[0] = 0.0\n"
        "einsums:\n  R[k] = pow(A[k], B[k])\n  S[k+1] = add(S[k], R[k])\nstop: k >= K"
    )
    plain = [replace(unit, ops_per_cycle={"add": {"f16": 1.0}, "mac": {"f16": 2.0}}) for unit in CLOUD.unit]
    with pytest.raises(PlanError, match=r"R: no unit of fusemax-cloud can run it.*performs no"):
        assign(tile_of(powers), replace(CLOUD, unit=tuple(plain)))


def test_a_target_without_transfers_is_refused():
    with pytest.raises(PlanError, match="does not say how results move"):
        assign(tile_of(attention(4, 4)), load("h200"))


def test_several_passes_are_refused():
    with pytest.raises(PlanError, match="generational"):
        tile_of(cascade(STABLE_ATTENTION))
    two = "K=8\nY = sum[k] mul(A[k], B[k])\nZ = sum[k] mul(Y, A[k])"
    with pytest.raises(PlanError, match="do not become one"):
        one_pass_form(cascade(two), 4)
