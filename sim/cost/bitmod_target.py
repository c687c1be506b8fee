"""The BitMoD accelerator that a target file describes."""

from __future__ import annotations

from ...ir.bitmod_format import GROUP_SIZE, Mode
from ...ir.errors import TargetError
from ...ir.targets import Target
from .axi import WORD_BYTES
from .bitmod import BitmodArray, words_per_group
from .bitmod_accel import Accelerator

UNIT = "pe"
ACTIVATIONS, WEIGHTS, QUEUE = "activation-buffer", "weight-buffer", "read-queue"
MAX_BURST = 16
DEFAULT_LATENCY = 80
"""Cycles a memory takes whose latency the target does not say."""
_HALVES = 2
_TOKEN_GROUP_BYTES = 2 * GROUP_SIZE
_WEIGHT_GROUP_BYTES = WORD_BYTES * words_per_group(Mode.INT8)


def accelerator_of(target: Target) -> Accelerator:
    """Array and buffers.

    Raises:
        TargetError: it describes no such accelerator, or one that cannot be built.
    """
    shape = next((unit.shape for unit in target.unit if unit.name == UNIT), ())
    held = {buffer.name: buffer.capacity_bytes for buffer in target.buffer}
    missing = [name for name in (ACTIVATIONS, WEIGHTS, QUEUE) if name not in held]
    if len(shape) != 4 or missing:
        raise TargetError(
            f"no layer can be emitted for it: an array {list(shape)}, buffers {', '.join(held) or 'none'}",
            where=target.name,
            accepted=f"bitmod-small, or a target with a unit '{UNIT}' [tiles, tiles, rows, columns] and "
            f"buffers {ACTIVATIONS}, {WEIGHTS}, {QUEUE}",
        )
    down, across, rows, cols = shape
    groups = held[WEIGHTS] // (_HALVES * _WEIGHT_GROUP_BYTES)
    tokens = held[ACTIVATIONS] // (max(groups, 1) * _TOKEN_GROUP_BYTES) // (down * rows) * down * rows
    queue = held[QUEUE] // WORD_BYTES
    if not (groups and tokens and queue):
        raise TargetError(
            f"its buffers hold {groups} groups of weights, {tokens} tokens, {queue} words",
            where=target.name,
            accepted=f"at least one group a {WEIGHTS}, {down * rows} tokens of all groups, one word",
        )
    array = BitmodArray(rows, cols, tokens, groups, down, across, _lanes(target))
    return Accelerator(array, min(MAX_BURST, queue), queue)


def _lanes(target: Target) -> int:
    """Lanes of an element: two operations a multiply-accumulate, two cycles a floating-point weight."""
    rate = target.find_unit(UNIT).ops_per_cycle.get("mac", {}).get("bitmod4")
    if rate is None:
        raise TargetError(
            f"its unit '{UNIT}' has no rate for bitmod4", where=target.name, accepted="lanes, 2, 4 or 8"
        )
    return int(rate)


def latency_of(target: Target) -> int:
    """Cycles the target's main memory takes to answer."""
    seconds = target.main.latency_s
    clock = target.find_unit(UNIT).clock_hz
    return DEFAULT_LATENCY if seconds is None else max(1, round(seconds * clock))
