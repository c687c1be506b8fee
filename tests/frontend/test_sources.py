"""Models named by files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from penstock.frontend.sources import resolve
from penstock.frontend.torch_export import raise_programs
from penstock.ir.errors import InputError

PROGRAM = """
import torch
from torch import nn
from sibling import WIDTH

def model():
    return nn.Linear(WIDTH, 2), (torch.ones(1, WIDTH),)

def alone():
    module = nn.ReLU()
    module.example_inputs = {"input": torch.ones(3)}
    return module

def bare():
    return nn.ReLU()

def broken():
    return nn.Linear(2, 2, nonsense=1)

def wrong():
    return 3

def leaves():
    raise SystemExit(3)

def late():
    module = nn.ReLU()
    module.example_inputs = lambda: 1 / 0
    return module

def needy(width):
    return nn.Linear(width, 2)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "sibling.py").write_text("WIDTH = 4\n")
    path = tmp_path / "models.py"
    path.write_text(PROGRAM)
    return path


def test_a_callable_gives_a_module_and_its_inputs(program: Path) -> None:
    source = resolve(f"{program}:model")
    assert source.name == "models-model"
    assert not source.module.training
    assert list(source.example_inputs) == ["input"]
    assert list(resolve(f"{program}:alone").example_inputs) == ["input"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bare", "no example inputs"),
        ("broken", r"models\.py:18: 'broken' failed: TypeError"),
        ("leaves", r"models\.py:24: 'leaves' failed: SystemExit: 3"),
        ("late", r"models\.py:28: 'late' failed: ZeroDivisionError"),
        ("wrong", "returns a int"),
        ("needy", "needs width"),
        ("absent", "defines no callable 'absent'"),
    ],
)
def test_what_does_not_give_a_model_is_told(program: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(f"{program}:{name}")


def test_code_that_fails_is_told_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nothing_of_the_kind\n")
    (tmp_path / "syntax.py").write_text("x = 1\ndef model(:\n")
    (tmp_path / "bytes.py").write_bytes(b"x = '\0\xff'")
    with pytest.raises(InputError, match=r"bad\.py:1: cannot be imported: ModuleNotFoundError"):
        resolve(f"{tmp_path / 'bad.py'}:model")
    with pytest.raises(InputError, match=r"syntax\.py:2: cannot be imported: SyntaxError"):
        resolve(f"{tmp_path / 'syntax.py'}:model")
    with pytest.raises(InputError, match=r"bytes\.py.*cannot be imported"):
        resolve(f"{tmp_path / 'bytes.py'}:model")
    with pytest.raises(InputError, match="no such file"):
        resolve(f"{tmp_path / 'gone.py'}:model")
    with pytest.raises(InputError, match="not a model"):
        resolve("resnet50")


def test_an_exported_program(tmp_path: Path) -> None:
    path = tmp_path / "layer.pt2"
    torch.export.save(torch.export.export(nn.Linear(3, 2), (torch.ones(1, 3),)), path)
    source = resolve(str(path))
    assert source.program is not None
    assert list(source.example_inputs) == ["input"]
    made = raise_programs({"main": source.program})
    assert sorted(made.params) == ["bias", "weight"]
    path.write_bytes(b"no program")
    with pytest.raises(InputError, match="not an exported program"):
        resolve(str(path))
