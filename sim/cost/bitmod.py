"""Cycles of a linear layer on the emitted BitMoD array, in closed form and equal to the RTL's.

The array (``rtl/bitmod``), all its tiles together, works on so many tokens × channels at a time, one
bit-serial step a cycle: a group of 128 inputs takes 64 steps (BitMoD, HPCA 2025, section IV: 128/4 slices,
two terms), 96 with INT6 or INT5 weights, 128 with INT8; half or twice that with other numbers of lanes.
Activations come in once per chunk of MaxTokens tokens, weights once per chunk too, as many channels as the
array has columns at a time into a double buffer, one 64-bit word a cycle each. Tiles work a cycle apart,
which shows only at the end. Streams are taken to be always ready; a memory that is not adds its stalls.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ...ir.bitmod_format import GROUP_SIZE, LANES, Mode
from ...ir.errors import InputError

WORDS_PER_CHANNEL = 1
WORDS_PER_TOKEN_GROUP = GROUP_SIZE // 4
LANE_COUNTS = (2, 4, 8)

SETUP_CYCLES = 2
"""Before the first word of a chunk is taken, and after its last before the first step."""
DRAIN_CYCLES = 17
"""Between the last step of a tile and its first result leaving, and from the last result to the end."""


@dataclass(frozen=True)
class BitmodArray:
    """The array's parameters, named as in the RTL.

    Attributes:
        rows, cols: of a tile, tokens and channels.
        max_tokens: of the activation buffer, a multiple of all rows.
        max_groups: of both buffers, in groups of 128 inputs.
        row_tiles, col_tiles: tiles down and across.
        lanes: of an element, 2, 4 or 8.

    Raises:
        InputError: the RTL refuses these.
    """

    rows: int = 8
    cols: int = 8
    max_tokens: int = 128
    max_groups: int = 3
    row_tiles: int = 1
    col_tiles: int = 1
    lanes: int = LANES

    def __post_init__(self) -> None:
        """Refuse what the RTL's elaboration refuses."""
        if self.lanes not in LANE_COUNTS:
            raise InputError(f"elements of {self.lanes} lanes", accepted=", ".join(map(str, LANE_COUNTS)))
        sizes = (self.rows, self.cols, self.row_tiles, self.col_tiles, self.max_tokens, self.max_groups)
        if min(sizes) < 1:
            raise InputError(f"an array with a size of {min(sizes)}", accepted="at least 1")
        if self.max_tokens % self.all_rows:
            raise InputError(
                f"a buffer of {self.max_tokens} tokens", accepted=f"a multiple of {self.all_rows}, all rows"
            )
        shortest = steps_per_group(Mode.FP, self.lanes)
        if self.rows + self.row_tiles + self.col_tiles + 14 > shortest or self.all_rows > shortest:
            raise InputError(
                f"{self.row_tiles} × {self.col_tiles} tiles of {self.rows} rows cannot drain in the "
                f"{shortest} steps of a group",
                accepted=f"rows + tiles down + tiles across at most {shortest - 14}, "
                f"{shortest} rows in all, or fewer lanes",
            )

    @property
    def all_rows(self) -> int:
        """Tokens worked on at once."""
        return self.rows * self.row_tiles

    @property
    def all_cols(self) -> int:
        """Channels worked on at once, and of a word of results."""
        return self.cols * self.col_tiles


@dataclass(frozen=True)
class LinearCycles:
    """Where the cycles of one layer go; they add up to ``total``.

    Attributes:
        total: cycles from start to done.
        compute: cycles in which a step is issued.
        load: cycles before a chunk's first step, its activations and first weights on the way.
        weight_stalls: cycles between tiles in which the array waits for weights.
        drain: cycles after a chunk's last step.
        macs: multiply-accumulates of the layer.
        utilisation: macs over what the array could have done in all cycles.
        weight_words: 64-bit words of weights streamed in.
        activation_words: likewise of activations.
        result_words: words of results streamed out, a token's for all columns of the array.
    """

    total: int
    compute: int
    load: int
    weight_stalls: int
    drain: int
    macs: int
    utilisation: float
    weight_words: int
    activation_words: int
    result_words: int

    def to_json(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def steps_per_group(mode: Mode, lanes: int = LANES) -> int:
    """Cycles of a group of 128 inputs: its slices times a weight's terms."""
    return GROUP_SIZE // lanes * mode.terms


def words_per_group(mode: Mode) -> int:
    """Weight words of a group: codes of 4, 6 or 8 bits, and one word of group parameters."""
    return GROUP_SIZE * mode.bits // 64 + 1


def linear_cycles(
    array: BitmodArray, tokens: int, channels: int, inputs: int, *, mode: Mode = Mode.FP
) -> LinearCycles:
    """Cycles of ``out[t, n] = x[t, d] · w[n, d]``.

    Args:
        array: the array that runs it.
        tokens: T.
        channels: N.
        inputs: D, padded by the array's user to whole groups of 128.
        mode: what the weights are.

    Raises:
        InputError: a size is not positive, or the inputs exceed the buffers.
    """
    groups = -(-inputs // GROUP_SIZE)
    if min(tokens, channels, inputs) < 1:
        raise InputError(f"no layer of {tokens} tokens, {channels} channels, {inputs} inputs")
    if groups > array.max_groups:
        raise InputError(
            f"{inputs} inputs are {groups} groups", accepted=f"at most {array.max_groups} groups"
        )

    whole, rest = divmod(tokens, array.max_tokens)
    parts = [_chunk(array, array.max_tokens, channels, groups, mode)] * whole
    if rest:
        parts.append(_chunk(array, rest, channels, groups, mode))
    load, compute, stalls, drain = (sum(part[i] for part in parts) for i in range(4))
    total = load + compute + stalls + drain
    macs = tokens * channels * inputs
    peak = array.all_rows * array.all_cols * array.lanes / mode.terms
    return LinearCycles(
        total=total,
        compute=compute,
        load=load,
        weight_stalls=stalls,
        drain=drain,
        macs=macs,
        utilisation=macs / (peak * total),
        weight_words=len(parts) * channels * _channel_words(groups, mode),
        activation_words=tokens * groups * WORDS_PER_TOKEN_GROUP,
        result_words=tokens * -(-channels // array.all_cols),
    )


def _channel_words(groups: int, mode: Mode) -> int:
    return WORDS_PER_CHANNEL + groups * words_per_group(mode)


def _chunk(
    array: BitmodArray, tokens: int, channels: int, groups: int, mode: Mode
) -> tuple[int, int, int, int]:
    """Load, compute, weight-stall and drain cycles of one chunk of tokens.

    With P the steps of a tile of channels, A the words of activations and B_j the words of the j-th tile's
    weights, tile j begins at S_1 = max(A, B_1), S_2 = max(S_1 + P, B_1 + B_2), S_j = S_{j-1} + max(P, B_j):
    the double buffer lets a tile's weights come in while the tile before it computes.
    """
    token_tiles = -(-tokens // array.all_rows)
    tiles = -(-channels // array.all_cols)
    steps = token_tiles * groups * steps_per_group(mode, array.lanes)
    full = array.all_cols * _channel_words(groups, mode)
    last = (channels - (tiles - 1) * array.all_cols) * _channel_words(groups, mode)
    first = last if tiles == 1 else full

    load = max(tokens * groups * WORDS_PER_TOKEN_GROUP, first)
    stalls = 0
    if tiles >= 2:
        second = last if tiles == 2 else full
        stalls += max(0, first + second - load - steps)
    if tiles >= 3:
        stalls += (tiles - 3) * max(0, full - steps) + max(0, last - steps)
    rows_last = tokens - (token_tiles - 1) * array.all_rows
    # The last tile column's lag, and the merging of several tile rows.
    hops = array.col_tiles - 1 + (array.row_tiles > 1)
    return SETUP_CYCLES + load, tiles * steps, stalls, DRAIN_CYCLES + hops + rows_last
