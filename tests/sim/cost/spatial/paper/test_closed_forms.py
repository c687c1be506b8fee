"""Paper mode: the numbers of the paper's text and plots, its oddities, and what any cost model must obey."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ir.errors import InputError, TargetError
from penstock.reproduce.published import read
from penstock.sim.cost.spatial import paper
from penstock.sim.cost.spatial.paper import elision, one_pass, three_pass

LENGTHS = tuple(paper.SEQUENCES)
FUSEMAX = paper.chip("fusemax-cloud")


def test_the_targets_give_the_sizes_of_section_vi() -> None:
    flat = paper.chip("flat-cloud")
    assert (FUSEMAX.rows, FUSEMAX.cols, FUSEMAX.clock_hz) == (256, 256, 940e6)
    assert (FUSEMAX.buffer_bytes, flat.buffer_bytes) == (16 * 2**20, 32 * 2**20)
    assert FUSEMAX.bandwidth_bytes_per_s == flat.bandwidth_bytes_per_s == 400 * 2**30
    assert FUSEMAX.row_bytes == 512


@pytest.mark.parametrize(
    ("configuration", "milliseconds"),
    [("unfused", 21.824), ("flat", 13.386), ("cascade", 15.334), ("architecture", 5.987), ("binding", 2.013)],
)
def test_bert_at_1k(configuration: str, milliseconds: float) -> None:
    found = paper.attention(paper.workload("bert", "1k"), configuration)
    assert round(found.latency_s * 1e3, 3) == milliseconds


def test_fusemax_on_bert() -> None:
    assert round(paper.binding(paper.workload("bert", "1m")).latency_s, 1) == 1891.8
    assert paper.binding(paper.workload("bert", "1k")).dram_bytes == 402653184
    assert paper.binding(paper.workload("bert", "1m")).dram_bytes == 6803228196864


@pytest.mark.parametrize(
    ("model", "configuration", "printed"),
    [
        ("bert", "unfused", [0.613, 0.634, 0.639, 0.640, 0.641, 0.641]),
        ("bert", "flat", [1, 1, 1, 1, 0.865, 0.865]),
        ("xlm", "flat", [1, 1, 1, 1, 0.840, 0.840]),
        ("bert", "architecture", [0.336, 0.310, 0.303, 0.302, 0.301, 0.301]),
        ("xlm", "architecture", [0.458, 0.422, 0.412, 0.410, 0.409, 0.409]),
    ],
)
def test_the_1d_array_is_busy_as_in_figure_6a(model: str, configuration: str, printed: list[float]) -> None:
    found = [paper.attention(paper.workload(model, length), configuration).util_1d for length in LENGTHS]
    assert found == pytest.approx(printed, abs=6e-4)


@pytest.mark.parametrize("model", paper.MODELS)
def test_the_1d_array_never_rests_under_binding_and_cascade(model: str) -> None:
    for configuration in ("binding", "cascade"):
        found = [paper.attention(paper.workload(model, length), configuration).util_1d for length in LENGTHS]
        assert found == pytest.approx([1.0] * 6, abs=1e-12)


@pytest.mark.parametrize(
    ("model", "configuration", "printed"),
    [
        ("bert", "flat", [1.40, 1.51, 1.55, 1.56, 1.35, 1.35]),
        ("bert", "binding", [3.08, 6.15, 9.36, 10.92, 11.41, 11.54]),
        ("trxl", "binding", [2.64, 5.41, 8.82, 10.72, 11.36, 11.52]),
        ("xlm", "binding", [1.43, 2.30, 3.91, 5.24, 5.80, 5.95]),
    ],
)
def test_layers_are_faster_as_in_figure_10(model: str, configuration: str, printed: list[float]) -> None:
    works = [paper.workload(model, length) for length in LENGTHS]
    base = [paper.end_to_end(work, "unfused").latency_s for work in works]
    found = [paper.end_to_end(work, configuration).latency_s for work in works]
    assert [a / b for a, b in zip(base, found, strict=True)] == pytest.approx(printed, abs=6e-3)


def test_linear_layers_share_of_figure_1b() -> None:
    shares = [paper.linear_share(paper.workload("bert", length)) for length in LENGTHS]
    assert [round(share, 2) for share in shares] == [0.82, 0.53, 0.22, 0.07, 0.02, 0.00]


@pytest.mark.parametrize(("model", "most"), [("bert", 128), ("trxl", 128), ("t5", 128), ("xlm", 64)])
def test_queries_split_so_that_the_buffer_holds_them(model: str, most: int) -> None:
    for length in LENGTHS:
        work = paper.workload(model, length)
        assert paper.binding(work).queries_per_tile == min(work.p // 256, most)
        assert paper.cascade(work).queries_per_tile == min(work.p // 256, 32)


def test_queries_per_tile_divide_the_queries() -> None:
    """Section V keeps whole tiles: 250 groups of queries with room for 251 stay together, 252 are split."""
    assert paper.queries_per_tile(paper.workload("bert", 250 * 256), FUSEMAX) == 250
    assert paper.queries_per_tile(paper.workload("bert", 252 * 256), FUSEMAX) == 126
    assert paper.queries_per_tile(paper.workload("bert", 257 * 256), FUSEMAX) == 1


def test_an_epoch_of_figure_4_is_bound_by_the_1d_array() -> None:
    """2F + 10 cycles a tile, and F for AV once in M1 tiles."""
    work = paper.workload("bert", "64k")
    tiles = FUSEMAX.tiles(work.b, work.h, work.m, work.p)
    assert paper.binding(work).latency_s * FUSEMAX.clock_hz / tiles == pytest.approx(2 * 64 + 10 + 64 / 256)


def test_multiply_accumulates_take_most_of_fusemaxs_energy() -> None:
    """Section VI: the 2D array takes at least 95 %."""
    for model in paper.MODELS:
        found = paper.binding(paper.workload(model, "64k"))
        assert found.components_j["mac"] / found.energy_j > 0.95


def test_components_add_up() -> None:
    for configuration in paper.CONFIGURATIONS:
        found = paper.attention(paper.workload("t5", "16k"), configuration)
        assert sum(found.components_j.values()) == pytest.approx(found.energy_j, rel=1e-12)


class TestOddities:
    def test_they_have_names_and_effects(self) -> None:
        names = [quirk.name for quirk in paper.QUIRKS]
        assert len(set(names)) == len(names)
        assert all(
            quirk.effect and set(quirk.configurations) <= set(paper.CONFIGURATIONS) for quirk in paper.QUIRKS
        )

    def test_reads_of_first_writes_are_charged_only_when_the_product_wraps(self) -> None:
        assert elision.phantom_reads(2**40, 2**23) == 0
        assert elision.phantom_reads(2**41, 2**23) == 2**41
        assert elision.phantom_reads(3 * 2**40, 2**23) == 2**41

    def test_without_them_the_published_energies_are_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(one_pass, "phantom_reads", lambda writes, held: 0)
        monkeypatch.setattr(three_pass, "phantom_reads", lambda writes, held: 0)
        for name, length in (("binding", "1M"), ("cascade", "256K"), ("flat", "64K"), ("unfused", "1M")):
            (line,) = [
                x for x in read("fusemax", f"attn-{name}") if (x["model"], x["seq_len"]) == ("BERT", length)
            ]
            found = paper.attention(paper.workload("bert", length.lower()), name).energy_j
            assert found < 0.996 * float(line["energy"]) * 1e-12, name

    def test_cascades_energy_leaves_out_its_exponentials(self) -> None:
        work = paper.workload("bert", "1k")
        assert paper.cascade(work).counts.exps == 0
        points = work.b * work.h * work.m * work.p
        missing = points * paper.chip("flat-cloud").exp_pj * 1e-12 / paper.cascade(work).energy_j
        assert missing == pytest.approx(0.034, abs=1e-3)

    def test_flat_is_known_only_where_its_search_was_run(self) -> None:
        with pytest.raises(InputError, match="search has no result"):
            paper.flat(paper.workload("bert", 2048))
        with pytest.raises(InputError, match="no mapping of the products"):
            paper.unfused(replace(paper.workload("bert", "256k"), e=32, f=32))
        assert paper.unfused(paper.workload("bert", 2048)).latency_s > 0


@pytest.mark.parametrize(("model", "length"), [("gpt", "1k"), ("bert", "2k"), ("bert", 0), ("bert", -1)])
def test_workloads_that_are_none_are_refused(model: str, length: str | int) -> None:
    with pytest.raises(InputError):
        paper.workload(model, length)


workloads = st.builds(
    lambda heads, width, tiles, queries: paper.Workload(
        4, heads, width, width, 256 * tiles, 256 * queries, 64, 64
    ),
    heads=st.integers(1, 32),
    width=st.sampled_from([16, 64, 80, 128]),
    tiles=st.integers(1, 300),
    queries=st.integers(1, 300),
)
ONE_PASS = {"cascade": paper.cascade, "architecture": paper.architecture, "binding": paper.binding}


@pytest.mark.parametrize("configuration", ONE_PASS)
@settings(deadline=None, max_examples=60)
@given(work=workloads, faster=st.floats(1, 100))
def test_one_pass_obeys_what_any_cost_model_must(
    configuration: str, work: paper.Workload, faster: float
) -> None:
    model, on = ONE_PASS[configuration], paper.chip_of(configuration)
    found = model(work, on)
    figures = (found.latency_s, found.dram_bytes, found.energy_j, *found.components_j.values())
    assert all(math.isfinite(value) and value >= 0 for value in figures)
    assert 0 < (found.util_1d or 0) <= 1 + 1e-12
    assert 0 < (found.util_2d or 0) <= 1 + 1e-12
    compulsory = 2 * work.b * work.h * (work.e + work.f) * (work.m + work.p)
    assert found.dram_bytes >= compulsory
    quick = replace(on, bandwidth_bytes_per_s=on.bandwidth_bytes_per_s * faster)
    assert model(work, quick).latency_s <= found.latency_s
    assert model(work, replace(on, clock_hz=on.clock_hz * faster)).latency_s <= found.latency_s
    if configuration != "cascade":
        assert model(work, replace(on, buffer_bytes=2 * on.buffer_bytes)).dram_bytes <= found.dram_bytes
    longer = replace(work, m=2 * work.m)
    assert model(longer, on).latency_s > found.latency_s
    assert model(longer, on).counts.macs > found.counts.macs


@settings(deadline=None, max_examples=60)
@given(work=workloads)
def test_each_step_of_the_paper_is_an_improvement(work: paper.Workload) -> None:
    binding, architecture = paper.binding(work), paper.architecture(work)
    assert binding.latency_s <= architecture.latency_s
    assert binding.energy_j == architecture.energy_j
    assert binding.dram_bytes == architecture.dram_bytes


@settings(deadline=None, max_examples=60)
@given(
    tokens=st.integers(1, 64),
    width=st.sampled_from([256, 768, 2048, 4096]),
    inner=st.sampled_from([1024, 8192]),
)
def test_linear_layers_move_at_least_what_they_must(tokens: int, width: int, inner: int) -> None:
    work = paper.Workload(4, width // 64, 64, 64, 256 * tokens, 256 * tokens, width, inner)
    for on in (FUSEMAX, paper.chip("flat-cloud")):
        found = paper.linear(work, on)
        rows = work.tokens
        weights = 4 * width * width + 2 * width * inner
        assert found.dram_bytes >= 2 * (weights + rows * (4 * 2 * width + 2 * (width + inner)))
        assert found.counts.macs == rows * weights
        assert found.latency_s >= on.seconds(found.counts.macs / (on.rows * on.cols)) * (1 - 1e-12)


@pytest.mark.parametrize("name", ["cpu", "bitmod-28nm", "no-such-target"])
def test_targets_without_both_arrays_are_refused(name: str) -> None:
    with pytest.raises(TargetError):
        paper.chip(name)
