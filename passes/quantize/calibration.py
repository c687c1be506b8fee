"""What a layer's inputs tell about its weights: how much an error of the weights changes the outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...ir.errors import InputError


class Calibration:
    """Inputs of one linear layer, recorded while the model ran on representative data.

    Attributes:
        inputs: D.
        magnitude: mean |x| of each input channel, ``[D]``.
    """

    def __init__(self, activations: ArrayLike) -> None:
        """Keep what errors need of activations ``[T, D]``: with T > D a triangle of as many rows as columns.

        Raises:
            InputError: no non-empty matrix, or not finite.
        """
        rows = np.asarray(activations, np.float64)
        if rows.ndim != 2 or rows.size == 0 or not np.isfinite(rows).all():
            raise InputError(
                f"cannot calibrate with activations of shape {list(rows.shape)}",
                accepted="[T, D], not empty, finite",
            )
        self.inputs = rows.shape[1]
        self.magnitude = np.abs(rows).mean(axis=0)
        # ‖E·Xᵀ‖ = ‖E·Rᵀ‖ for X = Q·R
        self._rows: NDArray[np.float64] = rows
        if len(rows) > rows.shape[1]:
            self._rows = np.asarray(np.linalg.qr(rows, mode="r"))

    def error(self, exact: NDArray, approximate: NDArray) -> float:
        """Relative squared output error, ``‖(W − W')·Xᵀ‖² / ‖W·Xᵀ‖²``; 0 where outputs are all zero.

        Args:
            exact: W ``[N, D]``.
            approximate: W' of the same shape.

        Raises:
            InputError: weights of another number of inputs.
        """
        self.check(exact)
        energy = np.square(exact @ self._rows.T).sum()
        return float(np.square((approximate - exact) @ self._rows.T).sum() / energy) if energy else 0.0

    def group_errors(self, difference: NDArray, group: int) -> NDArray[np.float64]:
        """Squared output error that each group of a difference ``[N, D]`` makes alone, ``[N, G]``."""
        short = -self.inputs % group
        rows = np.pad(self._rows, ((0, 0), (0, short))).reshape(len(self._rows), -1, group)
        parts = np.pad(difference, ((0, 0), (0, short))).reshape(len(difference), -1, group)
        gram = np.einsum("tgi,tgj->gij", rows, rows, optimize=True)
        through = np.matmul(parts.transpose(1, 0, 2), gram).transpose(1, 0, 2)
        return (through * parts).sum(axis=2)

    def check(self, weights: NDArray) -> None:
        """See that weights ``[N, D]`` fit.

        Raises:
            InputError: another number of inputs.
        """
        if weights.ndim != 2 or weights.shape[1] != self.inputs:
            raise InputError(
                f"weights of shape {list(weights.shape)} for {self.inputs} calibrated inputs",
                accepted=f"[N, {self.inputs}]",
            )
