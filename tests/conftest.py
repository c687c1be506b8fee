"""What every test shares: the quick tests run first, and the checkout is known by name."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests before slow ones, otherwise in the order collected: the cheap answer comes first."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The repository the tests were taken from; the installed package may be a wheel elsewhere."""
    return Path(__file__).resolve().parent.parent
