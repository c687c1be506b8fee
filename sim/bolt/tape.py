"""Random words from a test instead of the generator, so that it can say which bins an access touches."""

from __future__ import annotations

from collections.abc import Callable

from .drbg import Words

Tape = Callable[[int], Words]
"""Access number → its four words."""
