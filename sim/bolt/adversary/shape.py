"""T2, the shape of an access: its pages read, then the same pages written, and how many by chance alone."""

from __future__ import annotations

import numpy as np

from ..config import BoltConfig
from ..memory import READ, WRITE
from .statistics import Finding, chi_square

NONE = -1
"""In place of a bin that is not visible."""


def touched_by_access(config: BoltConfig, trace: np.ndarray, accesses: int) -> np.ndarray:
    """Host bins each access read, in order: ``[accesses, 2]``, `NONE` for those in HBM.

    Args:
        config: sizes.
        trace: events whose index is the access's number; those before the first are left out.
        accesses: how many were made.
    """
    reads = trace[(trace["direction"] == READ) & (trace["index"] >= 0)]
    touched = np.full((accesses, 2), NONE)
    index = reads["index"]
    second = np.concatenate([[False], index[1:] == index[:-1]]) if len(index) else np.zeros(0, bool)
    bins = (reads["address"].astype(np.int64) - config.base) // config.page_bytes + config.hbm_bins
    touched[index, second.astype(int)] = bins
    return touched


def shape_faults(config: BoltConfig, trace: np.ndarray) -> list[str]:
    """What is wrong with the order, addresses or lengths of accesses; nothing if all is well."""
    events = trace[trace["index"] >= 0]
    found = []
    if len(events) and (events["length"] != config.page_bytes).any():
        found.append(f"lengths other than {config.page_bytes} bytes: {np.unique(events['length'])}")
    starts = np.flatnonzero(np.diff(events["index"], prepend=-1))
    for part in np.split(events, starts[1:]) if len(events) else ():
        half = len(part) // 2
        directions = [READ] * half + [WRITE] * half
        addresses = part["address"]
        if part["direction"].tolist() != directions or (addresses[:half] != addresses[half:]).any():
            found.append(f"access {part['index'][0]}: {part}")
    return found


def page_counts(config: BoltConfig, touched: np.ndarray) -> Finding:
    """Whether accesses touch 0, 1 and 2 host pages as often as two distinct uniform bins do."""
    counts = np.bincount((touched != NONE).sum(1), minlength=3)
    bins, hbm, host = config.bins, config.hbm_bins, config.host_bins
    pairs = bins * (bins - 1)
    shares = np.array([hbm * (hbm - 1), 2 * hbm * host, host * (host - 1)]) / pairs
    return chi_square("pages touched", counts, shares * len(touched))
