"""Three lanes of work with events between them: compute, copies to the host, copies back.

They are CUDA's streams where there is a GPU, and threads where there is none, so that one schedule runs on
both. An event is recorded on a lane and waited for on another; work on a lane is done in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

COMPUTE, D2H, H2D = "compute", "d2h", "h2d"
LANES = (COMPUTE, D2H, H2D)

Copy = tuple[Tensor, Tensor]
"""Where to, and where from: contiguous, of one size."""


@dataclass(eq=False)
class Event:
    """Something that happens in every step.

    Attributes:
        kind: what.
        layer: to which layer.
        mark: the lanes' own note of its last recording; None where it never was.
    """

    kind: str
    layer: int
    mark: Any = None


class Lanes(Protocol):
    """What a schedule needs of a device."""

    def begin(self) -> None:
        """A step begins: the caller's own stream is the compute lane from here on."""
        ...

    def record(self, lane: str, event: Event) -> None:
        """The event happens when all work given to the lane so far is done."""
        ...

    def wait(self, lane: str, event: Event) -> None:
        """Work given to the lane from here on starts after the event's last recording, if there was one."""
        ...

    def copy(self, lane: str, copies: Sequence[Copy]) -> None:
        """Copies on a lane, in order."""
        ...

    def touch(self, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
        """Says what memory the compute lane's next work reads and writes, for those who check it."""
        ...

    def finish(self) -> None:
        """Returns when all lanes have done all their work."""
        ...

    def close(self) -> None:
        """Finishes, and ends the lanes."""
        ...
