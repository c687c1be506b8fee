"""A multi-layer perceptron: the smallest model worth compiling."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Module):
    """x [b, widths[0]] through linear layers with ReLU between them to [b, widths[-1]]."""

    def __init__(self, widths: tuple[int, ...] = (784, 512, 512, 10)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inner, outer) for inner, outer in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)
