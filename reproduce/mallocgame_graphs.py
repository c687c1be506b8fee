"""The programs of the memory-mapping benchmark: those from shapes, and the zoo's models as compiled here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir.errors import InputError
from ..passes.place.problem import Problem

ZOO: Mapping[str, Mapping[str, Sequence[int]] | None] = {
    "minilm-l6": {"s": [128]},
    "bert-base": {"s": [128]},
    "gpt2-small": {"s": [128]},
    "llama-tiny": {"s": [128]},
    "llama-7b-layer": {"s": [128]},
    "vit-small": None,
    "resnet50": None,
    "mlp": None,
}
"""Model → the sizes it is compiled for."""
TARGET = "tpu-v4i"


def names() -> tuple[str, ...]:
    """Every program of the benchmark; compiled ones as ``zoo-NAME``."""
    from ..passes.place.graphs import GRAPHS

    return (*GRAPHS, *(f"zoo-{model}" for model in ZOO))


def program(name: str) -> Problem:
    """A program of the benchmark, generated or compiled anew.

    Raises:
        InputError: no such program.
    """
    from ..passes.place.graphs import GRAPHS, graph

    if name in GRAPHS:
        return graph(name)
    model = name.removeprefix("zoo-")
    if not name.startswith("zoo-") or model not in ZOO:
        raise InputError(f"no program {name!r}", where="memory map", accepted=", ".join(names()))
    return compiled(f"zoo:{model}", name, ZOO[model])


def compiled(
    model: str, name: str, shapes: Mapping[str, Sequence[int]] | None, target: str = TARGET
) -> Problem:
    """A model's only entry as a program, fused for mapping.

    Raises:
        PenstockError: a subclass that says what is wrong with the model or the target.
    """
    from .. import api
    from ..ir.module import parse_module
    from ..ir.targets import load
    from ..passes.place.compiled import from_module

    text = api.lower(model, "relabel,simplify,fuse", shapes=shapes)
    return from_module(parse_module(text, where=model), load(target), name)
