"""Memory images: what the streams of the BitMoD array carry, as 64-bit words in the order they are read.

The formats are those of ``rtl/bitmod/bitmod_weight_bank.sv`` and ``bitmod_activation_buffer.sv``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ...ir.bitmod_format import GROUP_SIZE, BitmodWeights, Mode

Words = NDArray[np.uint64]


def weight_words(weights: BitmodWeights, bias: NDArray[np.float32]) -> Words:
    """All channels in order: channel parameters, then per group the words of its codes, one of parameters.

    Codes come as eight words of their low four bits, then, of integers, the bits above them: two of each
    (INT6, INT5) or four.
    """
    channels = weights.channels
    header = _bits(bias) << np.uint64(32) | _bits(weights.channel_scale)
    codes = [_packed(weights.codes & 15, 4)]
    if weights.format.mode is not Mode.FP:
        codes.append(_packed(weights.codes >> 4, weights.format.mode.bits - 4))
    parameters = weights.special.astype(np.uint64) << np.uint64(7) | weights.group_scale.astype(np.uint64)
    body = np.concatenate([*codes, parameters[:, :, None]], axis=2).reshape(channels, -1)
    return np.concatenate([header[:, None], body], axis=1).ravel()


def activation_words(activations: NDArray[np.float16], groups: int) -> Words:
    """All tokens in order, four FP16 to a word, padded with zeros to ``groups`` of 128 inputs."""
    padding = groups * GROUP_SIZE - activations.shape[1]
    padded = np.ascontiguousarray(np.pad(activations, ((0, 0), (0, padding))))
    return padded.astype("<f2").view("<u8").ravel().astype(np.uint64)


def hex_image(words: Iterable[int], heading: Iterable[str], digits: int = 16) -> str:
    """A ``$readmemh`` file: heading lines as comments, then one word of so many digits per line."""
    lines = [f"// {line}" for line in heading]
    lines += [f"{int(word):0{digits}x}" for word in words]
    return "\n".join(lines) + "\n"


def _packed(codes: NDArray[np.integer], bits: int) -> Words:
    """Codes ``[N, G, 128]`` of so many bits as words ``[N, G, 2 · bits]``, first in the low bits."""
    parts = codes.reshape(*codes.shape[:2], 2 * bits, 64 // bits).astype(np.uint64)
    return np.bitwise_or.reduce(parts << (np.arange(64 // bits, dtype=np.uint64) * np.uint64(bits)), axis=-1)


def _bits(values: NDArray[np.float32]) -> Words:
    return np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
