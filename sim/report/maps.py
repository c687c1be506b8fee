"""Memory maps in a report: latency before and after, the bound, and the picture of offsets over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...ir.bundle import PLAN, BundleFiles
from ...ir.errors import BundleError
from . import units
from .markup import details, facts, note

COLUMNS = ("entry", "player", "all slow", "mapped", "faster", "queued", "bound", "stays", "copies", "waiting")
"""Of the terminal's table; times but for entry, player, and the counts of stays and copies."""


@dataclass(frozen=True)
class MappedEntry:
    """The memory map of an entry.

    Attributes:
        fast, slow: names of the tiers.
        player: who made it.
        all_slow_s, latency_s: with everything in slow memory, and mapped.
        queued_s: mapped, with copies that queue.
        bound_s: no map is below.
        capacity_bytes: of the fast tier.
        live_bytes: of the program, at its peak.
        stays: tensors' stays in fast memory.
        copies_in, copies_out: between the tiers.
        stall_s: waiting for copies.
        verified: whether the verifiers took it.
        picture: SVG.
        where: the picture's file in the bundle.
    """

    fast: str
    slow: str
    player: str
    all_slow_s: float
    latency_s: float
    queued_s: float
    bound_s: float
    capacity_bytes: int
    live_bytes: int
    stays: int
    copies_in: int
    copies_out: int
    stall_s: float
    verified: bool
    picture: str
    where: str

    @property
    def speedup(self) -> float:
        """Over everything in slow memory; 1 for a program that takes no time."""
        return self.all_slow_s / self.latency_s if self.latency_s else 1.0

    def row(self, entry: str) -> tuple[str, ...]:
        """A line under `COLUMNS`."""
        times = map(units.duration, (self.queued_s, self.bound_s))
        return (
            entry,
            self.player,
            units.duration(self.all_slow_s),
            units.duration(self.latency_s),
            f"{self.speedup:.3f}×",
            *times,
            str(self.stays),
            f"{self.copies_in} in, {self.copies_out} out",
            units.duration(self.stall_s),
        )

    def to_json(self) -> dict[str, Any]:
        """Figures without the picture."""
        kept = {key: value for key, value in vars(self).items() if key not in ("picture", "where")}
        return {**kept, "speedup": self.speedup}


def read_maps(bundle: BundleFiles) -> dict[str, MappedEntry]:
    """The maps of a bundle by entry; none where it was compiled for a target without a fast tier.

    Raises:
        BundleError: a plan that lacks figures.
    """
    try:
        return {
            name: _entry(found, bundle.text(f"maps/{name}.svg"), f"maps/{name}.svg")
            for name, found in bundle.json(PLAN).get("maps", {}).items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"not a memory map: {error}", where=str(bundle.path / PLAN), accepted="compile again"
        ) from error


def _entry(found: Mapping[str, Any], picture: str, where: str) -> MappedEntry:
    fast, slow = found["tiers"]
    return MappedEntry(
        fast,
        slow,
        found["player"],
        float(found["all_slow_s"]),
        float(found["latency_s"]),
        float(found["queued_s"]),
        float(found["bound_s"]),
        int(found["machine"]["capacity"]),
        int(found["peak_live_bytes"]),
        len(found["plan"]["rectangles"]),
        int(found["copies_in"]),
        int(found["copies_out"]),
        float(found["stall_s"]),
        bool(found["verified"]),
        picture,
        where,
    )


def section(name: str, found: MappedEntry, *, shown: bool) -> str:
    """One entry's map as HTML."""
    figures = [
        (f"all in {found.slow}", units.duration(found.all_slow_s)),
        ("mapped", units.duration(found.latency_s)),
        ("faster", f"{found.speedup:.3f}×"),
        ("no map is below", units.duration(found.bound_s)),
        ("mapped, copies queued", units.duration(found.queued_s)),
        ("waiting for copies", units.duration(found.stall_s)),
        ("copies", f"{found.copies_in} in, {found.copies_out} out"),
        ("stays", str(found.stays)),
        (found.fast, units.size(found.capacity_bytes)),
        ("live at the peak", units.size(found.live_bytes)),
        ("player", found.player),
        ("verifier", "accepted" if found.verified else "REFUSED"),
    ]
    text = note(
        f"Offset in {found.fast} over time. Blue: made there; green: copied in. Below: copies in (green) and "
        "out (brown). Red on top: the program waits."
    )
    title = f"{name}: {units.duration(found.all_slow_s)} → {units.duration(found.latency_s)}"
    body = facts(figures) + text + f'<div class="wide">{found.picture}</div>'
    return details(title, body, kind="entry", shown=shown)
