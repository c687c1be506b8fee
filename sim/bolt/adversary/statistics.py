"""T3, statistics of the visible bins: every access should show two distinct uniform bins, fresh each time.

Each finding is a z-score; |z| above 4.5 is a leak (the habit of TVLA), which some hundred tests reach once in
a thousand runs. Functions take ``touched``, the ``[n, 2]`` host bins of each access in order, −1 for none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..config import BoltConfig

LIMIT = 4.5
LAGS = 64
_GROUPS = 16
_LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class Finding:
    """One test's outcome.

    Attributes:
        name: what was tested.
        z: how many standard deviations from what a map that tells nothing would show.
    """

    name: str
    z: float

    @property
    def leaks(self) -> bool:
        """Whether it is beyond the limit."""
        return not abs(self.z) <= LIMIT


def failing(findings: Iterable[Finding]) -> list[Finding]:
    """Those beyond the limit."""
    return [each for each in findings if each.leaks]


def chi_square(name: str, counts: np.ndarray, expected: np.ndarray, lost: int = 1) -> Finding:
    """Pearson's test; cells that expect fewer than 5 are one. ``lost`` degrees of freedom are not free."""
    rare = expected < _LEAST_EXPECTED
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    used = expected > 0
    if (counts[~used] > 0).any():
        return Finding(name, math.inf)
    counts, expected = counts[used], expected[used]
    free = len(counts) - lost
    if free < 1:
        return Finding(name, 0.0)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return Finding(name, _normal_of_chi_square(statistic, free))


def against_uniform(config: BoltConfig, touched: np.ndarray, seed: int = 0) -> list[Finding]:
    """All one-sample tests.

    Args:
        config: sizes.
        touched: ``[n, 2]``.
        seed: of the jitter that makes gaps continuous.
    """
    return [
        bin_frequency(config, touched),
        pair_independence(config, touched),
        revisit_gaps(config, touched, seed),
        *lags(config, touched),
    ]


def bin_frequency(config: BoltConfig, touched: np.ndarray) -> Finding:
    """Whether every host bin is touched as often."""
    counts = _counts(config, touched)
    return chi_square("bin frequency", counts, np.full(len(counts), counts.sum() / len(counts)))


def pair_independence(config: BoltConfig, touched: np.ndarray) -> Finding:
    """Whether the second bin of an access is independent of the first but for being another."""
    both = touched[(touched >= 0).all(1)] - config.hbm_bins
    groups = min(_GROUPS, config.host_bins)
    group = np.arange(config.host_bins) * groups // config.host_bins
    sizes = np.bincount(group, minlength=groups)
    counts = np.bincount(group[both[:, 0]] * groups + group[both[:, 1]], minlength=groups**2)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    return chi_square("pair independence", counts, pairs.ravel() * (len(both) / pairs.sum()))


def revisit_gaps(config: BoltConfig, touched: np.ndarray, seed: int = 0) -> Finding:
    """Whether accesses between visits of a bin are geometric (Kolmogorov and Smirnov, with jitter)."""
    when, column = np.nonzero(touched >= 0)
    bins = touched[when, column]
    order = np.lexsort((when, bins))
    bins, when = bins[order], when[order]
    gaps, same = np.diff(when), bins[1:] == bins[:-1]
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    visits = np.diff(np.append(starts, len(bins)))
    most = int(visits.min()) - 1  # as many of each bin: long gaps are not cut off by the end
    if most < 1 or len(visits) < config.host_bins:
        return Finding("revisit gaps", 0.0)
    rank = np.arange(len(bins)) - np.repeat(starts, visits)
    gaps = gaps[same & (rank[1:] <= most)]
    missed = 1 - 2 / config.bins
    upto, before = 1 - missed**gaps, 1 - missed ** (gaps - 1)
    place = np.sort(before + np.random.default_rng(seed).random(len(gaps)) * (upto - before))
    steps = np.arange(len(place) + 1) / len(place)
    distance = max(float((steps[1:] - place).max()), float((place - steps[:-1]).max()))
    return Finding("revisit gaps", _normal_of_kolmogorov(distance * math.sqrt(len(place))))


def lag_counts(touched: np.ndarray, lag: int) -> np.ndarray:
    """Coincidences of an access's bins with those ``lag`` accesses later: ``[2, 2]`` by place in the pair."""
    early, late = touched[:-lag], touched[lag:]
    return np.array(
        [[((early[:, i] == late[:, j]) & (early[:, i] >= 0)).sum() for j in (0, 1)] for i in (0, 1)]
    )


def lags(config: BoltConfig, touched: np.ndarray, most: int = LAGS) -> list[Finding]:
    """Whether a bin comes back after 1…``most`` accesses as often as chance has it, by place in the pair."""
    bins, host = config.bins, config.host_bins
    second = (host - 1) / (bins * (bins - 1))
    shows = np.array([2 / bins - second, second])  # a lone visible bin counts as the first
    found = []
    for lag in range(1, min(most, len(touched) - 1) + 1):
        expected = host * np.outer(shows, shows) * (len(touched) - lag)
        z = 2 * (np.sqrt(lag_counts(touched, lag) + 0.375) - np.sqrt(expected + 0.375))  # Anscombe
        found += [Finding(f"lag {lag}, places {i} and {j}", float(z[i, j])) for i in (0, 1) for j in (0, 1)]
    return found


def two_sample(config: BoltConfig, one: np.ndarray, other: np.ndarray, name: str = "two samples") -> Finding:
    """Whether two sequences touch the host bins alike, on maps of different seeds."""
    a, b = _counts(config, one).astype(float), _counts(config, other).astype(float)
    total = a + b
    used = total > 0
    expected = total[used] * (a.sum() / total.sum())
    share = 1 - a.sum() / total.sum()
    statistic = float(((a[used] - expected) ** 2 / (expected * share)).sum())
    return Finding(name, _normal_of_chi_square(statistic, int(used.sum()) - 1))


def _counts(config: BoltConfig, touched: np.ndarray) -> np.ndarray:
    visible = touched[touched >= 0] - config.hbm_bins
    return np.bincount(visible, minlength=config.host_bins)


def _normal_of_chi_square(statistic: float, free: int) -> float:
    """Wilson and Hilferty's z-score of a chi-square."""
    spread = 2 / (9 * free)
    return ((statistic / free) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


def _normal_of_kolmogorov(distance: float) -> float:
    """The z-score, two-sided, of a scaled Kolmogorov distance."""
    terms = np.arange(1, 101)
    probability = float(2 * ((-1.0) ** (terms - 1) * np.exp(-2 * (terms * distance) ** 2)).sum())
    return -NormalDist().inv_cdf(min(max(probability, 1e-300), 1.0) / 2)
