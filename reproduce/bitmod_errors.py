"""Errors of number formats on a matrix that everyone can make: ΣΔ² / Σw² (BitMoD, HPCA 2025, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from .rows import Row

if TYPE_CHECKING:
    from ..ir.formats import Format

SHAPE, SEED = (8192, 128), 0
"""Of the matrix: standard normal, ``numpy.random.default_rng(0)``, as float32; a row is a group."""
GROUPS_A_CHANNEL = 32
"""Consecutive groups that share a channel scale, where scales have 8 bits."""

REFERENCE: Mapping[int, Mapping[str, float]] = MappingProxyType(
    {
        3: MappingProxyType(
            {
                "int-sym": 0.07510,
                "int-asym": 0.04648,
                "fp": 0.05699,
                "er": 0.04723,
                "ea": 0.03865,
                "bitmod": 0.03806,
                "bitmod-scale8": 0.03807,
            }
        ),
        4: MappingProxyType(
            {
                "int-sym": 0.01379,
                "int-asym": 0.01012,
                "fp": 0.01187,
                "er": 0.00992,
                "ea": 0.01155,
                "bitmod": 0.00958,
                "bitmod-scale8": 0.00959,
            }
        ),
    }
)
"""Of an independent evaluation in float64, to five decimals; the paper prints no errors."""
REFERENCE_BOUND = 6e-4
"""Half of the fifth decimal, of the smallest."""

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "int-sym": "int{bits}",
        "int-asym": "int{bits}-asym",
        "fp": "fp{bits}",
        "er": "bitmod{bits}",
        "ea": "bitmod{bits}",
        "bitmod": "bitmod{bits}",
        "bitmod-scale8": "bitmod{bits}",
        "flint": "flint{bits}",
        "olive": "olive{bits}",
        "mxfp": "mxfp{bits}",
        "nvfp": "nvfp{bits}",
    }
)
"""Name in the rows → the quantizer's; ``er`` has only the special values in range, ``ea`` those out of it."""


def errors() -> Iterator[Row]:
    """A row for every format there is at 3 and 4 bits."""
    import numpy as np

    from ..ir.formats import FORMATS as KNOWN
    from ..passes.quantize.fake import fake_quantize

    weights = np.random.default_rng(SEED).standard_normal(SHAPE).astype(np.float32)
    for bits, reference in REFERENCE.items():
        for name, form in FORMATS.items():
            known = KNOWN.get(form.format(bits=bits))
            if known is None:
                continue
            scaled = name.endswith("-scale8")
            matrix = weights.reshape(-1, GROUPS_A_CHANNEL * SHAPE[1]) if scaled else weights
            chosen = _restricted(known, name)
            error = fake_quantize(matrix, chosen, scale_bits=8 if scaled else None).mse(matrix)
            yield Row(
                f"mse/{bits}/{name}",
                error,
                None,
                "1",
                "not printed; reference: float64, independent of the quantizer",
                {"corrected": None, "reference": reference.get(name)},
            )


def _restricted(known: Format, name: str) -> Format:
    """BitMoD's format with half of its special values: the first two are in range, the last two out of it."""
    halves = {"er": slice(0, 2), "ea": slice(2, 4)}
    return replace(known, levels=known.levels[halves[name]]) if name in halves else known
