"""torch.export with errors for people: what the model does that cannot be captured, and on which line."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.export import ExportedProgram

from ..ir.errors import InputError

# A model's own code may raise anything when it is traced with these inputs, or leave the process.
_FAILURES = (Exception, SystemExit)
_TORCH = str(Path(torch.__file__).parent)


def export(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> ExportedProgram:
    """The exported program of a module in inference mode, with its shapes fixed.

    Raises:
        InputError: the model cannot be captured; the message names the line of the model.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it hides whole encoder layers in one op
    try:
        with torch.no_grad(), _quiet():
            return torch.export.export(module, args, kwargs, strict=False)
    except _FAILURES as error:
        raise InputError(f"the model cannot be exported: {essence(error)}", where=_place(error)) from error
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
                with _quiet():
                    return program.run_decompositions({})
            except _FAILURES as error:
                message = f"the model's updates in place cannot be undone: {essence(error)}"
                raise InputError(message, where=_place(error)) from error
    return program


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what PyTorch prints about a failure (it is in the error), and nothing when there is none."""
    printed, complained = io.StringIO(), io.StringIO()
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(complained),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
    print(printed.getvalue(), end="")  # the model's own words
    print(complained.getvalue(), end="", file=sys.stderr)


def essence(error: BaseException) -> str:
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
