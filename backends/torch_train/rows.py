"""Which calls of a block treat every token alone, and the program that recomputes rows of skeletal tensors.

Outside attention every operator of a transformer's forward is independent along the sequence, and attention's
result is never recomputed: a slice of tokens is rebuilt from the same slice of the input and of attention's
result (MEMO, SIGMOD 2025, arXiv 2407.12117, section 4.1). What is in no rule here is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...ir.errors import InputError
from .capture import Trace
from .program import Program, Step
from .skeletal import Skeletal, moving

_aten = torch.ops.aten
_Moving = Callable[[Any], tuple[int, ...]]

_POINTWISE = (
    "add sub mul div neg pow rsqrt sqrt exp tanh sigmoid silu gelu relu erf abs clamp where maximum minimum "
    "reciprocal log log1p square leaky_relu hardtanh softplus _to_copy clone masked_fill rsub"
)
_VIEWS = "view _unsafe_view reshape transpose t permute unsqueeze squeeze expand detach alias contiguous"


def _pointwise(step: Step, moves: _Moving, rank: Callable[[Any], int]) -> bool:
    """Tokens of all operands lie along the axis they have in the result, counted from the last."""
    made = {axis - rank(step.results[0]) for axis in moves(step.results[0])}
    return all({axis - rank(each) for axis in moves(each)} <= made for each in step.reads)


def _view(step: Step, moves: _Moving, rank: Callable[[Any], int]) -> bool:
    """A view keeps rows as they are; one that mixes them is seen where axes are contracted."""
    return bool(moves(step.results[0])) == bool(moves(step.reads[0]))


def _product(step: Step, moves: _Moving, rank: Callable[[Any], int]) -> bool:
    """A matrix product whose second operand has no tokens, along whose depth there are none."""
    *bias, left, right = step.reads
    still = all(not moves(each) for each in bias)
    return still and not moves(right) and rank(left) - 1 not in moves(left)


def _along(place: int, default: Any = None) -> Callable[..., bool]:
    """The axes in an argument are none that tokens lie along."""

    def rule(step: Step, moves: _Moving, rank: Callable[[Any], int]) -> bool:
        axes = step.arguments[place] if place < len(step.arguments) else default
        for each in step.reads:
            chosen = range(rank(each)) if axes is None else axes if isinstance(axes, list) else [axes]
            if {axis % rank(each) for axis in chosen} & set(moves(each)):
                return False
        return bool(moves(step.results[0])) == any(moves(each) for each in step.reads)

    return rule


def _norm(step: Step, moves: _Moving, rank: Callable[[Any], int]) -> bool:
    """A norm over last axes that no tokens lie along, with weights that have none."""
    x, *weights = step.reads
    normed = range(rank(x) - len(step.arguments[1]), rank(x))
    return not set(normed) & set(moves(x)) and not any(moves(each) for each in weights)


RULES: Mapping[str, Callable[..., bool]] = {
    **dict.fromkeys(_POINTWISE.split(), _pointwise),
    **dict.fromkeys(_VIEWS.split(), _view),
    "mm": _product,
    "addmm": _product,
    "slice": _along(1, 0),
    "select": _along(1),
    "split": _along(2, 0),
    "split_with_sizes": _along(2, 0),
    "chunk": _along(2, 0),
    "unbind": _along(1, 0),
    "cat": _along(1, 0),
    "stack": _along(1, 0),
    "mean": _along(1),
    "sum": _along(1),
    "amax": _along(1),
    "_softmax": _along(1),
    "native_layer_norm": _norm,
    "_fused_rms_norm": _norm,
}
"""ATen's name → whether a call of it treats every token alone."""


@dataclass(frozen=True)
class RowProgram:
    """Recomputes rows of skeletal tensors.

    Attributes:
        first: the first token; rows go on to the end of each sequence.
        program: calls on the rows alone.
        trace: the trace its values are numbered in.
        leaves: skeletal tensors whose rows it reads.
        targets: skeletal tensors whose rows it makes.
    """

    first: int
    program: Program
    trace: Trace
    leaves: tuple[Skeletal, ...]
    targets: tuple[Skeletal, ...]


def check_rows(whole: Trace, short: Trace, tensors: Sequence[Skeletal], where: str) -> None:
    """Refuse a block whose skeletal tensors cannot be recomputed by rows, all reasons at once.

    Raises:
        InputError: operators that mix tokens or are not in the table; calls that depend on the length.
    """
    if [step.op for step in whole.forward] != [step.op for step in short.forward]:
        raise InputError("calls other operators on fewer tokens", where=where, accepted="the same ones")
    mixing: dict[str, None] = {}
    for step in _needed(whole, tensors, ()):
        if not _alone(whole, short, step):
            mixing[step.op.name().removeprefix("aten::")] = None
    if mixing:
        raise InputError(
            f"mixes tokens outside attention, or may: {', '.join(mixing)}",
            where=where,
            accepted=f"along the sequence nothing but attention; elsewhere {', '.join(sorted(RULES))}",
        )


def row_program(
    short: Trace, tensors: Sequence[Skeletal], targets: Collection[str], there: Collection[str], first: int
) -> RowProgram:
    """The program that recomputes the last rows of some skeletal tensors.

    Args:
        short: the block traced on so many tokens.
        tensors: all skeletal tensors.
        targets: names of those to be recomputed.
        there: names of those whose rows are there already.
        first: the first token to be recomputed.
    """
    wanted = [tensor for tensor in tensors if tensor.name in targets]
    known = [tensor for tensor in tensors if tensor.name in there]
    steps = _needed(short, wanted, known)
    read = {value for step in steps for value in step.reads}
    leaves = tuple(tensor for tensor in known if tensor.value in read)
    program = Program.of(steps, tuple(tensor.value for tensor in wanted))
    return RowProgram(first, program, short, leaves, tuple(wanted))


def _needed(trace: Trace, targets: Sequence[Skeletal], known: Sequence[Skeletal]) -> list[Step]:
    """Steps that the targets come from, up to attention and what is known."""
    stop = {tensor.value for tensor in known} | {trace.x}
    wanted = {tensor.value for tensor in targets} - stop
    steps: list[Step] = []
    for at, step in reversed(list(enumerate(trace.forward))):
        made = {value for value in step.results if value is not None}
        if at == trace.attention or not made & wanted or made & wanted <= stop:
            continue
        steps.append(step)
        wanted.update(value for value in step.reads if value not in stop)
    return steps[::-1]


def _alone(whole: Trace, short: Trace, step: Step) -> bool:
    name = step.op.name().removeprefix("aten::").partition(".")[0]

    def moves(value: int) -> tuple[int, ...]:
        return moving(whole, short, value)

    def rank(value: int) -> int:
        return len(whole.value(value).shape)

    if not any(moves(each) for each in step.results if each is not None):
        return not any(moves(each) for each in step.reads)  # of parameters alone
    rule = RULES.get(name)
    return rule is not None and rule(step, moves, rank)
