"""torch.export with errors for people: what the model does that cannot be captured, and on which line."""

from __future__ import annotations

import re
import traceback
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.export import ExportedProgram

from ..ir.errors import InputError

# What a model's own code may raise when it is traced with these inputs.
_FAILURES = (
    RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError, ArithmeticError,
)  # fmt: skip
_TORCH = str(Path(torch.__file__).parent)


def export(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> ExportedProgram:
    """The exported program of a module in inference mode, with its shapes fixed.

    Raises:
        InputError: the model cannot be captured; the message names the line of the model.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it hides whole encoder layers in one op
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(module, args, kwargs, strict=False)
    except _FAILURES as error:
        raise InputError(f"the model cannot be exported: {_essence(error)}", where=_place(error)) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def functional(program: ExportedProgram) -> ExportedProgram:
    """The program without in-place updates and wrapped regions; the same one if it has none."""
    for node in program.graph.nodes:
        if node.op != "call_function":
            continue
        target = node.target
        in_place = isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable
        if in_place or isinstance(target, torch._ops.HigherOrderOperator):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return program.run_decompositions({})
            except _FAILURES as error:
                message = f"the model's updates in place cannot be undone: {_essence(error)}"
                raise InputError(message, where=_place(error)) from error
    return program


def _essence(error: BaseException) -> str:
    """The first sentence of PyTorch's message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines()]
    wanted = [
        line for line in lines if line and not line.startswith(("While executing", "Original traceback", "("))
    ]
    text = wanted[0] if wanted else type(error).__name__
    if isinstance(error, KeyError):
        text = f"missing key {text}"
    return re.sub(r"\s+", " ", text).removesuffix(".")


def _place(error: BaseException) -> str | None:
    """The innermost line of the model's own code."""
    found = re.findall(r'File "([^"]+)", line (\d+), in', str(error))
    own = [(file, int(line)) for file, line in found if not file.startswith(_TORCH)]
    if not own:
        frames = traceback.extract_tb(error.__traceback__)
        here = str(Path(__file__).parent)
        own = [
            (frame.filename, frame.lineno or 0)
            for frame in frames
            if not frame.filename.startswith((_TORCH, here, "<"))
        ]
    return f"{own[-1][0].rpartition('/')[2]}:{own[-1][1]}" if own else None
