"""OliVe-style outlier–victim pairs (after OliVe, ISCA 2023, section III).

Two neighbours share their codes: either both are integers, or one is an outlier in abfloat, a float whose
range begins where the integers' ends, and the other, its victim, becomes 0 and holds the identifier. Which
of the three a pair is, is decided by its squared error (the paper compares with a threshold), and a group's
scale is the best of several fractions of the largest magnitude, where the paper searches per tensor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import InputError
from ...ir.formats import Format
from .blocks import Floats, in_blocks
from .codebook import Codebook, Encoded

FRACTIONS = tuple(2.0 ** (-step / 3) for step in range(11))
"""Largest integer over largest magnitude: 1 (no outlier) down to one tenth."""


def encode_olive(groups: NDArray, chosen: Format) -> Encoded:
    """Codes and scales of groups.

    Raises:
        InputError: groups of an odd number of weights.
    """
    if groups.shape[1] % 2:
        raise InputError(
            f"{chosen.name} codes weights in pairs, not in groups of {groups.shape[1]}", accepted="even"
        )
    count = 1 << chosen.bits
    levels = chosen.table[0]
    normal = Codebook(levels, [code for code in chosen.codes if code < count])
    outlier = Codebook(levels, [code for code in chosen.codes if code >= count])
    pairs = groups.shape[0], groups.shape[1] // 2, 2
    codes = np.empty(pairs, np.uint8)
    scale = np.empty(len(groups))

    def work(block: Floats, rows: slice) -> None:
        largest = np.abs(block).max(axis=1) / normal.largest
        largest[largest == 0] = 1.0
        scaled = [_Pairs(block / (largest * each)[:, None], normal, outlier) for each in FRACTIONS]
        losses = [each.error * fraction**2 for each, fraction in zip(scaled, FRACTIONS, strict=True)]
        best = np.argmin(losses, axis=0)
        for number, fraction in enumerate(FRACTIONS):
            taken = best == number
            if taken.any():
                codes[rows][taken] = scaled[number].codes(count >> 1)[taken]
                scale[rows][taken] = largest[taken] * fraction

    in_blocks(groups, work)
    return Encoded(codes.reshape(groups.shape), np.zeros(len(groups), np.uint8), scale)


class _Pairs:
    """Groups under one scale, coded pair by pair."""

    def __init__(self, scaled: Floats, normal: Codebook, outlier: Codebook) -> None:
        """Take values in units of the integers; a pair within their range holds no outlier."""
        self._plain = normal.places(scaled.copy())
        self._normal, self._outlier = normal, outlier
        error = np.square(np.take(normal.level, self._plain) - scaled)
        flat = scaled.reshape(-1, 2)
        far = np.flatnonzero(np.abs(scaled) > normal.largest + 0.5) >> 1
        self._at = far[np.diff(far, prepend=-1) > 0]  # once each
        few = flat[self._at]
        self._beyond = outlier.places(few.copy())
        lost = np.square(few)
        as_outlier = np.square(np.take(outlier.level, self._beyond) - few)
        paired = error.reshape(-1, 2)
        options = np.stack(
            (
                paired[self._at, 0] + paired[self._at, 1],
                as_outlier[:, 0] + lost[:, 1],
                as_outlier[:, 1] + lost[:, 0],
            )
        )
        self._kind = np.argmin(options, axis=0)
        paired[self._at, 0] = options.min(axis=0)
        paired[self._at, 1] = 0.0
        self.error = error.sum(axis=1)

    def codes(self, victim: int) -> NDArray[np.uint8]:
        """Codes ``[G, pairs, 2]``."""
        codes = np.take(self._normal.code, self._plain).reshape(-1, 2)
        for which in (0, 1):
            taken = self._kind == which + 1
            at = self._at[taken]
            codes[at, which] = self._outlier.code[self._beyond[taken, which]]
            codes[at, 1 - which] = victim
        return codes.reshape(len(self._plain), -1, 2)
