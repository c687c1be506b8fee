"""Whose a storage of a traced step is: a layer's skeletal or transient one, or one that crosses."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Set

from ..ir.errors import InputError
from ..ir.step_profile import CROSSING, GIVEN, SKELETAL, TRANSIENT, Segment, Storage
from ..ir.swap_plan import ALWAYS, KEPT, TOKEN
from .flops import ATTENTION
from .step_trace import StepTrace, Traced

SMALL_BYTES = 8
"""Skeletal tensors of up to as many bytes a token, a norm's mean or scale, are not worth moving."""


def roles(
    trace: StepTrace, layers: int, tokens: int, gradients: Set[int], given: Set[int], where: str
) -> tuple[Storage, ...]:
    """Every storage of a trace with its role and its name.

    Args:
        trace: finished.
        layers: how many.
        tokens: of the sequence, batch counted.
        gradients, given: numbers of the storages of parameters' gradients and of the model's inputs.
        where: the model's name, for errors.

    Raises:
        InputError: a layer keeps what does not grow with its tokens, or what another one's backward reads.
    """
    segments = [segment for segment in trace.segments if segment.end > segment.start]
    starts = [segment.start for segment in segments]
    readers = _readers(trace, segments, starts)
    inputs = _inputs(trace, layers)
    names: dict[int | None, Counter[str]] = {}
    found = []
    for number, traced in enumerate(trace.storages):
        end = max(traced.start + 1, traced.end or 0)
        born = segments[min(bisect_right(starts, traced.start) - 1, len(segments) - 1)].name
        last = segments[min(bisect_right(starts, end - 1) - 1, len(segments) - 1)].name
        layer = _layer_kept_for(number, born, readers[number], inputs, where)
        if layer is not None:
            role = SKELETAL
        elif number in given:
            role = GIVEN
        else:
            role = TRANSIENT if born == last and number not in gradients else CROSSING
            layer = int(born.partition("/")[2]) if "/" in born else None
        kind = _kind(traced, number in inputs, tokens, where) if role == SKELETAL else ""
        name = "input" if number in inputs and role == SKELETAL else _name(traced)
        count = names.setdefault(layer if role == SKELETAL else None, Counter())
        count[name] += 1
        name = name if count[name] == 1 else f"{name}_{count[name] - 1}"
        bytes_ = traced.bytes
        found.append(Storage(name, bytes_, traced.start, end, role, layer, kind, number in gradients))
    return tuple(found)


def _readers(trace: StepTrace, segments: list[Segment], starts: list[int]) -> list[set[str]]:
    """Names of the segments that read each storage."""
    found: list[set[str]] = [set() for _ in trace.storages]
    for at, operation in enumerate(trace.operations):
        segment = segments[bisect_right(starts, at) - 1].name
        for number in operation.reads:
            found[number].add(segment)
    return found


def _inputs(trace: StepTrace, layers: int) -> Mapping[int, int]:
    """Storage of each layer's input → the layer."""
    return {trace.layer_inputs[at]: at for at in range(layers)}


def _layer_kept_for(
    number: int, born: str, readers: set[str], inputs: Mapping[int, int], where: str
) -> int | None:
    """The layer whose backward needs a storage that is its input, or that its forward made."""
    if number in inputs:
        own = inputs[number]
    elif born.startswith("forward/"):
        own = int(born.partition("/")[2])
    else:
        return None
    later = {int(name.partition("/")[2]) for name in readers if name.startswith("backward/")}
    if later - {own}:
        said = f"the backward of layer {min(later - {own})} reads what layer {own} keeps"
        raise InputError(said, where=where, accepted="layers that meet in their input only")
    return own if later or number in inputs else None


def _kind(traced: Traced, is_input: bool, tokens: int, where: str) -> str:
    """Class of a skeletal storage."""
    each, rest = divmod(traced.bytes, tokens)
    if rest or each == 0:
        said = f"'{_name(traced)}' keeps {traced.bytes} bytes, which {tokens} tokens do not share evenly"
        raise InputError(said, where=where, accepted="layers that keep as much of every token")
    if is_input or traced.made_by in ATTENTION:
        return ALWAYS
    return KEPT if each <= SMALL_BYTES else TOKEN


def _name(traced: Traced) -> str:
    """After the module and the operator, a product's left out: ``mlp.up_proj``, ``self_attn.logsumexp``."""
    made = traced.made_by
    if made in ATTENTION:
        made = ("attention", "logsumexp", "state", "offset")[min(traced.output, 3)]
    elif made == "native_layer_norm":
        made = ("", "mean", "scale")[traced.output]
    elif made in ("mm", "addmm", "bmm") and traced.module:
        made = ""
    return f"{traced.module}.{made}".strip(".") or "made"
