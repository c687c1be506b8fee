"""Compares an array with its reference: maximum absolute error, relative norm, cosine.

NaN agrees with NaN at the same place and infinity with the same infinity; anywhere else they are an
infinite error, never skipped.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

BOUNDS: dict[str, float] = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
"""Largest accepted ‖out − ref‖ / ‖ref‖ by element type; other types must be equal."""

ROUNDED_BOUNDS: dict[str, float] = {"float": 0.0, "int15": 1e-3, "int8": 1e-1}
"""The same where a model allows packed layers to round their activations (``ir.quantized.ACTIVATIONS``)."""


KERNEL_BOUND = 5e-4
"""The same of one kernel that rounds to bf16, beside the interpreter on the same inputs.

Sums made in another order differ by about δ = 1e-6, so a share δ/u of the values lie on the other side of a
tie, where u = 2⁻⁷ is bf16's step; each then differs by u: √(δ·u) ≈ 1e-4 in norm. An operand not rounded, or
rounded by cutting, gives u/√12 ≈ 2e-3 or more.
"""


@dataclass(frozen=True)
class Difference:
    """How far an array is from its reference.

    Attributes:
        max_abs: largest absolute difference.
        relative: ‖out − ref‖₂ / ‖ref‖₂ over finite values.
        cosine: smallest cosine between rows (last axis) of the two.
    """

    max_abs: float
    relative: float
    cosine: float

    def to_json(self) -> dict[str, float]:
        """The three figures by name."""
        return asdict(self)


def difference(out: np.ndarray, reference: np.ndarray) -> Difference:
    """Compare in float64.

    Raises:
        ValueError: the shapes differ.
    """
    if out.shape != reference.shape:
        raise ValueError(f"shapes differ: {list(out.shape)} and {list(reference.shape)}")
    got, want = np.asarray(out, np.float64), np.asarray(reference, np.float64)
    finite = np.isfinite(want)
    same = np.where(finite, np.isfinite(got), (got == want) | (np.isnan(got) & np.isnan(want)))
    if not same.all():
        return Difference(np.inf, np.inf, 0.0)
    got, want = np.where(finite, got, 0.0), np.where(finite, want, 0.0)
    gap = np.abs(got - want)
    norm = float(np.linalg.norm(want))
    error = float(np.linalg.norm(gap))
    relative = error / norm if norm else (0.0 if error == 0 else np.inf)
    return Difference(float(gap.max(initial=0.0)), relative, _cosine(got, want))


def _cosine(got: np.ndarray, want: np.ndarray) -> float:
    if want.ndim == 0 or want.size == 0:
        return 1.0
    rows = want.reshape(-1, want.shape[-1]), got.reshape(-1, want.shape[-1])
    lengths = [np.linalg.norm(row, axis=1) for row in rows]
    nonzero = (lengths[0] > 0) & (lengths[1] > 0)
    if not nonzero.any():
        return 1.0
    dots = np.einsum("ij,ij->i", *(row[nonzero] for row in rows))
    return float((dots / (lengths[0][nonzero] * lengths[1][nonzero])).min())


def within(out: np.ndarray, reference: np.ndarray, found: Difference) -> bool:
    """Whether the difference is within the bound of the reference's element type."""
    bound = BOUNDS.get(str(reference.dtype))
    return found.relative <= bound if bound is not None else bool(np.array_equal(out, reference))
