"""Blocks of memory: zero, large enough, and of a kind that the system gives huge pages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from penstock.ir.memory import block

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SIZE = 8 << 20


@pytest.mark.parametrize("size", [0, 1, 4097, SIZE])
def test_a_block_is_zero_and_large_enough(size: int) -> None:
    made = np.frombuffer(block(size), np.uint8)
    assert made.size >= size
    assert not made.any()
    made[:] = 1


@pytest.mark.skipif(
    not ENABLED.exists() or "[never]" in ENABLED.read_text(), reason="the system has no huge pages"
)
def test_a_block_may_have_huge_pages() -> None:
    made = np.frombuffer(block(SIZE), np.uint8)
    address = made.ctypes.data
    maps = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    ranges = ((re.match(r"([0-9a-f]+)-([0-9a-f]+)", each), each) for each in maps)
    (found,) = [text for at, text in ranges if at and int(at[1], 16) <= address < int(at[2], 16)]
    assert re.search(r"THPeligible:\s+1", found), found
