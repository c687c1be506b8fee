"""Compile a small PyTorch module, run it without torch's help, and compare.

Usage: python examples/compile_mlp.py [FOLDER]      (default: a temporary folder)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import penstock


class Perceptron(torch.nn.Module):
    """Two linear layers and a GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.up = torch.nn.Linear(64, 128)
        self.down = torch.nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.down(torch.nn.functional.gelu(self.up(x))), dim=-1)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    model, x = Perceptron().eval(), torch.randn(8, 64)
    bundle = penstock.compile(model, (x,), out=folder / "mlp")

    loaded = penstock.load(bundle.path)
    (output,) = loaded.run({"x": x.numpy()}).values()
    expected = model(x).detach().numpy()
    error = np.linalg.norm(output - expected) / np.linalg.norm(expected)
    print(f"{bundle.path}: relative error against PyTorch {error:.1e}")
    if error > 1e-5:
        raise SystemExit("the compiled module departs from PyTorch")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as place:
            main(Path(place))
