"""The search: where each of the twelve example cascades ends, and why the others lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock.ir.errors import InputError
from penstock.ir.targets import load
from penstock.passes.analyse import parse_cascade
from penstock.passes.rewrites import search
from penstock.passes.rewrites.search import cycles_of

from .cascades import assert_same, example, inputs_of

# name → passes as written, passes of the best, the rewritings that lead to it, and what stays live.
ENDS = {
    "attention3": (3, 1, ("defer", "split", "iterate"), "F + M0 + 3"),
    "attention2": (2, 1, ("reassociate",), "F*M1 + 2*M1 + 1"),
    "attention1": (1, 1, (), "F + M0 + 3"),
    "cascade1": (2, 1, ("defer",), "0"),
    "cascade2": (1, 1, (), "0"),
    "cascade3": (1, 1, (), "2"),
    "linear_attention": (2, 1, ("defer", "reassociate"), "0"),
    "gated_scan": (1, 1, (), "D*N"),
    "mla": (3, 1, ("reassociate", "reassociate", "split", "iterate"), "M0 + R + 3"),
    "logsumexp_loss": (2, 1, ("split", "iterate"), "V0 + 4"),
    "mlp_chain": (1, 1, (), "0"),
    "norm_matmul": (2, 1, ("defer",), "0"),
}
CASCADE_5 = """
RGM[0,p] = -inf
RSD[0,p] = 0.0
RAV_num[0,f,p] = 0.0
QK[m1,m0,p] = sum[e] mul(Q[e,p], K[e,m1*4+m0])
LGM[m1,p] = max[m0] QK[m1,m0,p]
RGM[m1+1,p] = max(RGM[m1,p], LGM[m1,p])
SN[m1,m0,p] = exp_sub_left(QK[m1,m0,p], RGM[m1+1,p])
PGM[m1,p] = exp_sub_left(RGM[m1,p], RGM[m1+1,p])
LSD[m1,p] = sum[m0] SN[m1,m0,p]
SSD[m1,p] = mul(RSD[m1,p], PGM[m1,p])
RSD[m1+1,p] = add(LSD[m1,p], SSD[m1,p])
LAV_num[m1,f,p] = sum[m0] mul(SN[m1,m0,p], V[f,m1*4+m0])
SAV_num[m1,f,p] = mul(RAV_num[m1,f,p], PGM[m1,p])
RAV_num[m1+1,f,p] = add(LAV_num[m1,f,p], SAV_num[m1,f,p])
AV[f,p] = div(RAV_num[2,f,p], RSD[2,p])
"""


@pytest.mark.parametrize("name", ENDS)
def test_where_an_example_cascade_ends(checkout: Path, name: str) -> None:
    written, best, rewrites, live = ENDS[name]
    cascade = example(checkout, name)
    found = search(cascade, buffer_elements=4096)
    (before,) = [option for option in found.options if not option.rewrites]
    assert (before.passes, found.best.passes) == (written, best)
    assert (found.best.rewrites, str(found.best.footprint)) == (rewrites, live)
    inputs = inputs_of(cascade)
    if name == "logsumexp_loss":
        inputs["L"] = np.arange(16.0) * 7 % 256
    for option in found.options:
        assert_same(cascade, option.cascade, inputs)


def test_attention_in_three_passes_ends_at_the_form_of_cascade_5(checkout: Path) -> None:
    best = search(example(checkout, "attention3"), buffer_elements=4096).best
    assert [str(einsum) for einsum in best.cascade.all] == CASCADE_5.strip().splitlines()
    assert best.cascade.stop == "m1 >= 2"


def test_a_norm_before_a_product_defers_its_division(checkout: Path) -> None:
    best = search(example(checkout, "norm_matmul"), buffer_elements=4096).best
    assert str(best.cascade.einsums[-1]) == "Y[t,o] = mul(Y_num[t,o], RS[t])"


def test_the_up_projections_of_latent_attention_are_absorbed(checkout: Path) -> None:
    cascade = example(checkout, "mla")
    cascade = replace(cascade, extents={**cascade.extents, "m": 16, "h": 2, "r": 8, "e": 16, "f": 16})
    best = search(cascade, buffer_elements=4096).best
    keys = [einsum for einsum in best.cascade.einsums if einsum.output.tensor in ("KC", "VC")]
    assert keys == []
    assert "QWK[h,p,r] = sum[e] mul(Q[h,p,e], WK[h,e,r])" in str(best.cascade)


@pytest.mark.parametrize(("buffer_elements", "tile"), [(8192, 8), (262144, 128)])
def test_tiles_are_as_large_as_the_buffer_lets_them_be_useful(
    checkout: Path, buffer_elements: int, tile: int
) -> None:
    long = replace(example(checkout, "attention3"), extents={"e": 64, "f": 64, "m": 4096, "p": 1024})
    best = search(long, buffer_elements=buffer_elements).best
    assert (best.rewrites[-1], best.cascade.extents["m0"]) == ("iterate", tile)


def test_the_report_gives_three_figures_and_says_why_each_lost(checkout: Path) -> None:
    found = search(example(checkout, "attention3"), buffer_elements=4096)
    text = found.text().splitlines()
    assert text[0] == "4 cascades met; a buffer of 4096 elements"
    table = text[2:6]
    assert table[0].split() == [
        "defer",
        "+",
        "split",
        "+",
        "iterate",
        "1",
        "88",
        "786",
        "F",
        "+",
        "M0",
        "+",
        "3",
    ]
    assert table[1].endswith("keeps 18 elements live where 11 will do")
    assert table[2].endswith("2 passes over m where 1 will do")
    assert table[3].startswith("as written")
    assert table[3].endswith("3 passes over m where 1 will do")
    assert "how:" in text
    assert "best:" in text


def test_the_search_gives_the_same_answer_twice(checkout: Path) -> None:
    one, other = (search(example(checkout, "linear_attention"), buffer_elements=512) for _ in range(2))
    assert one.to_json() == other.to_json()


def test_work_may_be_weighed_by_a_target(checkout: Path) -> None:
    cycles = cycles_of(load("fusemax-cloud"))
    assert [cycles[kind] for kind in ("add", "exp", "div")] == pytest.approx([1.0, 6.0, 257.0])
    cascade = example(checkout, "norm_matmul")
    plain = search(cascade, buffer_elements=4096).best
    weighed = search(cascade, buffer_elements=4096, cost=load("fusemax-cloud")).best
    assert weighed.rewrites == plain.rewrites
    assert weighed.work > plain.work


def test_a_buffer_without_room_for_a_point_is_refused(checkout: Path) -> None:
    with pytest.raises(InputError, match="does not hold one point"):
        search(example(checkout, "cascade1"), buffer_elements=2)


def test_a_cascade_without_shapes_is_refused() -> None:
    with pytest.raises(InputError, match="extent"):
        search(parse_cascade("Z = sum[k] mul(A[k], B[k])"), buffer_elements=64)
