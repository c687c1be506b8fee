"""Skeletal tensors of a block: what its forward makes and its backward reads, as memory with tokens in a row.

Each is one storage of the trace, whatever views of it are saved; parameters are none of them (MEMO, SIGMOD
2025, arXiv 2407.12117, section 3.2). Seen as ``[outer, tokens, inner]`` elements, a prefix of its tokens is
`outer` pieces of contiguous memory: one, where the batch is one sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from ...ir.errors import InputError
from ...ir.swap_plan import ALWAYS, TOKEN, place
from .capture import Trace
from .program import Program, Step

INPUT = "input"


@dataclass(frozen=True)
class Skeletal:
    """One skeletal tensor.

    Attributes:
        name: of the call that makes it; ``input`` is the block's input.
        kind: ``always`` swapped whole, as the input and what attention gives, or split by ``token``.
        value: the number of the trace's first value in it, of its whole memory.
        views: numbers of the values in it that the backward reads.
        dtype: of its elements.
        outer, tokens, inner: its memory as elements; `tokens` of one sequence.
    """

    name: str
    kind: str
    value: int
    views: tuple[int, ...]
    dtype: torch.dtype
    outer: int
    tokens: int
    inner: int

    @property
    def bytes(self) -> int:
        """Of all of it."""
        return self.outer * self.tokens * self.token_bytes

    @property
    def token_bytes(self) -> int:
        """Of one token of one sequence."""
        return self.inner * self.dtype.itemsize

    def rows(self, memory: Tensor, first: int, end: int) -> Tensor:
        """Tokens `first` to `end` of its flat memory, ``[outer, tokens, inner]``."""
        return memory.view(self.outer, self.tokens, self.inner)[:, first:end]


@dataclass(frozen=True)
class Saved:
    """Everything that lies between a block's forward and its backward.

    Attributes:
        tensors: skeletal tensors in the order in which the forward makes them, its input first.
        held: values that depend on no token, such as a random state: kept as they are.
        forward: gives the output; skeletal tensors are written to their memory on the way.
        backward: gives the input's gradient and then the parameters'.
    """

    tensors: tuple[Skeletal, ...]
    held: tuple[int, ...]
    forward: Program
    backward: Program

    @property
    def bytes(self) -> int:
        """Of a buffer with all of them, each at a multiple of what `place` rounds to."""
        return sum(place(tensor.bytes) for tensor in self.tensors)


def moving(whole: Trace, short: Trace, value: int) -> tuple[int, ...]:
    """Axes of a value whose length depends on the number of tokens."""
    pairs = zip(whole.value(value).shape, short.value(value).shape, strict=True)
    return tuple(axis for axis, (long, cut) in enumerate(pairs) if long != cut)


def saved(whole: Trace, short: Trace, tokens: int, where: str) -> Saved:
    """What a block saves.

    Args:
        whole: its trace.
        short: its trace on fewer tokens, the same calls.
        tokens: of one sequence of the whole.
        where: the block's name, for errors.

    Raises:
        InputError: a tensor it saves grows with the square of the sequence.
    """
    made: dict[int, int] = {}
    for value in [whole.x, *(each for step in whole.forward for each in step.results if each is not None)]:
        if whole.values[value] is not None:
            made.setdefault(whole.value(value).storage, value)
    outside = {whole.value(each).storage for each in (*whole.extras, *whole.params.values())}
    attention = {
        whole.value(each).storage
        for each in whole.forward[whole.attention].results
        if each is not None and whole.values[each] is not None
    }
    forward_values = {
        whole.x,
        *(each for step in whole.forward for each in step.results if each is not None),
    }
    read = [each for step in whole.backward for each in step.reads if each in forward_values]
    views: dict[int, list[int]] = {whole.value(whole.x).storage: []}
    held: list[int] = []
    for value in dict.fromkeys(read):
        found = whole.values[value]
        if found is None or (found.storage not in outside and not moving(whole, short, made[found.storage])):
            held.append(value)
        elif found.storage not in outside:
            views.setdefault(found.storage, []).append(value)
    order = sorted(views, key=lambda storage: made[storage])
    always = {whole.value(whole.x).storage, *attention}
    tensors = tuple(
        _skeletal(whole, short, made[each], views[each], ALWAYS if each in always else TOKEN, tokens, where)
        for each in order
    )
    prelude = _prelude(whole, read, outside)
    gradients = (whole.dx, *(each for each in whole.dparams.values() if each is not None))
    return Saved(
        tensors,
        tuple(held),
        Program.of(whole.forward, (whole.y, *held)),
        Program.of([*prelude, *whole.backward], tuple(dict.fromkeys(gradients))),
    )


def _skeletal(
    whole: Trace, short: Trace, value: int, views: Sequence[int], kind: str, tokens: int, where: str
) -> Skeletal:
    axes = moving(whole, short, value)
    form = whole.value(value)
    if len(axes) != 1:
        raise InputError(
            f"saves {form.name}, {list(form.shape)}, which grows with the sequence along {len(axes)} axes",
            where=where,
            accepted="tensors of one row a token: attention that keeps no scores and is given no mask",
        )
    inner = form.stride[axes[0]]
    if prod(form.shape) % (tokens * inner):
        raise InputError(
            f"saves {form.name}, {list(form.shape)}, whose memory {tokens} tokens do not share evenly",
            where=where,
            accepted="lengths that attention does not pad, such as multiples of 128",
        )
    name = INPUT if value == whole.x else form.name
    outer = prod(form.shape) // (tokens * inner)
    return Skeletal(name, kind, value, tuple(views), form.dtype, outer, tokens, inner)


def _prelude(whole: Trace, read: Sequence[int], outside: set[int]) -> list[Step]:
    """Steps of the forward that the backward has to repeat: views of parameters and arguments."""
    needed = {each for each in read if whole.values[each] and whole.value(each).storage in outside}
    steps: list[Step] = []
    for step in reversed(whole.forward):
        if needed.intersection(each for each in step.results if each is not None):
            steps.append(step)
            needed.update(step.reads)
    return steps[::-1]
