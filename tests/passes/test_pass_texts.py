"""Each pass on text: ``ir/PASS/NAME.mlir`` must become ``NAME.expect`` (PENSTOCK_UPDATE=1 writes it)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.ir.errors import PassError
from penstock.ir.module import print_module
from penstock.passes.pipeline import parse_pipeline

from .modules import IR, assert_same_values, run_passes

TOLERANCES = {"precision": 1e-2}
"""Of a pass that is to change values a little; others keep them."""

CASES = sorted(IR.glob("*/*.mlir"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_pass_turns_the_text_into_the_expected_text(path: Path) -> None:
    got = print_module(run_passes(path.read_text(encoding="utf-8"), path.parent.name))
    expected = path.with_suffix(".expect")
    if os.environ.get("PENSTOCK_UPDATE"):
        expected.write_text(got, encoding="utf-8")
    assert got == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_pass_keeps_the_values_and_changes_nothing_when_run_again(path: Path) -> None:
    name = path.parent.name
    tolerance = TOLERANCES.get(name, 1e-12)
    text = print_module(assert_same_values(path.read_text(encoding="utf-8"), name, tolerance=tolerance))
    assert print_module(run_passes(text, name)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("relabel,,fuse", "a comma without a pass"),
        ("relabel,", "a comma without a pass"),
        ("fuse{p_tile=1,p_tile=2}", "option 'p_tile' is given twice"),
        ("fuse{p_tile}", "option 'p_tile' has no value"),
        ("fuse{", "not closed"),
        ("fuse}{", "unbalanced"),
        ("no-such", "unknown pass"),
    ],
)
def test_pipelines_that_do_not_parse(text: str, said: str) -> None:
    with pytest.raises(PassError, match=said) as refused:
        parse_pipeline(text)
    assert refused.value.accepted


def test_a_pipeline_of_nothing_has_no_passes() -> None:
    assert parse_pipeline(" ") == []
