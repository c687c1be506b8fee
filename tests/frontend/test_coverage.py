"""The page of operators is what the frontend does today."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from penstock.frontend.coverage import main, page
from penstock.frontend.einsums import covered


@pytest.mark.slow
def test_the_page_is_current(checkout: Path) -> None:
    """Otherwise: python -m penstock.frontend.coverage."""
    assert (checkout / "docs" / "op_coverage.md").read_text() == page()


def test_every_form_names_an_operator_that_exists() -> None:
    for name in covered():
        space, op, *overload = name.split(".")
        packet = getattr(getattr(torch.ops, space), op, None)
        assert packet is not None, name
        assert not overload or overload[0] in packet.overloads(), name


def test_help_and_unknown_options_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, status in ((["--help"], 0), (["--hepl"], 2), (["a", "b"], 2)):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == status
        assert "usage: python -m penstock.frontend.coverage" in "".join(capsys.readouterr())
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "it is a directory" in capsys.readouterr().err
