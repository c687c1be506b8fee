"""The mapper finds what an exhaustive search finds, and obeys the laws of optima."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.cli import main
from penstock.ir import targets
from penstock.ir.errors import InputError, PlanError
from penstock.ir.view import Cascade
from penstock.ir.view_text import parse_cascade
from penstock.passes.bind.mapper import bound, search
from penstock.passes.bind.mapper_space import boxes
from penstock.sim.cost.spatial.attention import attention, one_pass
from penstock.sim.cost.spatial.batch import OBJECTIVES, figures
from penstock.sim.cost.spatial.legal import legal
from penstock.sim.cost.spatial.mapping import Mapping, MappingError
from penstock.sim.cost.spatial.physical import evaluate

FUSEMAX = targets.load("fusemax-cloud")


def matmul(m: int, n: int, k: int) -> Cascade:
    return parse_cascade(f"M={m} N={n} K={k}\nZ[m,n] = sum[k] mul(A[m,k], B[k,n])\n")


def with_buffer(capacity_bytes: int):
    tiers = tuple(
        dataclasses.replace(tier, capacity_bytes=capacity_bytes) if tier.name == "sram" else tier
        for tier in FUSEMAX.tier
    )
    return dataclasses.replace(FUSEMAX, tier=tiers)


def test_the_best_of_all_is_the_best_one_by_one() -> None:
    """Every mapping of the space, evaluated alone, against the search that prices many at once."""
    cascade, target = matmul(3, 2, 2), with_buffer(40)
    least = dict.fromkeys(OBJECTIVES, np.inf)
    for box in boxes(cascade, target):
        for number in range(box.size):
            nest = box.mapping(box.digits(np.array([number]))[:, 0])
            try:
                cost = evaluate(cascade, Mapping((nest,)), target)
            except MappingError:
                continue
            figures = {
                "latency": cost.latency_s,
                "energy": cost.total_energy_pj,
                "edp": cost.latency_s * cost.total_energy_pj,
                "dram_bytes": cost.dram_bytes,
            }
            least = {name: min(least[name], figures[name]) for name in OBJECTIVES}
    for objective in OBJECTIVES:
        found = search(cascade, target, objective=objective)
        assert found.exhaustive
        assert found.value == pytest.approx(least[objective], rel=1e-12)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("shape", [(64, 64, 64), (32, 96, 48)])
def test_a_sampled_search_finds_the_optimum(shape: tuple[int, int, int], objective: str) -> None:
    """With a buffer that holds a quarter of the operands."""
    m, n, k = shape
    cascade, target = matmul(*shape), with_buffer((m * n + n * k + m * k) // 2)
    best = search(cascade, target, objective=objective)
    sampled = search(cascade, target, objective=objective, exhaustive=0, budget=40_000)
    assert best.exhaustive
    assert not sampled.exhaustive
    assert sampled.value == pytest.approx(best.value, rel=1e-12)
    assert best.bound <= best.value * (1 + 1e-12)


@settings(max_examples=12, deadline=None)
@given(st.tuples(*[st.integers(1, 12)] * 3), st.integers(40, 2000), st.integers(1, 2000))
def test_a_larger_buffer_never_costs_more(shape: tuple[int, int, int], size: int, more: int) -> None:
    cascade = matmul(*shape)
    for objective in ("latency", "dram_bytes"):
        small = search(cascade, with_buffer(size), objective=objective)
        large = search(cascade, with_buffer(size + more), objective=objective)
        assert large.value <= small.value * (1 + 1e-12)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(1, 200)] * 3), st.sampled_from(OBJECTIVES), st.integers(0, 2**32 - 1))
def test_no_mapping_beats_the_bound(shape: tuple[int, int, int], objective: str, seed: int) -> None:
    """Dataflows are left out by it, so it must hold for every mapping."""
    random = np.random.default_rng(seed)
    for box in boxes(matmul(*shape), FUSEMAX):
        points = box.points(box.likely(256, random))
        points = points[legal(box.problem, points)]
        if len(points):
            values = figures(box.problem, points).objective(objective)
            assert values.min() >= bound(box.problem, objective) * (1 - 1e-12)


def test_with_room_for_everything_traffic_is_compulsory() -> None:
    found = search(matmul(48, 40, 56), FUSEMAX, objective="dram_bytes")
    assert found.value == found.bound == 2 * (48 * 56 + 56 * 40 + 48 * 40)


def test_traffic_does_not_beat_the_known_bound() -> None:
    """A matmul through a buffer of S words moves at least 2·MNK/√S words less 2·S (Smith et al., 2019)."""
    m = n = k = 96
    words = 1200
    found = search(matmul(m, n, k), with_buffer(2 * words), objective="dram_bytes")
    least = 2 * m * n * k / words**0.5 - 2 * words
    assert least <= found.value / 2 <= 2 * least


def test_it_finds_a_mapping_as_good_as_the_papers() -> None:
    """One-pass attention: FuseMax's tiles, and blocks at least as good as the paper's."""
    cascade = one_pass(2, 2, 64, 64, 2048, 2048, 256)
    found = search(cascade, FUSEMAX, budget=60_000)
    paper = attention(2, 2, 64, 64, 2048, 2048, FUSEMAX)
    assert found.value <= paper.latency_s
    (nest,) = found.mapping.nests
    assert (nest.rows, nest.cols) == (("m0",), ("p",))
    assert {name for name, unit in nest.units.items() if unit == "array-2d"} == {
        "BQK",
        "LM",
        "SLN",
        "SLD",
        "SLNV",
    }


def test_a_seed_is_a_result() -> None:
    cascade = matmul(256, 192, 320)
    one, two = (search(cascade, FUSEMAX, exhaustive=0, budget=5_000, seed=7) for _ in range(2))
    assert one.mapping == two.mapping
    assert one.considered == two.considered


def test_progress_is_told() -> None:
    told: list[tuple[str, float, float | None]] = []
    search(matmul(16, 16, 16), FUSEMAX, progress=lambda *entry: told.append(entry))
    assert told
    assert told[-1][1] == told[-1][2]


def test_the_command_searches_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "matmul.txt"
    file.write_text("M=4 N=4 K=4\nZ[m,n] = sum[k] mul(A[m,k], B[k,n])\n", encoding="utf-8")
    words = ["plan", "nest", str(file), "--shape", "m=32,n=32,k=32", "--objective", "dram_bytes"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["value"] == found["bound"] == 3 * 2 * 32 * 32
    assert found["cost"]["operations"] == {"mac": 32**3}
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Z on array-" in said
    assert "DRAM      6144 bytes, of which compulsory 6144" in said


def test_what_cannot_fit_is_said() -> None:
    with pytest.raises(PlanError, match=r"sram: no mapping is legal: holds 4 bytes, and the tiles take 6"):
        search(matmul(8, 8, 8), with_buffer(4))


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(InputError, match="no objective 'area'"):
        search(matmul(2, 2, 2), FUSEMAX, objective="area")


def test_an_operation_no_unit_performs_is_refused() -> None:
    with pytest.raises(PlanError, match=r"Z\[m\] = div\(A\[m\], B\[m\]\): no unit"):
        search(parse_cascade("M=4\nZ[m] = div(A[m], B[m])\n"), with_only_the_array())


def test_a_rank_without_an_extent_is_refused() -> None:
    with pytest.raises(InputError, match="rank 'm' has no extent"):
        search(parse_cascade("Z[m] = exp(A[m])\n"), FUSEMAX)


def with_only_the_array():
    return dataclasses.replace(FUSEMAX, unit=FUSEMAX.unit[:1], component=(), register=())
