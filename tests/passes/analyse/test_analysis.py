"""Every rank's passes and footprints, intensity, and the command `penstock analyze`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock import cli
from penstock.ir.errors import NotationError
from penstock.passes.analyse import parse_cascade, read_cascade
from penstock.passes.analyse.algebra import Polynomial
from penstock.passes.analyse.intensity import intensity
from penstock.passes.analyse.ranks import rank_reports
from penstock.passes.analyse.sizes import compulsory_elements

KEYS = {
    "passes", "levels", "footprints", "operations", "intensity", "traffic", "bounds", "rewrites", "search",
    "cascades", "groups",
}  # fmt: skip


def example(checkout: Path, name: str) -> Path:
    return checkout / "examples" / "cascades" / f"{name}.txt"


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert cli.main(["analyze", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_rank_is_reported(checkout: Path) -> None:
    reports = {each.name: each for each in rank_reports(read_cascade(example(checkout, "attention3")))}
    assert set(reports) == {"e", "f", "m", "p"}
    assert reports["m"].fused == ((1, ("QK", "GM")), (2, ("SN", "SD")), (3, ("A", "AV")))
    assert reports["m"].crossing == ("QK", "SN")
    assert (reports["m"].live.order, reports["m"].total.order) == ("O(M)", "O(M*P)")
    assert reports["p"].count.passes == reports["f"].count.passes == 1


def test_a_sub_rank_is_asked_about_by_itself(checkout: Path) -> None:
    """FuseMax Cascade 5: two passes over M0, so one M0×P0 tile of BQK stays live."""
    reports = {e.name: e for e in rank_reports(read_cascade(example(checkout, "attention1")), "m0")}
    assert set(reports) == {"(m1,m0)", "m0"}
    tile = reports["m0"]
    assert (tile.count.by_root["K"], tile.crossing, tile.total.order) == (2, ("BQK",), "O(M0*P)")


def test_renaming_an_input_is_no_pass_over_it(checkout: Path) -> None:
    reports = {each.name: each for each in rank_reports(read_cascade(example(checkout, "attention2")))}
    assert reports["(m1,m0)"].count.by_root == {"K": 2, "V": 1}


def test_an_unknown_rank_is_refused(checkout: Path) -> None:
    with pytest.raises(NotationError, match="no rank 'q'"):
        rank_reports(read_cascade(example(checkout, "attention3")), "q")


def test_orders_leave_out_factors_and_coefficients() -> None:
    terms = [(("m", "p"), 2), (("m",), 5), ((), 3), (("f", "p"), 1)]
    total = sum((Polynomial.product(ranks, n) for ranks, n in terms), Polynomial())
    assert total.order == "O(F*P + M*P)"
    assert Polynomial.product((), 3).order == "O(1)"
    assert Polynomial().order == "O(0)"


def test_polynomials_multiply() -> None:
    m, one = Polynomial.product(("m",)), Polynomial.product(())
    assert str((m + one) * (m + one)) == "M*M + 2*M + 1"
    assert str(Polynomial.product((), -2) * m) == "-2*M"


def test_intensity_is_operations_over_inputs_and_results() -> None:
    cascade = parse_cascade("M=8 N=8 K=8\nC[m,n] = sum[k] mul(A[m,k], B[k,n])")
    found = intensity(cascade)
    assert str(found.operations) == "2*K*M*N"
    assert str(found.compulsory) == "K*M + K*N + M*N"
    assert found.at(cascade, 2)["operations_per_byte"] == round(2 * 512 / (2 * 192), 6)


def test_a_window_is_as_long_as_it_reaches() -> None:
    found = intensity(parse_cascade("H=6 R=3\nY[h] = sum[r] mul(X[h+r-1], W[r])"))
    assert str(found.inputs["X"]) == "H + R - 1"


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("I=5\nY = sum[i] mul(A[i,i], B[i])", 5 + 5 + 1),  # a diagonal
        ("H=6 R=3\nY[h] = sum[r] mul(X[h+r-1], W[r])", 7 + 3 + 6),  # padding on the left is no element
        ("H=6 R=3\nY[h] = sum[r] mul(X[h*4+r], W[r])", 18 + 3 + 6),  # gaps between windows
        ("H=6\nY[h] = exp(X[h*2])", 6 + 6),
    ],
)
def test_only_elements_that_are_reached_are_compulsory(text: str, elements: int) -> None:
    assert compulsory_elements(parse_cascade(text)) == elements


def test_a_partition_is_the_product_of_its_parts(checkout: Path) -> None:
    assert str(intensity(read_cascade(example(checkout, "attention1"))).inputs["K"]) == "E*M0*M1"


# The command.


def test_a_text_is_analysed_with_and_without_a_buffer(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(example(checkout, "attention3"))
    bare = answer(capsys, path)
    assert set(bare) >= KEYS
    assert bare["traffic"] is bare["bounds"] is bare["search"] is None
    assert {each["name"] for each in bare["rewrites"]} >= {"defer", "iterate", "split_k"}
    priced = answer(capsys, path, "--buffer", "96")
    assert priced["traffic"]["buffer_elements"] == 48
    assert priced["traffic"]["bytes"] == 2 * priced["traffic"]["elements"]
    assert priced["bounds"]["elements"] <= priced["traffic"]["elements"]
    assert priced["search"]["options"][0]["passes"] == 1
    wider = answer(capsys, path, "--buffer", "96", "--element-bytes", "4")
    assert wider["traffic"]["buffer_elements"] == 24


def test_shapes_reach_partitions(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, str(example(checkout, "attention1")), "--shape", "m1=16,m0=32", "--shape", "p=8")
    assert "BK[e,m1,m0] = K[e,m1*32+m0]" in found["einsums"]
    assert (found["extents"]["m1"], found["extents"]["p"]) == (16, 8)
    assert found["cascades"][0]["passes_before"] == 1


def test_a_target_gives_its_buffer(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(example(checkout, "cascade1"))
    found = answer(capsys, path, "--target", "fusemax-cloud", "--rank", "k")
    assert found["traffic"]["buffer_bytes"] == 16 << 20
    assert set(found["passes"]) == {"k"}


def test_the_text_says_what_a_tile_keeps(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", str(example(checkout, "attention1")), "--buffer", "128"]) == 0
    said = capsys.readouterr().out
    assert "inside a tile, 2 passes over m0: one M0xP tile of BQK stays live, O(M0*P)" in said
    assert "least traffic found with a buffer of 128 bytes (64 elements of 2)" in said
    assert "lower bounds, for any schedule of these Einsums" in said


def test_a_models_cascades_are_priced_as_fused(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "zoo:bert-base,layers=1", "--target", "cpu")["cascades"]
    attention = next(each for each in found if each["name"].endswith("attention"))["analysis"]
    assert attention["intensity"]["element_bytes"] == 4
    assert attention["passes"]["(m1,m0)"]["passes"] == 1
    assert attention["traffic"]["over_compulsory"] >= 1


def test_a_rank_of_a_model_is_found_where_it_was_split(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "zoo:bert-base,layers=1", "--rank", "m")["cascades"]
    analysed = [each for each in found if "analysis" in each]
    assert [each["name"].rpartition(".")[2] for each in analysed] == ["attention"]
    assert set(analysed[0]["analysis"]["passes"]) == {"(m1,m0)", "m0"}
    assert cli.main(["analyze", "zoo:bert-base,layers=1", "--rank", "zz"]) == 2
    assert "no cascade over a rank 'zz'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--shape", "q=4"], "no rank 'q'"),
        (["--shape", "m"], "'m' is not RANK=N"),
        (["--shape", "m=0"], "'0' is not a whole number from 1 up"),
        (["--shape", "m=3,m=4"], "gives m twice"),
        (["--shape", f"m={10**18}", "--buffer", "4096"], "points (accepted: at most 9007199254740992"),
        (["--shape", f"m={10**20}"], "is not a whole number from 1 to 9223372036854775807"),
        (["--shape", "m=4", "--shape", "m=5"], "names m twice"),
        (["--rank", "z"], "no rank 'z'"),
        (["--buffer", "-5"], "'-5' is not a whole number from 1 up"),
        (["--buffer", "1"], "holds no element of 2 bytes"),
        (["--buffer", "4"], "4 elements or more"),
        (["--target", "abacus"], "no target 'abacus'"),
        (["--target", "h200"], "no memory of known size nearer than its hbm"),
        (["--target", "cpu", "--buffer", "4096"], "--target or --buffer, not both"),
    ],
)
def test_what_cannot_be_analysed_is_one_message(
    checkout: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    assert cli.main(["analyze", str(example(checkout, "attention3")), *argv]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_numbers_need_extents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dot.txt"
    path.write_text("Y = sum[k] mul(A[k], B[k])\n", encoding="utf-8")
    assert cli.main(["analyze", str(path), "--buffer", "64"]) == 2
    assert "rank 'k' has no extent" in capsys.readouterr().err
    assert answer(capsys, str(path), "--buffer", "64", "--shape", "k=9")["traffic"]["elements"] == 19


def test_scalars_alone_have_no_rank_to_speak_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scalars.txt"
    path.write_text("Z = add(A, B)\nY = exp(Z)\n", encoding="utf-8")
    found = answer(capsys, str(path), "--buffer", "64")
    assert (found["passes"], found["rewrites"], found["search"]) == ({}, [], None)
    assert found["traffic"]["elements"] == 3
    assert cli.main(["analyze", str(path)]) == 0
