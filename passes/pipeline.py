"""The order of the passes: the default pipeline, its textual form, and the runner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..ir.cascade import verify
from ..ir.errors import InputError, PassError
from ..ir.formats import lookup
from ..ir.mlir import ir
from .base import Pass, create
from .precision import Precision

DEFAULT = (
    "relabel",  # first: views and transposes must be index expressions before cascades can be seen
    "simplify",  # before fuse: duplicates would hide that two readers share one streamed tensor
    "fuse",  # before place: only what leaves a group needs memory
    "place",  # last: the order of steps is final, so lifetimes are
)


FULL = "fp32"
PRECISIONS = (FULL, "bf16")
"""What contractions of f32 tensors may round their operands to: nothing, or bf16."""


def with_options(
    pipeline: str | None,
    quantize: str | None = None,
    precision: str = FULL,
    private: Sequence[str] = (),
    tokens: str = "",
) -> str | None:
    """The default pipeline with weights quantized or contractions rounded, as text; else the one given.

    Args:
        pipeline: passes, or None for the default ones.
        quantize: number format of the weights.
        precision: one of `PRECISIONS`.
        private: inputs whose look-ups are oblivious; the pass comes first, before a pipeline given too.
        tokens: what a rounded model's linear layers with packed weights take their tokens in, where the
            backend has kernels for that (`Precision.tokens`); as they are when not given.

    Raises:
        InputError: no such number format or precision, or a pipeline given beside one.
    """
    if precision not in PRECISIONS:
        raise InputError(f"no precision '{precision}'", where="--precision", accepted=", ".join(PRECISIONS))
    items: dict[str, str] = {}
    if quantize:
        items["--quantize"] = f"quantize{{format={lookup(quantize).name}}}"
    if precision != FULL:  # after quantize: quantized weights are not rounded
        more = f",tokens={tokens}" if quantize and tokens else ""
        items["--precision"] = f"precision{{contract={precision}{more}}}"
    if private:
        first = f"oblivious{{private={'+'.join(private)}}}"
        return ",".join((first, with_options(pipeline, quantize, precision, (), tokens) or ",".join(DEFAULT)))
    if not items:
        return pipeline
    if pipeline is not None:
        option, item = next(iter(items.items()))
        raise InputError(f"both a pipeline and {option}", accepted=f"--pipeline with {item} in it")
    before = DEFAULT.index("fuse")  # parameters are read by their contractions alone, not yet by groups
    return ",".join((*DEFAULT[:before], *items.values(), *DEFAULT[before:]))


def rounds(passes: Iterable[Pass]) -> str:
    """The precision that passes give contractions, one of `PRECISIONS`."""
    return next((one.contract for one in passes if isinstance(one, Precision)), FULL)


@dataclass(frozen=True)
class PassTiming:
    """Wall time of one pass, seconds."""

    name: str
    seconds: float


def parse_pipeline(text: str | None) -> list[Pass]:
    """Passes from ``"relabel,fuse{p_tile=64},place"``; the default pipeline for None.

    Raises:
        PassError: malformed text, unknown pass or option.
    """
    if text is None:
        return [create(name, {}) for name in DEFAULT]
    items = _split(text) if text.strip() else []
    if not all(item.strip() for item in items):
        raise PassError("a comma without a pass", where=text, accepted="a,b{k=v,k2=v}")
    return [_parse_item(item) for item in items]


def _split(text: str) -> list[str]:
    items, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth < 0 or depth > 1:
            raise PassError(f"unbalanced braces at column {place + 1}", where=text, accepted="a,b{k=v,k2=v}")
        if letter == "," and depth == 0:
            items.append(text[start:place])
            start = place + 1
    if depth:
        raise PassError("a brace is not closed", where=text, accepted="a,b{k=v,k2=v}")
    return [*items, text[start:]]


def _parse_item(item: str) -> Pass:
    name, brace, rest = item.strip().partition("{")
    options: dict[str, str] = {}
    if brace:
        body = rest.removesuffix("}")
        for pair in filter(None, (part.strip() for part in body.split(","))):
            key, equals, value = pair.partition("=")
            if not equals:
                raise PassError(f"option '{pair}' has no value", where=item, accepted="key=value")
            if key.strip() in options:
                raise PassError(f"option '{key.strip()}' is given twice", where=item, accepted="once")
            options[key.strip()] = value.strip()
    return create(name.strip(), options)


def run_pipeline(
    module: ir.Module,
    passes: list[Pass],
    after: Callable[[str, ir.Module], None] | None = None,
) -> tuple[ir.Module, list[PassTiming]]:
    """Run passes in order, verifying after each.

    Args:
        module: changed in place by most passes.
        passes: from `parse_pipeline`.
        after: called with the pass name and the module after each pass.

    Raises:
        PassError: a pass left a module that does not verify.
    """
    timings = []
    for one in passes:
        start = time.perf_counter()
        module = one.run(module)
        timings.append(PassTiming(one.name, time.perf_counter() - start))
        try:
            module.operation.verify()
            verify(module)
        except (ir.MLIRError, InputError) as error:
            raise PassError(f"left a module that does not verify: {error}", where=one.name) from error
        if after is not None:
            after(one.name, module)
    return module, timings
