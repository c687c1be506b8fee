"""What is compiled does not depend on the order in which a process happens to walk its sets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODEL = """\
import torch

from penstock.frontend.zoo.bert import BertConfig, BertLayer


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = BertLayer(BertConfig(layers=1, width=32, heads=2, inner=96, head="hidden"))

    def forward(self, x, mask):
        return self.layer(x, mask)


def build():
    torch.manual_seed(0)
    return Model().eval(), (torch.randn(2, 8, 32), torch.ones(2, 1, 1, 8, dtype=torch.bool))
"""

MEASURED = {"seconds", "curve", "files", "seal"}
"""What says how long something took, and the hashes of the files that do."""


def kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: kept(each) for key, each in value.items() if key not in MEASURED}
    return [kept(each) for each in value] if isinstance(value, list) else value


def contents(folder: Path) -> dict[str, Any]:
    """File → what it holds, without what was measured."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: kept(json.loads(data)) if name.endswith(".json") else data for name, data in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "h200", "sn40l-small", "tpu-v4i"])
def test_two_processes_compile_the_same(target: str, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    layer = ["--layer", "layer"] if target == "sn40l-small" else []
    told = [sys.executable, "-m", "penstock", "compile", "model.py:build", "--target", target, *layer]
    running = [
        subprocess.Popen([*told, "-o", seed], cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert [each.wait() for each in running] == [0, 0]
    one, other = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
