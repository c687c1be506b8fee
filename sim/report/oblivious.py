"""Look-ups by private indices: accesses of the map, entry by entry, and what they move on its host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bolt import BoltConfig
from . import units

COLUMNS = ("entry", "rows", "accesses", "host pages, expected", "host bytes, expected")
"""Of `rows`."""


def config_of(program: Mapping[str, Any]) -> BoltConfig:
    """Sizes of the map of a program's tables (``cpu/program.json``)."""
    sizes = program["map"]
    return BoltConfig(capacity=sizes["capacity"], value_bytes=sizes["value_bytes"], alpha=sizes["alpha"])


def title(program: Mapping[str, Any]) -> str:
    """The map in one line."""
    config = config_of(program)
    return (
        f"Oblivious look-ups: {program['map']['keys']:,} keys of {config.value_bytes} bytes, "
        f"{config.host_bins:,} host pages of {config.page_bytes} bytes ({units.size(config.image_bytes)}), "
        f"{config.hbm_bins:,} bins in HBM"
    )


def rows(program: Mapping[str, Any]) -> list[list[str]]:
    """A row an entry: every access reads and writes the host bins among two that are drawn at random."""
    config = config_of(program)
    found = []
    for entry, counts in program["asked"].items():
        pages = 2 * 2 * counts["accesses"] * config.host_bins / config.bins
        found.append(
            [
                entry,
                f"{counts['rows']:,}",
                f"{counts['accesses']:,}",
                f"{pages:,.1f}",
                units.size(round(pages * config.page_bytes)),
            ]
        )
    return found
