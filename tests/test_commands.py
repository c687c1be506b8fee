"""What commands make of their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from penstock import cli, commands, options


def test_shapes_become_one_table() -> None:
    given = cli.build_parser().parse_args(["compile", "m", "--shape", "s=64,128", "--shape", "b=1"]).shape
    assert options.by_rank(given) == {"s": [64, 128], "b": [1]}
    assert options.by_rank([]) is None


def test_emitting_without_a_folder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with commands.folder(argparse.Namespace(out=None, emit="mlir")) as place:
        Path(place).mkdir()
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
