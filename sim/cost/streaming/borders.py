"""Off-chip traffic of operators run in sections: a section's inside stays on the chip (SN40L, section III-A).

Operators of one section stream through each other; only what crosses a section's border is written to memory,
and read again by every section that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Edge:
    """A tensor and who makes and uses it, operators by name; no maker: an input; no user: an output.

    Attributes:
        bytes: of the tensor.
        maker: who writes it.
        users: who read it.
    """

    bytes: float
    maker: str | None
    users: tuple[str, ...]


def off_chip_bytes(edges: Iterable[Edge], section_of: Mapping[str, int]) -> float:
    """Bytes that operators in these sections read from and write to memory.

    A tensor with no maker or no user lies in memory anyway.
    """
    moved = 0.0
    for edge in edges:
        home = None if edge.maker is None else section_of[edge.maker]
        readers = {section_of[user] for user in edge.users} - {home}
        written = edge.maker is not None and (bool(readers) or not edge.users)
        moved += edge.bytes * (len(readers) + written)
    return moved
