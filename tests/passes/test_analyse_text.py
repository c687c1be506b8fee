"""Pass counts, live footprints and operation counts of cascades written as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.ir.errors import InputError, NotationError
from penstock.passes.analyse import (
    count_passes,
    live_footprint,
    most_passes,
    operation_counts,
    parse_cascade,
    read_cascade,
)


def example(checkout: Path, name: str):
    return read_cascade(checkout / "examples" / "cascades" / f"{name}.txt")


@pytest.mark.parametrize(
    ("name", "passes", "root", "footprint"),
    [
        ("cascade1", 2, "A", "1"),
        ("cascade2", 1, "A", "0"),
        ("cascade3", 1, "A", "2"),
        ("attention3", 3, "K", "M + 1"),
        ("attention2", 2, "K", "M0*M1 + 2*M1 + 1"),
        ("attention1", 1, "K", "F + M0 + 3"),
    ],
)
def test_published_cascades_have_the_published_pass_counts(checkout, name, passes, root, footprint):
    cascade = example(checkout, name)
    count = most_passes(cascade)
    assert (count.passes, count.root) == (passes, root)
    assert str(live_footprint(cascade, count.rank)) == footprint


def test_one_tile_of_the_one_pass_cascade_must_stay_live(checkout):
    assert count_passes(example(checkout, "attention1"), "m0", ("m0",)).by_root["K"] == 2


def test_deferring_the_division_merges_the_last_two_passes():
    cascade = parse_cascade(
        """
        QK[m,p] = sum[e] mul(Q[e,p], K[e,m])
        GM[p] = max[m] QK[m,p]
        SN[m,p] = exp_sub(QK[m,p], GM[p])
        SD[p] = sum[m] SN[m,p]
        SNV[f,p] = sum[m] mul(SN[m,p], V[f,m])
        AV[f,p] = div(SNV[f,p], SD[p])
        """
    )
    assert count_passes(cascade, "m").by_root == {"K": 2, "V": 1}


def test_without_stabilisation_there_are_two_passes_and_one_when_deferred():
    plain = "QK[m,p] = Q[e,p]*K[e,m]\nSN[m,p] = exp(QK[m,p])\nSD[p] = sum[m] SN[m,p]\n"
    divided = plain + "A[m,p] = div(SN[m,p], SD[p])\nAV[f,p] = A[m,p]*V[f,m]\n"
    deferred = plain + "SNV[f,p] = SN[m,p]*V[f,m]\nAV[f,p] = div(SNV[f,p], SD[p])\n"
    assert count_passes(parse_cascade(divided), "m").passes == 2
    assert count_passes(parse_cascade(deferred), "m").passes == 1


def test_operation_counts_follow_the_closed_forms_of_attention(checkout):
    counts = {kind: str(value) for kind, value in operation_counts(example(checkout, "attention3")).items()}
    assert counts["exp"] == counts["max"] == counts["div"] == "M*P"
    assert counts["mul"] == "E*M*P + F*M*P"
    one = operation_counts(example(checkout, "attention1"))
    assert str(one["exp"]) == "M0*M1*P + M1*P"
    assert str(one["div"]) == "F*P"


def test_an_iterative_cascade_needs_a_stopping_condition():
    with pytest.raises(NotationError, match="no stopping condition"):
        parse_cascade("init:\nS[0] = 0.0\neinsums:\nS[i+1] = add(S[i], A[i])")


def test_a_tensor_read_too_early_is_named():
    with pytest.raises(NotationError, match="B is read before it is written"):
        parse_cascade("A[i] = exp(B[i])\nB[i] = exp(X[i])")


def test_the_place_of_a_bad_line_is_given():
    with pytest.raises(NotationError, match="here:3"):
        parse_cascade("K=4\n\nY = sum[k] mull(A[k], B[k])", where="here")


def test_an_empty_text_is_refused():
    with pytest.raises(NotationError, match="no Einsum"):
        parse_cascade("# nothing\n")


def test_an_unreadable_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_cascade(tmp_path / "missing.txt")


def test_an_unknown_rank_lists_the_known_ones(checkout):
    with pytest.raises(NotationError, match="accepted: e, f, m, p"):
        count_passes(example(checkout, "attention3"), "q")


def test_a_cascade_prints_as_text_that_reads_back(checkout):
    cascade = example(checkout, "attention1")
    again = parse_cascade(str(cascade))
    assert str(again) == str(cascade)
    assert most_passes(again) == most_passes(cascade)


def test_outputs_that_others_read_are_named_in_the_text():
    text = "K=6\n  S = sum[k] A[k]\n  Z = exp(S[])\noutputs: S, Z\n"
    cascade = parse_cascade(text)
    assert cascade.results == ("S", "Z")
    assert str(parse_cascade(str(cascade))) == str(cascade)
    with pytest.raises(NotationError, match="no Einsum writes Q"):
        parse_cascade("S = sum[k] A[k]\noutputs: Q")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Z = sum[k] mul(A[k], A[k,k])", "A has 1 indices elsewhere"),
        ("init:\n S[0] = 0\neinsums:\n S[i+1] = add(S[i], A[i])\nstop: j >= J", "not stop the generational"),
    ],
)
def test_what_no_machine_could_run_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(NotationError, match=complaint):
        parse_cascade(text)


@pytest.mark.parametrize("text", ["K=4 K=5\nY = sum[k] A[k]\n", "K=4\nK=5\nY = sum[k] A[k]\n"])
def test_a_shape_stated_twice_is_refused(text):
    with pytest.raises(NotationError, match="K is 4 and 5"):
        parse_cascade(text)
