"""Every published figure of FuseMax's evaluation, from the authors' CSV files (MICRO 2024 artifact, MIT).

Latency, traffic and utilisation agree to 1e-6 (they agree to rounding), energy to 0.5 % (it does to 0.01 %).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from penstock.reproduce.published import read
from penstock.sim.cost.spatial import paper

POINTS = [(model, length) for model in paper.MODELS for length in paper.SEQUENCES]
EXACT, ENERGY = 1e-6, 5e-3


def published(name: str, column: str, scale: float = 1.0) -> np.ndarray:
    """A column of a file in the order of `POINTS`."""
    by_point = {(line["model"].lower(), line["seq_len"].lower()): line for line in read("fusemax", name)}
    assert set(by_point) == set(POINTS)
    return np.array([float(by_point[point][column]) * scale for point in POINTS])


def computed(figures: Callable[[paper.Workload], paper.Figures], quantity: str) -> np.ndarray:
    return np.array([getattr(figures(paper.workload(*point)), quantity) for point in POINTS])


@pytest.mark.parametrize("configuration", paper.CONFIGURATIONS)
@pytest.mark.parametrize(
    ("quantity", "column", "scale", "bound"),
    [
        ("latency_s", "latency", 1.0, EXACT),
        ("dram_bytes", "traffic", 1.0, EXACT),
        ("util_1d", "util_1d", 1.0, EXACT),  # figure 6a
        ("util_2d", "util_2d", 1.0, EXACT),  # figure 6b
        ("energy_j", "energy", 1e-12, ENERGY),  # figure 9
        ("energy_j", "energy", 1e-12, 1e-4),
    ],
)
def test_attention_is_the_published_one(
    configuration: str, quantity: str, column: str, scale: float, bound: float
) -> None:
    ours = computed(lambda work: paper.attention(work, configuration), quantity)
    np.testing.assert_allclose(ours, published(f"attn-{configuration}", column, scale), rtol=bound)


@pytest.mark.parametrize("target", ["flat", "fusemax"])
@pytest.mark.parametrize(
    ("quantity", "column", "scale", "bound"),
    [
        ("latency_s", "latency", 1.0, EXACT),
        ("dram_bytes", "traffic", 1.0, EXACT),
        ("energy_j", "energy", 1e-12, 1e-5),
    ],
)
def test_linear_layers_are_the_published_ones(
    target: str, quantity: str, column: str, scale: float, bound: float
) -> None:
    """Figures 10 and 11 add these files to attention's."""
    ours = computed(lambda work: paper.linear(work, paper.chip(f"{target}-cloud")), quantity)
    np.testing.assert_allclose(ours, published(f"end2end-{target}", column, scale), rtol=bound)


@pytest.mark.parametrize("configuration", paper.CONFIGURATIONS)
def test_a_layer_is_attention_and_its_linear_layers(configuration: str) -> None:
    chip = "flat" if configuration in ("unfused", "flat", "cascade") else "fusemax"
    for quantity, column, scale in (("latency_s", "latency", 1.0), ("energy_j", "energy", 1e-12)):
        both = published(f"attn-{configuration}", column, scale) + published(f"end2end-{chip}", column, scale)
        ours = computed(lambda work: paper.end_to_end(work, configuration), quantity)
        np.testing.assert_allclose(ours, both, rtol=EXACT if quantity == "latency_s" else 1e-4)


@pytest.mark.parametrize(
    "line", read("fusemax", "fig7"), ids=lambda line: f"{line['config']}-{line['seq_len']}"
)
def test_einsums_share_the_array_as_in_figure_7(line: dict[str, str]) -> None:
    found = paper.attention(paper.workload("bert", line["seq_len"].lower()), line["config"]).einsum_util_2d
    theirs = [float(line[einsum]) for einsum in paper.EINSUMS_2D if line[einsum]]
    assert list(found.values()) == pytest.approx(theirs, rel=EXACT)


@pytest.mark.parametrize(
    "line", read("fusemax", "pareto"), ids=lambda line: f"{line['model']}-{line['PE_dim']}"
)
def test_arrays_of_other_sizes_are_those_of_figure_12(line: dict[str, str]) -> None:
    work, side = paper.workload(line["model"].lower(), "256k"), int(line["PE_dim"])
    found = paper.design(work, side)
    assert found.latency_s == pytest.approx(float(line["latency"]), rel=EXACT)
    assert found.dram_bytes == pytest.approx(float(line["traffic"]), rel=EXACT)
    assert found.area.charged == pytest.approx(float(line["area"]), rel=5e-3 if side == 512 else 5e-4)


def test_areas_with_the_registers_there_are() -> None:
    """The earlier file of figure 12; buffers are a fit, which misses those of side 512 the most."""
    for line in read("fusemax", "pareto-scaled"):
        side = int(line["PE_dim"])
        found = paper.design(paper.workload(line["model"].lower(), "256k"), side)
        assert found.area.scaled == pytest.approx(float(line["area"]), rel=2e-2 if side == 512 else 3e-3)


def test_the_transcription_holds_together() -> None:
    """Columns that no model of ours is compared with agree with those that are."""
    for line in read("fusemax", "pareto"):
        assert float(line["latency"]) == pytest.approx(float(line["comp_1d_lat"]), rel=1e-14)
        assert float(line["mem_lat"]) == pytest.approx(int(line["traffic"]) / (400 * 2**30), rel=1e-14)
        assert float(line["comp_2d_lat"]) < float(line["comp_1d_lat"])
    for name in ("architecture", "binding"):
        for line in read("fusemax", f"attn-{name}"):
            (seven,) = [
                found
                for found in read("fusemax", "fig7")
                if (found["config"], found["seq_len"], line["model"]) == (name, line["seq_len"], "BERT")
            ] or [None]
            if seven:
                shares = sum(float(seven[einsum]) for einsum in paper.EINSUMS_2D)
                assert shares == pytest.approx(float(line["util_2d"]), rel=1e-12)
