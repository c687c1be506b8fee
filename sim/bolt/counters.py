"""What a map counts."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass
class Counters:
    """What happened so far, and the most that was ever held.

    Attributes:
        accesses, hits: accesses of any kind; those that found their key.
        host_reads, host_writes: pages, their initial writing left out.
        max_load, max_hbm, max_queue, max_stash, max_cam: the fullest bin's keys; frames of HBM bins; frames
            awaiting a flush; entries of stash and CAM.
    """

    accesses: int = 0
    hits: int = 0
    host_reads: int = 0
    host_writes: int = 0
    max_load: int = 0
    max_hbm: int = 0
    max_queue: int = 0
    max_stash: int = 0
    max_cam: int = 0

    def raise_to(self, **values: int) -> None:
        """Keep the larger of what is noted and what is now."""
        for name, value in values.items():
            setattr(self, name, max(getattr(self, name), value))

    def to_json(self) -> dict[str, int]:
        """By name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
