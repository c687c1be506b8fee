"""Inputs of the commands on bundles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penstock import bundle_commands
from penstock.ir.errors import InputError


def test_inputs_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    for name, content in {"text.npz": b"hello", "empty.npz": b""}.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError):
            bundle_commands.arrays(str(path))
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match="archive"):
        bundle_commands.arrays(str(tmp_path / "one.npy"))
    np.savez(tmp_path / "pickled.npz", x=np.array([object()]))
    with pytest.raises(InputError, match="archive"):
        bundle_commands.arrays(str(tmp_path / "pickled.npz"))


def test_inputs_are_read_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", ids=np.arange(3), mask=np.ones(3))
    assert list(bundle_commands.arrays(str(tmp_path / "in.npz"))) == ["ids", "mask"]
