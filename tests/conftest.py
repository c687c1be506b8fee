"""What every test shares: the quick tests run first, and nothing is read from or written to the user's home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests before slow ones, otherwise in the order collected: the cheap answer comes first."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def checkout() -> Iterator[Path]:
    """The repository the tests were taken from (the installed package may be a wheel elsewhere)."""
    yield ROOT
