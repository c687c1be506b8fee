"""The examples run as their first lines say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock import cli


@pytest.mark.slow
def test_compile_mlp_agrees_with_pytorch(checkout: Path, tmp_path: Path) -> None:
    program = checkout / "examples" / "compile_mlp.py"
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "relative error against PyTorch" in done.stdout


@pytest.mark.slow
def test_a_model_of_ones_own_compiles_and_verifies(checkout: Path, tmp_path: Path) -> None:
    model = f"{checkout / 'examples' / 'my_model.py'}:build"
    assert cli.main(["compile", model, "--verify", "-o", str(tmp_path / "mine")]) == cli.DONE


def test_every_example_says_how_it_is_run(checkout: Path) -> None:
    for path in (checkout / "examples").glob("*.py"):
        first = path.read_text(encoding="utf-8").partition('"""\n')[0]
        assert f"examples/{path.name}" in first, path
