"""What commands say, as programs and people get it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from penstock.outcome import plain, table


def test_json_holds_no_nan_and_no_numpy() -> None:
    data = {
        "error": float("nan"),
        "worst": np.float32(0.5),
        "rows": (np.arange(2), Path("b")),
        "none": None,
        "n": np.int64(3),
    }
    assert plain(data) == {"error": None, "worst": 0.5, "rows": [[0, 1], "b"], "none": None, "n": 3}


def test_tables_keep_long_names_whole() -> None:
    name = "encoder.layer.11.attention.output.dense.weight"
    assert name in table(("name", "n"), [(name, 3)])
