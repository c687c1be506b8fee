"""The map from a contraction's result to a score at one point, as a function in C++."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ....ir.einsum import Access, Coord, Index, Literal
from ....ir.errors import PassError
from ...cpu.kernels.group import Step, Tensor
from ..codegen.text import ELEMENTS, VALUES, Names, index_text, literal_text, operator_text
from ..kernel import row_major
from .streamed import Streamed

_FAST = {"ein::tanh(": "tanh_fast("}
"""Functions that have a form on the special-function units, exact enough for scores of 16-bit operands."""


def offset_text(access: Access, shape: Sequence[int], skip: Sequence[str] = ()) -> str:
    """Offset of an element of a row-major tensor; ranks in `skip` stand at 0."""
    total: dict[str, int] = {}
    const = 0
    for index, stride in zip(access.index, row_major(tuple(shape)), strict=True):
        const += index.const * stride
        for rank, coeff in index.terms:
            if rank not in skip:
                total[rank] = total.get(rank, 0) + coeff * stride
    text = index_text(Index(tuple((rank, factor) for rank, factor in total.items() if factor), const))
    return text if math.prod(shape) < 1 << 31 else text.replace(" * ", " * 1ll * ")


def stride_of(access: Access, shape: Sequence[int], rank: str) -> int:
    """How far apart neighbours along a rank lie, in elements."""
    return sum(
        coeff * stride
        for index, stride in zip(access.index, row_major(tuple(shape)), strict=True)
        for name, coeff in index.terms
        if name == rank
    )


def score_text(cascade: Streamed, parameters: Mapping[Tensor, str]) -> list[str]:
    """``score<kWhole>(QK, b, h, p, m, …)``: the chain, and −∞ behind the end of the streamed rank.

    With `kWhole` the point is known to lie inside, where the mask holds.
    """
    names = Names([*cascade.rows, cascade.key, *parameters.values(), "kWhole"])
    product = names.take(cascade.product.name)
    known: dict[Tensor, tuple[str, str]] = {cascade.product: (product, "float")}
    for tensor, name in parameters.items():
        known[tensor] = (name, VALUES[tensor.element])
    lines, condition_only = [], _only_for(cascade)
    for step in cascade.chain:
        lines += [f"  {line}" for line in _step(step, cascade, known, names, step in condition_only)]
    ranks = ", ".join(f"int {rank}" for rank in (*cascade.rows, cascade.key))
    given = "".join(
        f", const {ELEMENTS[tensor.element]}* __restrict__ {name}" for tensor, name in parameters.items()
    )
    used = "".join(f"  (void){rank};" for rank in cascade.rows)
    extent = cascade.extents[cascade.key]
    return [
        "template <bool kWhole>",
        f"__device__ __forceinline__ float score(float {product}, {ranks}{given}) {{",
        f"  if (!kWhole && {cascade.key} >= {extent}) return -ein::infinity();",
        *([used, f"  (void){cascade.key};"]),
        *lines,
        f"  return {known[cascade.scores][0]};",
        "}",
    ]


def _only_for(cascade: Streamed) -> set[Step]:
    """Einsums that nothing but the mask's condition reads."""
    if cascade.masked is None or cascade.masked.einsum.map != "where":
        return set()
    wanted = {cascade.scores}
    for step in reversed(cascade.chain):
        if step.output in wanted:
            inputs = step.inputs[1:] if step is cascade.masked and _conditioned(step) else step.inputs
            wanted |= set(inputs)
    return {step for step in cascade.chain if step.output not in wanted}


def _conditioned(step: Step) -> bool:
    """Whether the condition of a choice is a tensor, so the first of the inputs."""
    return isinstance(step.einsum.operands[0], Access)


def _step(
    step: Step, cascade: Streamed, known: dict[Tensor, tuple[str, str]], names: Names, mask: bool
) -> list[str]:
    result = VALUES[step.output.element]
    inputs = iter(step.inputs)
    texts: list[tuple[str, str]] = []
    for operand in step.einsum.operands:
        if isinstance(operand, Literal):
            texts.append(("", ""))
        elif isinstance(operand, Coord):
            texts.append((f"({index_text(operand.index)})", "int"))
        else:
            tensor = next(inputs)
            texts.append(_operand(operand, tensor, step, known))
    wanted = result if result != "bool" else next((kind for _, kind in texts if kind), "float")
    for number, operand in enumerate(step.einsum.operands):
        if isinstance(operand, Literal):
            texts[number] = (literal_text(operand, wanted), wanted)
    name = names.take(step.output.name)
    known[step.output] = (name, result)
    text = operator_text(step.einsum.map, texts, result)
    for slow, fast in _FAST.items():
        text = text.replace(slow, fast)
    if step.output.element in ("bf16", "f16"):
        text = f"rounded<{ELEMENTS[step.output.element]}>({text})"
    if mask:
        text = f"kWhole || {text}" if result == "bool" else text
    if step is cascade.masked and step.einsum.map == "where":
        live = next(
            given
            for given, operand in zip(texts[1:], step.einsum.operands[1:], strict=True)
            if not isinstance(operand, Literal)
        )
        text = f"kWhole ? {live[0]} : {text}"
    return [f"// {step.text}", f"const {result} {name} = {text};"]


def _operand(
    operand: Access, tensor: Tensor, step: Step, known: Mapping[Tensor, tuple[str, str]]
) -> tuple[str, str]:
    name, kind = known[tensor]
    if tensor.argument is None:
        own = [rank for rank in step.einsum.output.ranks if rank in operand.ranks]
        if any(index.plain is None for index in operand.index) or list(operand.ranks) != own:
            raise PassError("reads another point of a tensor made in the loop", where=step.text)
        return name, kind
    loaded = f"{name}[{offset_text(operand, tensor.shape)}]"
    return (f"widen({loaded})" if tensor.element != "i1" else loaded), kind
