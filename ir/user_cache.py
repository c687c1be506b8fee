"""Where what is built for this machine is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """``PENSTOCK_CACHE_DIR``, else ``penstock`` in the user's cache; it need not exist yet."""
    own = os.environ.get("PENSTOCK_CACHE_DIR")
    parent = os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(parent) if parent else Path.home() / ".cache") / "penstock"
