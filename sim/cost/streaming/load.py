"""What a section's memory units and streams have to carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Load:
    """Buffers and streams of a section.

    Attributes:
        buffers, traffic: bytes of each buffer, and what passes it in a tile.
        streams: bytes of each stream in a tile.
        read, written: bytes across the border.
        held: those of them that are read before the section starts, and held.
    """

    buffers: list[int] = field(default_factory=list)
    traffic: list[float] = field(default_factory=list)
    streams: list[float] = field(default_factory=list)
    read: int = 0
    written: int = 0
    held: int = 0

    def buffer(self, count: int, moved: float) -> None:
        """Add a buffer."""
        self.buffers.append(count)
        self.traffic.append(moved)

    def load(self, tile: float, total: int) -> None:
        """Add a stream in."""
        self.streams.append(tile)
        self.read += total

    def store(self, tile: float, total: int) -> None:
        """Add a stream out."""
        self.streams.append(tile)
        self.written += total

    def with_whole(self, whole: Sequence[tuple[int, int]], held: int, tiles: int) -> Load:
        """With tensors that are read whole: the first are held, the others pass through a PMU for every tile.

        Args:
            whole: bytes and readers of each.
            held: how many are held.
            tiles: in the section.
        """
        near, far = whole[:held], whole[held:]
        count = sum(size for size, _ in near)
        return Load(
            self.buffers + [size for size, _ in near] + [1] * len(far),
            self.traffic + [size * readers for size, readers in near] + [size * (1 + r) for size, r in far],
            self.streams + [size for size, _ in far],
            self.read + count + tiles * sum(size for size, _ in far),
            self.written,
            count,
        )
