"""Runs an exported graph in eager PyTorch and keeps the value of every node: the reference of `verify`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind


def node_values(program: ExportedProgram, inputs: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Value of every node that is a single tensor, by node name.

    Args:
        program: as `raise_entries` keeps it.
        inputs: tensors by the names of the program's inputs.
    """
    kept: dict[str, np.ndarray] = {}

    class Keeper(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            result = super().run_node(n)
            if isinstance(result, torch.Tensor):
                kept[n.name] = result.detach().numpy()
            return result

    state = {**program.state_dict, **program.constants}
    arguments = [
        inputs[spec.arg.name] if spec.kind == InputKind.USER_INPUT else state[str(spec.target)]
        for spec in program.graph_signature.input_specs
    ]
    with torch.inference_mode():
        Keeper(program.graph_module).run(*arguments)
    return kept
