"""Learning curves: JSON, and a picture of the best, the mean and the greedy game by episodes played."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ....ir.files import whole
from .run import Point


def write(path: str | Path, curve: Sequence[Point]) -> None:
    """Write a curve as JSON, or as a picture where the name ends so (``.svg``, ``.png``)."""
    with whole(path) as scratch:
        if Path(path).suffix in (".svg", ".png"):
            _draw(scratch, curve)
        else:
            points = [vars(point) for point in curve]
            scratch.write_text(json.dumps(points, indent=1) + "\n", encoding="utf-8")


def _draw(path: Path, curve: Sequence[Point]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    episodes = [point.episodes for point in curve]
    axes.plot(episodes, [point.best for point in curve], label="best so far")
    axes.plot(episodes, [point.mean for point in curve], label="mean of a round")
    axes.plot(episodes, [point.greedy for point in curve], ":", label="greedy game")
    axes.set_xlabel("episodes")
    axes.set_ylabel("speed-up over everything in slow memory")
    axes.legend()
    figure.savefig(path)
