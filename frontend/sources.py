"""MODEL arguments that are files: ``path.py:callable`` and ``file.pt2`` (the zoo has its own reader)."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from ..ir.errors import InputError

ACCEPTED = "zoo:NAME, path.py:callable, file.pt2, file.mlir"
_RETURNS = "a torch.nn.Module and its example inputs: `return module, (x, …)` or `return module, {'x': x}`"


@dataclass(frozen=True)
class Source:
    """A model read from a file.

    Attributes:
        name: short name, from the file.
        module: the model, in inference mode.
        example_inputs: tensors by name of the module's arguments.
        program: the exported program, where the file is one.
    """

    name: str
    module: nn.Module
    example_inputs: dict[str, object]
    program: ExportedProgram | None = None


def resolve(model: str) -> Source:
    """Read a model that is named by a file.

    Args:
        model: ``path.py:callable``, where the callable takes no arguments and returns a module with example
            inputs (or a module that has an attribute or method ``example_inputs``), or ``file.pt2``.

    Raises:
        InputError: no such file or callable, code that fails, or a return value of another kind.
    """
    if model.endswith(".pt2"):
        return _from_program(Path(model))
    path, colon, name = model.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise InputError("not a model", where=model, accepted=ACCEPTED)
    return _from_python(Path(path), name, model)


PROGRAM = "program"
"""Where the parameters of an exported program are, in the module made of it."""


class _Positional(nn.Module):
    """An exported program as a module whose inputs go by position, however it was exported."""

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__()
        self.program = program.module()  # called `PROGRAM`
        self.structure = program.call_spec.in_spec

    def forward(self, *inputs: object) -> object:
        assert self.structure is not None, "torch.export always states how a program is called"
        args, keywords = pytree.tree_unflatten(inputs, self.structure)
        return self.program(*args, **keywords)


def _from_program(path: Path) -> Source:
    if not path.is_file():
        raise InputError("no such file", where=str(path), accepted="a program saved by torch.export.save")
    try:
        program = torch.export.load(path)
    except (RuntimeError, ValueError, KeyError, OSError, AssertionError, zipfile.BadZipFile) as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(f"not an exported program: {first}", where=str(path)) from error
    args, kwargs = program.example_inputs or ((), {})
    names = [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    inputs = dict(zip(names, (*args, *kwargs.values()), strict=False))
    return Source(path.stem, _Positional(program), inputs, program)


def _from_python(path: Path, name: str, where: str) -> Source:
    if not path.is_file():
        raise InputError("no such file", where=str(path), accepted=ACCEPTED)
    with _importable(path.resolve().parent):
        found = getattr(_loaded(path), name, None)
        if not callable(found):
            raise InputError(f"'{path.name}' defines no callable '{name}'", where=where)
        needed = [
            parameter.name
            for parameter in inspect.signature(found).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        if needed:
            raise InputError(f"'{name}' needs {', '.join(needed)}", where=where, accepted="no arguments")
        with _users_code(path, f"'{name}' failed", where):
            module, inputs = _taken_apart(found(), where)
            module.eval()
    return Source(f"{path.stem}-{name}", module, _named(module, inputs, where))


@contextmanager
def _users_code(path: Path, what: str, where: str) -> Iterator[None]:
    """Whatever the user's own code raises, or leaves the process with, is the answer, at the file's line."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        place = where
        if isinstance(error, SyntaxError) and error.filename:
            place = f"{error.filename}:{error.lineno}"
        for frame in traceback.extract_tb(error.__traceback__):
            if Path(frame.filename).resolve() == path.resolve():
                place = f"{path}:{frame.lineno}"
        raise InputError(f"{what}: {type(error).__name__}: {error}", where=place) from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The file's siblings can be imported while it runs."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _loaded(path: Path) -> ModuleType:
    name = f"penstock_model_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _users_code(path, "cannot be imported", str(path)):
        spec.loader.exec_module(module)
    return module


def _taken_apart(made: object, where: str) -> tuple[nn.Module, object]:
    if isinstance(made, nn.Module):
        inputs = getattr(made, "example_inputs", None)
        return made, inputs() if callable(inputs) else inputs
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        return made[0], made[1]
    raise InputError(f"it returns a {type(made).__name__}", where=where, accepted=_RETURNS)


def _named(module: nn.Module, inputs: object, where: str) -> dict[str, object]:
    if isinstance(inputs, torch.Tensor):
        inputs = (inputs,)
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if not isinstance(inputs, Sequence) or isinstance(inputs, str) or not inputs:
        raise InputError("no example inputs", where=where, accepted=_RETURNS)
    names = list(inspect.signature(module.forward).parameters)
    if len(inputs) > len(names):
        raise InputError(
            f"{len(inputs)} example inputs for {len(names)} arguments", where=where, accepted=", ".join(names)
        )
    return dict(zip(names, inputs, strict=False))
