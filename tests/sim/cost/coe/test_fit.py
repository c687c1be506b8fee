"""Times fitted to a table of speed-ups: exact figures give them back, rounded ones a range around them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError
from penstock.sim.cost.coe import Observation, Times, fit

BLANK = [
    Observation(8, tokens, 0.01, 0.01 * slower, router_ratio, router_ratio if tokens == 20 else run_ratio)
    for slower, router_ratio, run_ratio in ((31.25, 2.0, 3.2), (15.6, 1.5, 2.3))
    for tokens in (20, 200)
]
SECONDS = st.floats(0.01, 0.5)


def printed(times: Times, digits: int) -> list[Observation]:
    return [replace(each, speedup=round(times.speedup(each), digits)) for each in BLANK]


@settings(max_examples=50)
@given(SECONDS, SECONDS)
def test_exact_figures_give_the_times_back(short: float, long: float) -> None:
    times = Times(short, {20: short, 200: short + long})
    found = fit(printed(times, 12)).times
    assert found.run_s[20] == pytest.approx(short, rel=1e-6)
    assert found.run_s[200] == pytest.approx(short + long, rel=1e-6)


@settings(max_examples=50)
@given(SECONDS, SECONDS, SECONDS)
def test_the_range_holds_whatever_times_the_figures_came_from(
    router: float, short: float, long: float
) -> None:
    times = Times(router, {20: short, 200: long})
    found = fit(printed(times, 1))
    for each in BLANK:
        one = replace(each, batch=1)
        least, most = found.spread(one)
        assert least - 1e-6 <= times.speedup(one) <= most + 1e-6


def test_figures_that_contradict_each_other_leave_no_range() -> None:
    seen = [replace(each, speedup=1.0 + at) for at, each in enumerate(BLANK)]
    with pytest.raises(InputError, match="no times give the printed figures"):
        fit(seen).spread(BLANK[0])


def test_rows_without_figures_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to fit"):
        fit(BLANK)
    with pytest.raises(InputError, match="nothing to fit"):
        fit([])
