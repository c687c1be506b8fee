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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mapped memory on Linux alone")
def test_a_transformer_trains_under_a_cap_that_plain_pytorch_exceeds(checkout: Path) -> None:
    def losses(mode: str, mib: int) -> tuple[int, list[str], str]:
        command = [sys.executable, str(checkout / "examples" / "train_under_cap.py"), mode, str(mib)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr

    status, ours, said = losses("memo", 800)
    assert status == 0, said
    status, none, said = losses("plain", 800)
    assert (status, none) == (1, [])
    assert "can't allocate memory" in said
    status, plain, said = losses("plain", 4096)
    assert status == 0, said
    assert ours == plain
    assert len(ours) == 3


@pytest.mark.slow
def test_words_are_looked_up_without_showing_which(checkout: Path) -> None:
    program = checkout / "examples" / "private_lookup.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[-4:]
    assert [line.partition(": ")[2].partition(",")[0] for line in lines[:3]] == ["12 accesses"] * 3
    assert all(float(line.rpartition(" ")[2]) < 1e-6 for line in lines[:3])
    assert "pages of 4096 bytes" in lines[3]


def test_every_example_says_how_it_is_run(checkout: Path) -> None:
    for path in (checkout / "examples").glob("*.py"):
        first = path.read_text(encoding="utf-8").partition('"""\n')[0]
        assert f"examples/{path.name}" in first, path
