"""From a caller's arrays to what an entry is handed."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.backends.cpu.inputs import address

GRID = np.arange(12, dtype=np.float32).reshape(3, 4)
FIXED = GRID.copy()
FIXED.flags.writeable = False


@pytest.mark.parametrize(
    "array",
    [GRID, GRID[1:], GRID.T, GRID[:, ::2], FIXED, np.empty((0, 3)), np.zeros(2, bool), np.array(3.0),
     np.zeros(3, np.uint16), np.zeros(2, np.int64)],
    ids=["whole", "rows", "turned", "apart", "read-only", "empty", "bool", "scalar", "bf16", "int64"],
)  # fmt: skip
def test_an_array_is_where_numpy_says(array: np.ndarray) -> None:
    assert address(array) == array.ctypes.data
