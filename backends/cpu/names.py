"""Names in generated C: every text becomes an identifier, and no two the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

_KEYWORDS = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if inline int
    long register restrict return short signed sizeof static struct switch typedef union unsigned void
    volatile while memcpy""".split()  # noqa: SIM905 - thirty quoted words are harder to read
)
_LONGEST = 60


def identifier(text: str) -> str:
    """The text as a C identifier; the last part of a dotted path that is too long."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[-_LONGEST:].lstrip("_")
    return f"_{name}" if not name or name[0].isdigit() or name in _KEYWORDS else name


class Names:
    """The identifiers taken in one scope."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def take(self, text: str) -> str:
        """A free identifier that reads like the text."""
        name = base = identifier(text)
        number = 1
        while name in self._taken or name.startswith(("pst_", "penstock_")):
            number += 1
            name = f"{base}_{number}" if not base.startswith(("pst_", "penstock_")) else f"_{base}_{number}"
        self._taken.add(name)
        return name
