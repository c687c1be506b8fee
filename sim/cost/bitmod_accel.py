"""Cycles of a chain of layers on the BitMoD accelerator (``rtl/bitmod/bitmod_accel.sv``) and its memory.

Descriptors, activations and weights share one read port; the next layer's are fetched while a layer computes
and wait in the read queues; a layer begins when the one before is complete in memory. The array itself works
as in `penstock.sim.cost.bitmod`: a tile of outputs begins when its activations and weights are there and the
result queue has room, and results leave a token at a time through the write engine.

Every begin is the largest of the times it waits for: a max-plus recurrence over bursts, tiles and tokens.
What is added to them counts registers on the way, in the state machines that the classes below name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...ir.bitmod_format import GROUP_SIZE, Mode
from ...ir.errors import InputError
from .axi import WORD_BYTES, Reader, ReadPort, Writer
from .bitmod import (
    DRAIN_CYCLES,
    WORDS_PER_TOKEN_GROUP,
    BitmodArray,
    steps_per_group,
    words_per_group,
)

DESCRIPTOR_BYTES = 64
DESCRIPTOR_WORDS = DESCRIPTOR_BYTES // WORD_BYTES


@dataclass(frozen=True)
class Accelerator:
    """The accelerator's parameters, named as in the RTL."""

    array: BitmodArray
    max_burst: int = 16
    queue_depth: int = 64

    def to_json(self) -> dict[str, Any]:
        """The parameters by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Accelerator:
        """What `to_json` wrote."""
        return cls(BitmodArray(**data["array"]), data["max_burst"], data["queue_depth"])


@dataclass(frozen=True)
class Layer:
    """A layer as its descriptor has it; addresses in bytes.

    Attributes:
        tokens: T.
        channels: N.
        inputs: D; in memory they are padded to whole groups.
        mode: what the weights are.
        weights, activations, results: addresses.
        fence: activations are read only once all earlier results are in memory.
    """

    tokens: int
    channels: int
    inputs: int
    mode: Mode
    weights: int
    activations: int
    results: int
    fence: bool = False

    @property
    def groups(self) -> int:
        """Groups of inputs."""
        return -(-self.inputs // GROUP_SIZE)

    @property
    def channel_words(self) -> int:
        """Words of a channel's weights."""
        return 1 + self.groups * words_per_group(self.mode)

    @property
    def token_words(self) -> int:
        """Words of a token's activations."""
        return self.groups * WORDS_PER_TOKEN_GROUP

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.tokens * self.channels * self.inputs


@dataclass(frozen=True)
class LayerCycles:
    """One layer of a chain.

    Attributes:
        cycles: from the end of the layer before (the chain's start for the first) to its own, all its results
            acknowledged.
        core: of these, cycles in which the array is busy with it.
        compute: cycles in which the array issues a step.
        utilisation: multiply-accumulates over what the array could have done in ``cycles``.
        weight_bytes, activation_bytes: read for it.
        result_bytes: written.
    """

    cycles: int
    core: int
    compute: int
    utilisation: float
    weight_bytes: int
    activation_bytes: int
    result_bytes: int


@dataclass(frozen=True)
class ChainCycles:
    """A chain; the cycles of its layers add up to ``total``.

    Attributes:
        total: from start to done, as the CYCLES register counts.
        core: cycles the array is busy, as CORE_CYCLES counts.
        descriptor_bytes: read.
        layers: in order.
    """

    total: int
    core: int
    descriptor_bytes: int
    layers: tuple[LayerCycles, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


def chain_cycles(
    accelerator: Accelerator, layers: Sequence[Layer], *, latency: int, base: int = 0
) -> ChainCycles:
    """Cycles of layers run by one start.

    Args:
        accelerator: that runs them.
        layers: in the order of their descriptors.
        latency: cycles from a burst's address to its first beat, and from its last beat to its answer.
        base: address of the first descriptor.

    Raises:
        InputError: no layers, a size that is not positive, inputs beyond the buffers, a latency below 1.
    """
    _check(accelerator, layers, latency)
    chain = _Chain(accelerator, layers, latency, base)
    ReadPort((chain.fetches, chain.acts, chain.weights), latency).run(lambda: chain.ended == len(layers))
    return chain.result()


def result_cycles(array: BitmodArray) -> int:
    """From the issue of a tile's last step to its first token's results at the end of the result queue.

    The last tile column works ``col_tiles − 1`` cycles late; bringing rows of tiles together takes one.
    """
    return DRAIN_CYCLES + 1 + array.col_tiles - 1 + (array.row_tiles > 1)


def result_places(array: BitmodArray) -> int:
    """Tokens the result queue holds (``bitmod_linear.sv``): three tiles' where two make the array wait."""
    shortest = steps_per_group(Mode.FP, array.lanes)
    tiles = 2 if array.all_rows + array.col_tiles + DRAIN_CYCLES <= shortest else 3
    return tiles * array.all_rows


def _check(accelerator: Accelerator, layers: Sequence[Layer], latency: int) -> None:
    if not layers:
        raise InputError("no layers to run", accepted="at least one")
    if latency < 1:
        raise InputError(f"a memory that answers after {latency} cycles", accepted="at least 1")
    for number, layer in enumerate(layers):
        shape = f"{layer.tokens} tokens, {layer.channels} channels, {layer.inputs} inputs"
        if min(layer.tokens, layer.channels, layer.inputs) < 1:
            raise InputError(f"no layer of {shape}", where=f"layer {number}")
        if layer.groups > accelerator.array.max_groups:
            raise InputError(
                f"{layer.inputs} inputs are {layer.groups} groups",
                where=f"layer {number}",
                accepted=f"at most {accelerator.array.max_groups} groups",
            )


class _Chain:
    """The order of work (``bitmod_accel_control.sv``): fetch, load, run, each a layer ahead of the next.

    Start is pulsed in cycle 0.
    """

    def __init__(self, accelerator: Accelerator, layers: Sequence[Layer], latency: int, base: int) -> None:
        self.array, self.layers, self.base = accelerator.array, layers, base
        burst, depth = accelerator.max_burst, accelerator.queue_depth
        self.fetches = Reader(max(burst, DESCRIPTOR_WORDS), burst)
        self.acts, self.weights = Reader(depth, burst), Reader(depth, burst)
        self.writer = Writer(burst, latency)
        self.ended = 0
        self.ends: list[int] = []
        self.cores: list[int] = []
        self.fetched: dict[int, int] = {}
        self.loads: list[_Load] = []
        self._fetch(0, 1)

    def _fetch(self, number: int, offered: int) -> None:
        """Read a descriptor."""
        address = self.base + number * DESCRIPTOR_BYTES
        self.fetches.command(offered, address, DESCRIPTOR_WORDS, lambda _: None)
        self.fetches.want(DESCRIPTOR_WORDS, 0, lambda last: self._decoded(number, last + 1))

    def _decoded(self, number: int, cycle: int) -> None:
        self.fetched[number] = cycle
        if number == 0 or (self.loads[-1].end is not None and len(self.loads) == number):
            self._load(number)

    def loaded(self, number: int) -> None:
        """A layer's transfers are all accepted: the next descriptor may take its place."""
        if number + 1 in self.fetched:
            self._load(number + 1)

    def _load(self, number: int) -> None:
        """Take a descriptor that is there: ask for the layer's operands, fetch the next."""
        before = self.loads[-1].end if self.loads else None
        taken = self.fetched[number] if before is None else max(self.fetched[number], before + 1)
        self.loads.append(_Load(self, number, taken + 1))
        if number + 1 < len(self.layers):
            self._fetch(number + 1, taken + 1)
        if number == self.ended:
            self.loads[number].run(self._may_start())

    def _may_start(self) -> int:
        return self.ends[-1] + 1 if self.ends else 0

    def finished(self, start: int, idle: int, last: int) -> None:
        """A layer's array is idle again, its last result on the way: the layer ends, the next may start."""
        self.cores.append(idle - start)
        self.ends.append(max(idle + 2, last + 1))
        self.ended += 1
        if self.ended < len(self.loads):
            self.loads[self.ended].run(self._may_start())

    def result(self) -> ChainCycles:
        """The figures."""
        found, before = [], 0
        for layer, end, core in zip(self.layers, self.ends, self.cores, strict=True):
            found.append(_figures(self.array, layer, end - before, core))
            before = end
        return ChainCycles(self.ends[-1], sum(self.cores), len(self.layers) * DESCRIPTOR_BYTES, tuple(found))


def _figures(array: BitmodArray, layer: Layer, cycles: int, core: int) -> LayerCycles:
    whole, rest = divmod(layer.tokens, array.max_tokens)
    token_tiles = whole * -(-array.max_tokens // array.all_rows) + -(-rest // array.all_rows)
    tiles = -(-layer.channels // array.all_cols)
    peak = array.all_rows * array.all_cols * array.lanes / layer.mode.terms
    return LayerCycles(
        cycles=cycles,
        core=core,
        compute=tiles * token_tiles * layer.groups * steps_per_group(layer.mode, array.lanes),
        utilisation=layer.macs / (peak * cycles),
        weight_bytes=(whole + (rest > 0)) * layer.channels * layer.channel_words * WORD_BYTES,
        activation_bytes=layer.tokens * layer.token_words * WORD_BYTES,
        result_bytes=4 * layer.tokens * layer.channels,
    )


class _Load:
    """A layer from the cycle its descriptor is taken: its transfers, then its chunks on the array."""

    def __init__(self, chain: _Chain, number: int, cycle: int) -> None:
        self.chain, self.number, self.layer = chain, number, chain.layers[number]
        self.cycle = cycle
        self.end: int | None = None
        self.start: int | None = None
        self.acts_taken: int | None = None
        self.weights_taken: int | None = None
        if not self.layer.fence:
            self._ask_activations(cycle)
        self._ask_weights(cycle, -(-self.layer.tokens // chain.array.max_tokens))

    def _ask_activations(self, offered: int) -> None:
        words = self.layer.tokens * self.layer.token_words
        self.chain.acts.command(offered, self.layer.activations, words, self._acts_accepted)

    def _acts_accepted(self, cycle: int) -> None:
        self.acts_taken = cycle
        self._check_end()

    def _ask_weights(self, offered: int, left: int) -> None:
        """Once per chunk, each as soon as the one before is accepted."""
        words = self.layer.channels * self.layer.channel_words

        def accepted(cycle: int) -> None:
            if left > 1:
                self._ask_weights(cycle + 1, left - 1)
            else:
                self.weights_taken = cycle
                self._check_end()

        self.chain.weights.command(offered, self.layer.weights, words, accepted)

    def run(self, since: int) -> None:
        """Start the array as soon as the layer before has ended."""
        self.start = max(since, self.cycle)
        if self.layer.fence:
            self._ask_activations(self.start + 1)
        self._check_end()
        _Chunk(self, self.start + 1, 0)

    def _check_end(self) -> None:
        """The transfers are accepted and the layer has started: the next one's turn."""
        times = (self.start, self.acts_taken, self.weights_taken)
        known = [each for each in times if each is not None]
        if self.end is None and len(known) == len(times):
            self.end = max(known) + 1
            self.chain.loaded(self.number)


class _Chunk:
    """A chunk of tokens on the array (``bitmod_sequencer.sv``), its buffers open from ``cycle + 1`` on."""

    def __init__(self, load: _Load, cycle: int, first: int) -> None:
        self.load, self.chain, self.layer = load, load.chain, load.layer
        array = self.array = self.chain.array
        self.first, self.tokens = first, min(array.max_tokens, self.layer.tokens - first)
        self.tiles = -(-self.layer.channels // array.all_cols)
        self.steps = self.layer.groups * steps_per_group(self.layer.mode, array.lanes)
        self.tile, self.next = 0, cycle + 1  # to compute, and not before
        self.acts: int | None = None
        self.loaded: list[int] = []
        self.left: list[int] = []  # when a result left the queue
        self.chain.acts.want(self.tokens * self.layer.token_words, cycle + 1, self._acts_loaded)
        for tile in range(min(2, self.tiles)):
            self._want_weights(tile, cycle + 1)

    def _acts_loaded(self, last: int) -> None:
        self.acts = last + 1
        self._compute()

    def _channels(self, tile: int) -> int:
        return min(self.array.all_cols, self.layer.channels - tile * self.array.all_cols)

    def _want_weights(self, tile: int, since: int) -> None:
        """A tile's weights go into the half that is free from a cycle on."""

        def done(last: int) -> None:
            self.loaded.append(last + 1)
            self._compute()

        self.chain.weights.want(self._channels(tile) * self.layer.channel_words, since, done)

    def _compute(self) -> None:
        """All tiles of channels whose operands are known to come."""
        while self.acts is not None and self.tile < len(self.loaded):
            self.next = max(self.next, self.acts, self.loaded[self.tile])
            for token in range(0, self.tokens, self.array.all_rows):
                self._token_tile(token)
            if self.tile + 2 < self.tiles:
                self._want_weights(self.tile + 2, self.next)
            self.tile += 1
        if self.tile == self.tiles:
            self._drain()

    def _token_tile(self, token: int) -> None:
        """Steps of one tile of outputs; its results leave as the write engine takes them."""
        rows = min(self.array.all_rows, self.tokens - token)
        channel = self.tile * self.array.all_cols
        beyond = len(self.left) + rows - result_places(self.array)
        begin = self.next if beyond <= 0 else max(self.next, self.left[beyond - 1] + 1)
        self.next = begin + self.steps
        seen = self.next - 1 + result_cycles(self.array)
        width = self._channels(self.tile)
        for row in range(rows):
            place = (self.first + token + row) * self.layer.channels + channel
            self.left.append(self.chain.writer.write(seen + row, self.layer.results + 4 * place, width))

    def _drain(self) -> None:
        """The last result has left: the next chunk, or the end of the layer."""
        drained = max(self.next, self.left[-1] + 1)
        first = self.first + self.tokens
        if first < self.layer.tokens:
            _Chunk(self.load, drained + 1, first)
        else:
            assert self.load.start is not None
            self.chain.finished(self.load.start, drained, self.chain.writer.answered)
