"""Verilated models go to pytest's cache, not to the user's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def kept_builds(request: pytest.FixtureRequest) -> Iterator[None]:
    cache = request.config.cache
    assert cache is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTOCK_CACHE_DIR", str(cache.mkdir("penstock")))
        yield
