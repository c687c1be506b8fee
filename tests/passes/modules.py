"""Small modules in text, random inputs for them, and the check that passes keep what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from penstock.ir.cascade import shape_of
from penstock.ir.interpreter import interpret
from penstock.ir.mlir import func, ir
from penstock.ir.module import parse_module, print_module
from penstock.passes.pipeline import parse_pipeline, run_pipeline

IR = Path(__file__).parent / "ir"


def module_text(arguments: Sequence[str], body: Sequence[str], results: str, returned: str) -> str:
    """A module with one function; arguments as ``name: 2x3xf64``, body lines in MLIR."""
    listed = ", ".join(
        f'%{name}: tensor<{kind}> {{penstock.kind = "input", penstock.name = "{name}"}}'
        for name, kind in (each.split(": ") for each in arguments)
    )
    lines = "\n".join(f"  {line}" for line in body)
    return f"func.func @main({listed}) -> {results} {{\n{lines}\n  return {returned} : {results}\n}}\n"


def random_inputs(module: ir.Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Values for the arguments of @main by name: normal floats, small integers, fair booleans."""
    generator = np.random.default_rng(seed)
    main = next(
        op for op in module.body.operations if isinstance(op, func.FuncOp) and op.name.value == "main"
    )
    found: dict[str, np.ndarray] = {}
    for value, given in zip(main.arguments, ir.ArrayAttr(main.attributes["arg_attrs"]), strict=True):
        name = ir.StringAttr(ir.DictAttr(given)["penstock.name"]).value
        shape, element = shape_of(value), str(ir.RankedTensorType(value.type).element_type)
        if element == "i1":
            found[name] = generator.random(shape) < 0.5
        elif element.startswith("i"):
            found[name] = generator.integers(0, 5, shape)
        else:
            found[name] = generator.normal(size=shape)
    return found


def run_passes(text: str, pipeline: str) -> ir.Module:
    """The module after passes, its text checked to read back as itself after each."""

    def check(name: str, module: ir.Module) -> None:
        printed = print_module(module)
        assert print_module(parse_module(printed)) == printed, f"after {name}"

    module, _ = run_pipeline(parse_module(text), parse_pipeline(pipeline), check)
    return module


def assert_same_values(
    text: str, pipeline: str, inputs: dict[str, np.ndarray] | None = None, tolerance: float = 1e-12
) -> ir.Module:
    """Run passes one by one; after each the float64 interpreter gives what it gave before, NaN included."""
    start = parse_module(text)
    given = random_inputs(start) if inputs is None else inputs
    with np.errstate(all="ignore"):
        wanted = list(interpret(start, "main", given).values())

    def check(name: str, module: ir.Module) -> None:
        with np.errstate(all="ignore"):
            got = list(interpret(module, "main", given).values())
        for old, new in zip(wanted, got, strict=True):
            np.testing.assert_allclose(new, old, rtol=tolerance, atol=tolerance, err_msg=f"after {name}")

    module, _ = run_pipeline(start, parse_pipeline(pipeline), check)
    return module
