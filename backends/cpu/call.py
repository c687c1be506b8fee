"""One entry bound to its memory: arrays made once, so that a short run costs no more than the code itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Call:
    """A call of an entry, to be made again and again; of `Program.bind`.

    Attributes:
        inputs: arrays of the entry's shapes by name, to be filled in before a call.
        outputs: arrays by name, overwritten by every call.
    """

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    _run: Callable[[], None]

    def __call__(self) -> None:
        """Run the entry."""
        self._run()
