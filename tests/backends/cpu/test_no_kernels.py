"""A model that only hands its inputs on compiles and runs: there is no kernel to lower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

import penstock


class Same(nn.Module):
    """Gives its input, as it is and reshaped."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x.view(6)


def test_outputs_that_are_inputs(tmp_path: Path) -> None:
    bundle = penstock.compile(Same(), {"x": torch.ones(2, 3)}, out=tmp_path / "b")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    one, other = bundle.run({"x": x}).values()
    np.testing.assert_array_equal(one, x)
    np.testing.assert_array_equal(other, x.reshape(6))
