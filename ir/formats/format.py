"""What a number format is: levels by code, in variants a group chooses from, and the storage they take."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Family = Literal["bitmod", "int", "int-asym", "float", "flint", "olive", "mx", "nv"]


@dataclass(frozen=True)
class Format:
    """One number format for weights in groups that share a scale: ``w ≈ levels[variant][code] · scale``.

    Attributes:
        name: as users write it.
        family: how scales, variants and codes are found; one quantizer per family.
        bits: storage of one code.
        levels: per variant, what each code is worth before scaling; a code nobody may use is worth 0.
        codes: the codes that a quantizer may use, in the order of preference among equal levels.
        group: consecutive inputs of one output channel that share a scale and a variant.
        variant_bits: storage of a group's choice of variant; 0 where a whole tensor chooses one.
        title: what people call it.
        source: where it is defined.
    """

    name: str
    family: Family
    bits: int
    levels: tuple[tuple[float, ...], ...]
    codes: tuple[int, ...]
    group: int
    variant_bits: int
    title: str
    source: str

    @property
    def native_scale(self) -> bool:
        """Whether the format defines its own eight-bit scales and its own group size (MX, NVFP4)."""
        return self.family in ("mx", "nv")

    @property
    def bits_per_weight(self) -> float:
        """Storage as deployed: a code, and per group an eight-bit scale and the choice of variant.

        What a channel or a tensor has once (its scale, its data type) is not counted, as in the BitMoD
        paper's section III-C.
        """
        return self.bits + (8 + self.variant_bits) / self.group

    @functools.cached_property
    def table(self) -> NDArray[np.float64]:
        """The levels as an array, ``[variants, codes]``."""
        return np.array(self.levels, np.float64)
