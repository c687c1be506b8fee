"""The benchmark's programs, generated from shapes: deterministic, at batch sizes of an inference server.

Values are bfloat16. Element-wise work is fused into the operation before it, as a compiler would. Compute
times are a TPUv4i-like chip's (`builder.FLOPS_PER_S`); what memory costs is the machine's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ....ir.errors import InputError
from ..problem import Problem
from . import language, strassen, vision

GRAPHS: Mapping[str, Callable[[], Problem]] = {
    "alexnet": vision.alexnet,
    "resnet50": vision.resnet50,
    "mobilenetv2": vision.mobilenetv2,
    "unet": vision.unet,
    "bert": language.bert,
    "gpt-decode": language.gpt_decode,
    "lstm": language.lstm,
    "strassen": strassen.strassen,
}
"""Name → generator."""


def graph(name: str) -> Problem:
    """A program of the benchmark.

    Raises:
        InputError: no such program.
    """
    if name not in GRAPHS:
        raise InputError(f"no graph {name!r}", where="memory map", accepted=", ".join(GRAPHS))
    return GRAPHS[name]()
