"""The cycle model of BOLT's RTL: held to what the RTL was measured at, and sane everywhere else."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError
from penstock.sim.bolt.config import BoltConfig
from penstock.sim.bolt.pipeline import SLOT, Pages, Pipeline

STORED = json.loads((resources.files("penstock.reproduce") / "stored" / "bolt_rtl.json").read_text("utf-8"))
MEASURED = [*STORED["rate"], *STORED["points"], *STORED["lanes"]]


def named(line: dict[str, Any]) -> str:
    names = ("value_bytes", "alpha", "in_flight", "read_latency")
    return " ".join([*(f"{name} {line[name]}" for name in names), f"lane_pairs {pairs(line)}"])


def pairs(line: dict[str, Any]) -> int:
    return line.get("lane_pairs", 1)


@pytest.mark.parametrize("line", MEASURED, ids=named)
def test_the_model_is_within_5_percent_of_the_rtl(line: dict[str, Any]) -> None:
    config = BoltConfig(capacity=line["capacity"], value_bytes=line["value_bytes"], alpha=line["alpha"])
    latencies = line["read_latency"], line["write_latency"]
    pipeline = Pipeline(line["in_flight"], line["deadline"], *latencies, pairs(line))
    assert pipeline.cycles_per_access(config) == pytest.approx(line["cycles_per_access"], rel=0.05)


def test_the_rtl_serves_four_times_what_was_published() -> None:
    """4.57 us is 1142.5 cycles at 250 MHz."""
    best = min(line["cycles_per_access"] for line in STORED["rate"])
    assert best <= 285
    assert max(line["cycles_per_access"] for line in STORED["lanes"] if line["value_bytes"] == 16) <= 285
    assert all(line["ok"] for line in MEASURED)


accesses = st.lists(
    st.lists(st.integers(0, 5), min_size=2, max_size=2, unique=True), min_size=2, max_size=30
).map(lambda pairs: [tuple(page if page < 4 else None for page in pair) for pair in pairs])


@given(
    accesses,
    st.integers(1, 400),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([8, 64]),
    st.sampled_from([1, 2]),
)
@settings(max_examples=60, deadline=None)
def test_less_latency_or_more_of_anything_is_never_slower(
    pages: list[Pages], latency: int, in_flight: int, value_bytes: int, lane_pairs: int
) -> None:
    config = BoltConfig(capacity=4096, value_bytes=value_bytes)
    here = Pipeline(in_flight, 128, latency, latency, lane_pairs).commits(config, pages)
    assert here == sorted(set(here))
    assert here[-1] >= (len(pages) - 1) * (SLOT + 128)
    for faster in (
        Pipeline(2 * in_flight, 128, latency, latency, lane_pairs),
        Pipeline(in_flight, 128, max(1, latency // 2), latency, lane_pairs),
        Pipeline(in_flight, 128, latency, max(1, latency // 2), lane_pairs),
        Pipeline(in_flight, 96, latency, latency, lane_pairs),
        Pipeline(in_flight, 128, latency, latency, 2),
    ):
        assert faster.commits(config, pages)[-1] <= here[-1]


def test_a_pipeline_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="in_flight"):
        Pipeline(in_flight=0)


def test_three_pairs_of_lanes_are_refused() -> None:
    with pytest.raises(InputError, match="1 or 2"):
        Pipeline(lane_pairs=3)
