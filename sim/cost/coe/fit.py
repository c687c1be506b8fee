"""The times behind a table of speed-ups: of the router, and of an expert's run for each number of tokens.

SN40L's table V prints no times, only how much faster a node answers a batch than another machine, which
copies slower and runs longer by known ratios. Each printed figure is linear in the unknown times,

    speed-up · (router + b·(copy + run)) = ratio_router·router + b·(other's copy + ratio·run),

every prompt taken to miss. But a run and the router are told apart only by the digits that rounding took
away, so the table leaves a range. The fit resolves it by what the paper says of the router: it is a model of
the experts' size (section II), so it is taken to be as long as the shortest run.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ....ir.errors import InputError

ROUNDS = 50
"""Of reweighting, from absolute to relative deviations; it settles in a few."""
SLACK = 1e-9
"""Relative, for what lies on the border of the printed figures' intervals."""


@dataclass(frozen=True)
class Observation:
    """One printed speed-up and what it is a speed-up of.

    Attributes:
        batch: prompts, each with its own expert.
        tokens: each run generates.
        copy_s, other_copy_s: of one expert, on the node and on the machine compared with.
        router_ratio, run_ratio: how many times longer the other machine takes.
        speedup: as printed; None for one to be predicted.
        half_digit: what rounding may have changed it by.
    """

    batch: int
    tokens: int
    copy_s: float
    other_copy_s: float
    router_ratio: float
    run_ratio: float
    speedup: float | None = None
    half_digit: float = 0.05

    def line(self, speedup: float) -> tuple[float, float, float]:
        """Factors of router and run, and the constant they add up to, where this is the speed-up."""
        constant = self.batch * (self.other_copy_s - speedup * self.copy_s)
        return speedup - self.router_ratio, self.batch * (speedup - self.run_ratio), constant


@dataclass(frozen=True)
class Times:
    """Seconds of a batch's router, and of one run by its number of tokens."""

    router_s: float
    run_s: Mapping[int, float]

    def node_s(self, seen: Observation) -> float:
        """A batch on the node."""
        return self.router_s + seen.batch * (seen.copy_s + self.run_s[seen.tokens])

    def other_s(self, seen: Observation) -> float:
        """A batch on the machine compared with."""
        runs = seen.batch * (seen.other_copy_s + seen.run_ratio * self.run_s[seen.tokens])
        return seen.router_ratio * self.router_s + runs

    def speedup(self, seen: Observation) -> float:
        """The ratio of the two."""
        return self.other_s(seen) / self.node_s(seen)


@dataclass(frozen=True)
class Fit:
    """Times that explain the printed speed-ups.

    Attributes:
        times: the fitted ones.
        corners: extreme times that would print the same; none where no times do.
    """

    times: Times
    corners: tuple[Times, ...]

    def spread(self, seen: Observation) -> tuple[float, float]:
        """The least and the largest speed-up that times which print the same predict.

        Raises:
            InputError: no times print the same.
        """
        if not self.corners:
            raise InputError("no times give the printed figures, rounded", where="fit of a speed-up table")
        found = [corner.speedup(seen) for corner in self.corners]
        return min(found), max(found)


def fit(seen: Sequence[Observation]) -> Fit:
    """Times of least squared relative deviation from the printed speed-ups, the router as the shortest run.

    Raises:
        InputError: a row without a figure, or rows that leave a time open.
    """
    tokens = sorted({each.tokens for each in seen})
    if any(each.speedup is None for each in seen) or not tokens:
        raise InputError("nothing to fit a time to", where="fit of a speed-up table", accepted="printed rows")
    column = {number: at for at, number in enumerate(tokens)}
    rows, constants = np.zeros((len(seen), len(tokens))), np.zeros(len(seen))
    for at, each in enumerate(seen):
        router, run, constants[at] = each.line(each.speedup or 0.0)
        rows[at, 0] += router  # as long as the shortest run
        rows[at, column[each.tokens]] += run
    weights = np.ones(len(seen))
    runs = np.zeros(len(tokens))
    for _ in range(ROUNDS):
        runs, _, rank, _ = np.linalg.lstsq(rows * weights[:, None], constants * weights, rcond=None)
        if rank < len(tokens):
            raise InputError("the rows leave a time open", where="fit of a speed-up table")
        times = _times(tokens, [runs[0], *runs])
        weights = np.array([1 / ((each.speedup or 1.0) * times.node_s(each)) for each in seen])
    return Fit(_times(tokens, [runs[0], *runs]), _corners(seen, tokens))


def _times(tokens: Sequence[int], found: Sequence[float]) -> Times:
    runs = {number: float(each) for number, each in zip(tokens, found[1:], strict=True)}
    return Times(float(found[0]), MappingProxyType(runs))


def _corners(seen: Sequence[Observation], tokens: Sequence[int]) -> tuple[Times, ...]:
    """Corners of the polytope of times that print as the table does, none of them negative.

    A speed-up is a ratio of linear functions, so it is extreme in corners.
    """
    size = len(tokens) + 1
    below, limits = [], []
    for each in seen:
        for sign in (1.0, -1.0):  # the speed-up is at most, and at least, the printed one and half a digit
            router, run, constant = each.line((each.speedup or 0.0) + sign * each.half_digit)
            row = np.zeros(size)
            row[0], row[1 + tokens.index(each.tokens)] = router, run
            below.append(-sign * row)
            limits.append(-sign * constant)
    below.extend(-np.eye(size))
    limits.extend(np.zeros(size))
    lines, bounds = np.array(below), np.array(limits)
    slack = SLACK * (1 + np.abs(bounds))
    found = []
    for chosen in itertools.combinations(range(len(lines)), size):
        part = lines[list(chosen)]
        if abs(np.linalg.det(part)) < SLACK:
            continue
        point = np.linalg.solve(part, bounds[list(chosen)])
        if np.all(lines @ point <= bounds + slack):
            found.append(_times(tokens, np.maximum(point, 0.0).tolist()))
    return tuple(found)
