"""Published figures as their authors' files give them."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from importlib import resources


@functools.cache
def read(paper: str, name: str) -> tuple[Mapping[str, str], ...]:
    """The lines of a file of ``published/PAPER/``, by column."""
    place = resources.files(__package__ or "penstock.reproduce") / "published" / paper / f"{name}.csv"
    return tuple(csv.DictReader(place.read_text(encoding="utf-8").splitlines()))
