"""The plan of a training step under MEMO: what of a layer stays, is swapped to the host, or is recomputed.

After MEMO (SIGMOD 2025, arXiv 2407.12117, sections 4.1 and 4.2). A layer's *skeletal* tensors are made in its
forward and needed by its backward; they lie in one of two rounding buffers, and a prefix of their tokens is
copied to a slab of host memory. What is neither kept nor copied is recomputed token by token before the
layer's backward. *Transient* tensors live inside one forward or backward, at planned offsets in an arena.

Sizes are those of one rank, whose share of the sequence is `SwapPlan.tokens`. Planners make plans, the
simulator replays them, and the executor runs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .errors import PlanError
from .files import write_text
from .records import record

SCHEMA = 1
DTYPES = ("f32", "bf16")
ALIGN = 128
"""Tokens that a split is a multiple of: there a slice's products are those of the whole, bit for bit."""
PLACE = 256
"""Bytes that places in the host slab, in a rounding buffer and in the arena are multiples of."""

ALWAYS, TOKEN, KEPT = "always", "token", "keep"
CLASSES = (ALWAYS, TOKEN, KEPT)
"""Swapped whole (the layer's input, attention's output) | split by tokens | stays on the device (small)."""
KEEP, SWAP, RECOMPUTE = "keep", "swap", "recompute"
ACTIONS = (KEEP, SWAP, RECOMPUTE)
BUFFERS = 2


def aligned_tokens(tokens: int, alpha: float, align: int = ALIGN) -> int:
    """Tokens kept on the host at a fraction `alpha`, rounded down to a multiple of `align`; all of them at 1.

    Raises:
        PlanError: a fraction outside 0 to 1, or an alignment below 1.
    """
    if not 0 <= alpha <= 1 or align < 1:
        raise PlanError(f"alpha {alpha} and alignment {align}", accepted="0 ≤ alpha ≤ 1, alignment 1 or more")
    return tokens if alpha == 1 else int(alpha * tokens) // align * align


def place(size_bytes: int) -> int:
    """A size rounded up to what places are multiples of."""
    return -(-size_bytes // PLACE) * PLACE


@dataclass(frozen=True)
class Skeletal:
    """A skeletal tensor of a layer, the same in all layers.

    Attributes:
        name: unique in a layer; ``input`` is the layer's input.
        token_bytes: bytes of one token.
        kind: one of `CLASSES`.
    """

    name: str
    token_bytes: int
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in CLASSES:
            raise PlanError(f"no class {self.kind!r}", where=self.name, accepted=", ".join(CLASSES))
        if self.token_bytes < 1:
            raise PlanError(f"{self.token_bytes} bytes a token", where=self.name, accepted="1 or more")


@dataclass(frozen=True)
class TensorAction:
    """What happens to one tensor of one layer between its forward and its backward.

    Attributes:
        name: of the skeletal tensor.
        action: ``keep``: stays on the device in memory of its own; ``swap``: the first `tokens` tokens go to
            the host and the rest is recomputed; ``recompute``: all of it is.
        tokens: on the host, where swapped; else 0.
        host_offset: where these lie in the slab; None where nothing does, or where the executor chooses.
    """

    name: str
    action: str
    tokens: int = 0
    host_offset: int | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise PlanError(f"no action {self.action!r}", where=self.name, accepted=", ".join(ACTIONS))
        if self.tokens < 0 or (self.tokens > 0) != (self.action == SWAP):
            raise PlanError(
                f"'{self.action}' of {self.tokens} tokens",
                where=self.name,
                accepted="swap of 1 or more, keep or recompute of 0",
            )
        if self.host_offset is not None and (self.host_offset < 0 or self.host_offset % PLACE):
            raise PlanError(
                f"lies at {self.host_offset}", where=self.name, accepted=f"a multiple of {PLACE} bytes"
            )


@dataclass(frozen=True)
class LayerPlan:
    """One layer.

    Attributes:
        index: its place in the model, from 0.
        tokens: of token-wise tensors on the host, where no action says otherwise.
        buffer: rounding buffer that its skeletal tensors are made in, ``0`` or ``1``; None: they stay in
            memory of their own from forward to backward.
        swapped: whether anything is copied; the last two layers are not, for their backward comes at once.
        actions: for every tensor; empty where the executor finds the tensors itself and follows the paper:
            the layer's input and attention's output whole, of the others the first `tokens` tokens.
    """

    index: int
    tokens: int
    buffer: int | None
    swapped: bool
    actions: tuple[TensorAction, ...] = ()


@dataclass(frozen=True)
class Transient:
    """A tensor with a planned place, live in the half-open span of steps ``[start, end)``."""

    name: str
    start: int
    end: int
    bytes: int
    offset: int


@dataclass(frozen=True)
class TransientPlan:
    """The bi-level memory plan (section 4.2): an address is its block's offset and the offset in the block.

    Attributes:
        forward, backward: of one layer, offsets in a block; recomputing belongs to the backward.
        forward_bytes, backward_bytes: sizes of the blocks.
        blocks: of the whole step in the arena: ``forward/I``, ``backward/I``, ``embedding/…``,
            ``classifier/…``, and tensors that cross from layer to layer, ``cross/…``.
        arena_bytes: all of it.
    """

    forward: tuple[Transient, ...]
    backward: tuple[Transient, ...]
    forward_bytes: int
    backward_bytes: int
    blocks: tuple[Transient, ...]
    arena_bytes: int


@dataclass(frozen=True)
class Prediction:
    """What the planner says of a step; seconds and bytes of one rank.

    Attributes:
        step_s: forward, backward and recomputing of all layers with stalls.
        stall_s: the compute stream waits for copies.
        recompute_s: of all layers.
        device_peak_bytes: buffers, arena, kept tensors and `fixed_bytes`.
        fixed_bytes: parameters, gradients and optimiser state on the device.
        host_bytes: the slab.
        mfu: share of the peak that the model's own operations take; None where nothing is known of the peak.
        limits: what keeps the plan from being faster: ``device``, ``host``, ``link``, ``compute``.
    """

    step_s: float
    stall_s: float
    recompute_s: float
    device_peak_bytes: int
    fixed_bytes: int
    host_bytes: int
    mfu: float | None
    limits: str


@dataclass(frozen=True)
class SwapPlan:
    """A whole plan.

    Attributes:
        schema: version of the form.
        seq: tokens of the sequence over all ranks.
        tokens: of one rank, batch counted.
        align: what splits are a multiple of, in tokens.
        dtype: of activations, ``f32`` or ``bf16``.
        tensors: skeletal tensors of a layer; empty where the executor finds them.
        layers: in the model's order.
        buffer_bytes: of one rounding buffer; 0 where the tensors are not known.
        host_bytes: of the slab; 0 where the tensors are not known.
        device_bytes: budget of the device; None for no limit.
        transients: None where the executor allocates as it goes.
        predicted: None where nothing was priced.

    Raises:
        PlanError: parts that do not fit together.
    """

    schema: int
    seq: int
    tokens: int
    align: int
    dtype: str
    tensors: tuple[Skeletal, ...]
    layers: tuple[LayerPlan, ...]
    buffer_bytes: int = 0
    host_bytes: int = 0
    device_bytes: int | None = None
    transients: TransientPlan | None = None
    predicted: Prediction | None = None

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise PlanError(f"a plan of schema {self.schema}", accepted=str(SCHEMA))
        if self.dtype not in DTYPES:
            raise PlanError(f"activations of {self.dtype}", accepted=", ".join(DTYPES))
        if self.tokens < 1 or self.align < 1 or self.seq < 1:
            raise PlanError("no tokens", accepted="1 or more of seq, tokens and align")
        names = [tensor.name for tensor in self.tensors]
        if len(set(names)) < len(names):
            raise PlanError("two tensors have one name", accepted="unique names")
        for at, layer in enumerate(self.layers):
            self._check_layer(at, layer)
        self._check_slab()

    def _check_layer(self, at: int, layer: LayerPlan) -> None:
        where = f"layer {layer.index}"
        if layer.index != at:
            raise PlanError(f"stands at place {at}", where=where, accepted="layers in order")
        if layer.buffer not in (None, *range(BUFFERS)):
            raise PlanError(f"no buffer {layer.buffer}", where=where, accepted="0, 1 or null")
        if at and layer.buffer is not None and layer.buffer == self.layers[at - 1].buffer:
            said = "has the buffer of the layer before, whose input its own would overwrite"
            raise PlanError(said, where=where, accepted="the other one, or null")
        self._check_split(layer.tokens, where)
        if not layer.actions:
            return
        if [each.name for each in layer.actions] != [tensor.name for tensor in self.tensors]:
            raise PlanError("the actions are not those of the tensors", where=where, accepted="one each")
        for tensor, each in zip(self.tensors, layer.actions, strict=True):
            self._check_action(tensor, each, layer, f"{where}, {each.name}")

    def _check_action(self, tensor: Skeletal, each: TensorAction, layer: LayerPlan, where: str) -> None:
        self._check_split(each.tokens, where)
        if each.action == SWAP and not layer.swapped:
            raise PlanError("is swapped in a layer that is not", where=where, accepted="keep or recompute")
        if each.action == SWAP and tensor.kind == ALWAYS and each.tokens < self.tokens:
            raise PlanError("is split by tokens", where=where, accepted="all tokens, or keep")
        if each.action == RECOMPUTE and (tensor.name == "input" or tensor.kind == KEPT):
            raise PlanError("cannot be recomputed", where=where, accepted="keep or swap")

    def _check_split(self, tokens: int, where: str) -> None:
        if not 0 <= tokens <= self.tokens or (tokens % self.align and tokens != self.tokens):
            accepted = f"multiples of {self.align} up to {self.tokens}, or all"
            raise PlanError(f"{tokens} tokens", where=where, accepted=accepted)

    def _check_slab(self) -> None:
        """Places on the host are apart and inside the slab."""
        sizes = {tensor.name: tensor.token_bytes for tensor in self.tensors}
        spans = sorted(
            (each.host_offset, each.host_offset + sizes[each.name] * each.tokens, layer.index, each.name)
            for layer in self.layers
            for each in layer.actions
            if each.host_offset is not None
        )
        end, before = 0, "the start"
        for low, high, index, name in spans:
            if low < end or high > self.host_bytes:
                said = f"bytes [{low}, {high}) of {self.host_bytes}, {before} ends at {end}"
                raise PlanError(said, where=f"layer {index}, {name}", accepted="places apart in the slab")
            end, before = high, f"layer {index}, {name}"

    @staticmethod
    def uniform(
        layers: int,
        tokens: int,
        alpha: float,
        align: int = ALIGN,
        *,
        tensors: Sequence[Skeletal] = (),
        dtype: str = "f32",
        seq: int | None = None,
    ) -> SwapPlan:
        """The paper's policy: the same fraction of tokens in all layers but the last two, which stay.

        Args:
            layers: of the model.
            tokens: of one rank, batch counted.
            alpha: fraction of token-wise tensors on the host.
            align: tokens that the split is a multiple of.
            tensors: of a layer; with them come actions, sizes and places in the slab.
            dtype: of activations.
            seq: tokens over all ranks, where that is another number.

        Raises:
            PlanError: no layers, or a fraction outside 0 to 1.
        """
        if layers < 1:
            raise PlanError(f"{layers} layers", accepted="1 or more")
        split = aligned_tokens(tokens, alpha, align)
        made = tuple(
            LayerPlan(
                index=at,
                tokens=split if at < layers - BUFFERS else 0,
                buffer=at % BUFFERS,
                swapped=at < layers - BUFFERS,
                actions=tuple(
                    _paper_action(tensor, tokens, split, at < layers - BUFFERS) for tensor in tensors
                ),
            )
            for at in range(layers)
        )
        plan = SwapPlan(SCHEMA, seq or tokens, tokens, align, dtype, tuple(tensors), made)
        return plan.placed()

    def placed(self) -> SwapPlan:
        """The same plan with sizes of buffer and slab, and places in the slab, layer after layer."""
        sizes = {tensor.name: tensor.token_bytes for tensor in self.tensors}
        at, layers = 0, []
        for layer in self.layers:
            actions = []
            for each in layer.actions:
                if each.action == SWAP:
                    actions.append(replace(each, host_offset=at))
                    at += place(sizes[each.name] * each.tokens)
                else:
                    actions.append(each)
            layers.append(replace(layer, actions=tuple(actions)))
        buffer = sum(place(t.token_bytes * self.tokens) for t in self.tensors if t.kind != KEPT)
        return replace(self, layers=tuple(layers), buffer_bytes=buffer, host_bytes=at)

    def swapped_bytes(self, index: int) -> int:
        """Bytes that a layer copies to the host, and back."""
        sizes = {tensor.name: tensor.token_bytes for tensor in self.tensors}
        return sum(sizes[each.name] * each.tokens for each in self.layers[index].actions)

    def alpha(self, index: int) -> float:
        """Fraction of a layer's token-wise bytes on the host."""
        layer = self.layers[index]
        if not layer.actions:
            return layer.tokens / self.tokens
        pairs = [(t, a) for t, a in zip(self.tensors, layer.actions, strict=True) if t.kind == TOKEN]
        total = sum(tensor.token_bytes for tensor, _ in pairs) * self.tokens
        there = sum(tensor.token_bytes * each.tokens for tensor, each in pairs)
        return there / total if total else 0.0

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any], *, where: str = "plan.json") -> SwapPlan:
        """The plan that `to_json` wrote.

        Raises:
            PlanError: a key that is missing or unknown, a value of another type, or parts that do not fit.
        """
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, Mapping) else data
            raise PlanError(f"a plan of schema {found!r}", where=where, accepted=str(SCHEMA))
        return record(SwapPlan, data, where)

    @staticmethod
    def read(path: str | Path) -> SwapPlan:
        """A plan from a file; errors as for `from_json`."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise PlanError(f"cannot be read: {error}", where=str(path), accepted="a plan.json") from error
        return SwapPlan.from_json(data, where=str(path))

    def write(self, path: str | Path) -> None:
        """Write the plan as JSON, whole or not at all.

        Raises:
            InputError: the place cannot be written to.
        """
        write_text(path, json.dumps(self.to_json(), indent=1) + "\n")


def _paper_action(tensor: Skeletal, tokens: int, split: int, swapped: bool) -> TensorAction:
    if not swapped or tensor.kind == KEPT:
        return TensorAction(tensor.name, KEEP)
    count = tokens if tensor.kind == ALWAYS else split
    return TensorAction(tensor.name, SWAP, count) if count else TensorAction(tensor.name, RECOMPUTE)
