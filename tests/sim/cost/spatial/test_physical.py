"""The physical model against counts by hand, against plain loops, and on FuseMax's own mapping."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings

from penstock.ir.errors import PenstockError
from penstock.ir.schedule import Edge, Placed, Schedule, Task
from penstock.ir.view_text import parse_cascade
from penstock.sim.cost.spatial.attention import (
    CONFIGURATIONS,
    attention,
    fusemax,
    one_pass,
    query_tiles,
    three_pass,
)
from penstock.sim.cost.spatial.mapping import Mapping, MappingError, Nest, Split
from penstock.sim.cost.spatial.physical import area_um2, epochs, evaluate
from penstock.sim.cost.spatial.points import Points
from penstock.sim.cost.spatial.workload import problem

from .cases import FLAT, FUSEMAX, larger, matmul, matmuls, with_batch
from .loops import walk

CASCADE = matmul(512, 512, 256)
NEST = Nest(
    units={"Z": "array-2d"},
    splits={"b": Split(), "m": Split(2, 1, 256), "n": Split(1, 2, 256), "k": Split(1, 256)},
    rows=("m",),
    cols=("n",),
    dram_order=("m", "n"),
    buffer_order=("n",),
    tile_order=("k",),
)


def test_a_matmul_counted_by_hand() -> None:
    """Output-stationary, A by rows once, B whole in the buffer: 2·2 tiles of 256 steps and 256 rows out."""
    cost = evaluate(CASCADE, Mapping((NEST,)), FUSEMAX)
    assert cost.operations == {"mac": 512 * 512 * 256}
    assert cost.einsum_cycles == {"Z": 4 * (256 + 256)}
    assert cost.dram_read_bytes == {"A": 2 * 512 * 256, "B": 2 * 512 * 256, "Z": 0}
    assert cost.dram_written_bytes == {"Z": 2 * 512 * 512}
    assert cost.dram_bytes == cost.compulsory_bytes
    vectors = 4 * 256
    assert cost.buffer_read_bytes == 2 * vectors * 512 + 2 * 512 * 512
    assert cost.buffer_written_bytes == vectors * 512 + 2 * 2 * 512 * 256
    assert cost.buffer_occupied_bytes == 2 * (2 * 256 * 256 + 256 * 512 + 2 * 256 * 512)
    assert cost.register_accesses == {"array-2d": 3 * 512 * 512 * 256}
    assert cost.energy_pj["mac"] == pytest.approx(512 * 512 * 256 * 17.1645, rel=1e-4)
    assert cost.energy_pj["registers array-2d"] == pytest.approx(3 * 512 * 512 * 256 * (0.3634 + 0.3186))
    compute = (4 * 512 + 510) / 940e6
    ends = (2 * (256 * 256 + 256 * 512) + 2 * 256 * 512) / 429496729600
    assert cost.latency_s == pytest.approx(compute + ends)


def test_partial_sums_leave_and_come_back() -> None:
    """k outside m and n at the DRAM: every output but the first time is read again."""
    splits = {"b": Split(), "m": Split(2, 1, 256), "n": Split(2, 1, 256), "k": Split(4, 64)}
    nest = dataclasses.replace(NEST, splits=splits, dram_order=("k", "m", "n"), buffer_order=())
    cost = evaluate(CASCADE, Mapping((nest,)), FUSEMAX)
    assert cost.dram_written_bytes["Z"] == 4 * 2 * 512 * 512
    assert cost.dram_read_bytes["Z"] == 3 * 2 * 512 * 512
    assert cost.dram_read_bytes["A"] == 2 * 512 * 256
    assert cost.dram_read_bytes["B"] == 2 * 2 * 512 * 256


@settings(max_examples=60, deadline=None)
@given(matmuls(most=14))
def test_traffic_is_what_plain_loops_move(case) -> None:
    """DRAM bytes of every tensor, ragged tiles included, and vectors at the edge of the array."""
    cascade, mapping = case
    mapping = with_batch(mapping, cascade.extents["b"])
    (nest,) = mapping.nests
    cost = evaluate(cascade, mapping, FUSEMAX)
    for tensor, count in walk(cascade, nest).items():
        assert cost.dram_read_bytes[tensor] == 2 * count["read"], tensor
        assert cost.dram_written_bytes.get(tensor, 0) == 2 * count["written"], tensor
    inside = walk(cascade, nest, inside=True)
    rows = {rank: nest.splits[rank].spatial for rank in nest.rows}
    read = written = 0
    for tensor, ranks in {"A": "bmk", "B": "bkn", "Z": "bmn"}.items():
        matrix = (
            [count for rank, count in rows.items() if rank in ranks] if set(nest.cols) & set(ranks) else []
        )
        read += inside[tensor]["read"] * (matrix[0] if matrix else 1)
        written += inside[tensor]["written"] * (matrix[0] if matrix else 1)
    drained, filled = sum(cost.dram_written_bytes.values()), sum(cost.dram_read_bytes.values())
    assert cost.buffer_read_bytes == 512 * read + drained
    assert cost.buffer_written_bytes == 512 * written + filled


@pytest.mark.parametrize("length", [1024, 4096, 16384, 65536, 262144, 1048576])
@pytest.mark.parametrize(("heads", "e"), [(12, 64), (16, 128)])
def test_fusemax_mapping_moves_what_the_paper_says(length: int, heads: int, e: int) -> None:
    """§V: u·2·(1 + P2·M/P) bytes with u = 2·B·H·E·P."""
    cost = attention(64, heads, e, e, length, length, FUSEMAX)
    blocks = length // 256 // query_tiles(FUSEMAX, e, e, length)
    assert cost.dram_bytes == 2 * 64 * heads * e * length * 2 * (1 + blocks)


@pytest.mark.parametrize("e", [64, 128])
def test_fusemax_tile_takes_the_cycles_of_figure_4(e: int) -> None:
    """E + F + 9 on the 2D array; 2F + 10 on the 1D array, and F for the divisions of each query tile."""
    cascade = one_pass(1, 1, e, e, 16 * 256, 4 * 256, 256)
    cost = evaluate(cascade, fusemax(cascade, FUSEMAX, p1=4), FUSEMAX)
    assert cost.busy_cycles["array-2d"] == 16 * 4 * (2 * e + 9)
    assert cost.busy_cycles["array-1d"] == 16 * 4 * (2 * e + 10) + 4 * e
    assert cost.bound == "compute"
    traffic = cost.buffer_read_bytes + cost.buffer_written_bytes - cost.dram_bytes
    # 2E of Q and K, F of V, 2F of RNV; RM read four times and written once, RD once each; AV after all.
    assert traffic / 512 == 16 * 4 * (5 * e + 7) + 4 * (2 * e + 1)


def test_overlapped_tiles_hide_the_way_through_the_array() -> None:
    """§V: without the overlap, every tile waits 256 cycles for the maxima to leave the array."""
    arguments = (64, 12, 64, 64, 4096, 4096, FUSEMAX)
    overlapped, apart = attention(*arguments), attention(*arguments, "architecture")
    tiles = 64 * 12 * 16 * 16
    assert apart.compute_s - overlapped.compute_s > 254 * tiles / 940e6
    assert apart.dram_bytes == overlapped.dram_bytes
    assert apart.total_energy_pj == overlapped.total_energy_pj


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_configuration_runs_the_same_attention(configuration: str) -> None:
    target = FUSEMAX if configuration in ("binding", "architecture") else FLAT
    cost = attention(2, 4, 64, 64, 1024, 1024, target, configuration)
    assert cost.operations["mac"] == 2 * 4 * 128 * 1024 * 1024
    assert cost.dram_bytes >= 4 * 2 * 2 * 4 * 64 * 1024
    assert 0 < cost.utilisation["array-2d"] <= 1
    assert 0 < cost.utilisation["array-1d"] <= 1


def test_register_files_of_all_elements_cost_a_tenth_of_the_arithmetic() -> None:
    """The artifact counts the registers of one processing element; all of them are not small change."""
    cost = attention(64, 12, 64, 64, 1024, 1024, FUSEMAX)
    share = (cost.energy_pj["registers array-2d"] or 0) / (cost.energy_pj["mac"] or 1)
    assert 0.1 <= share <= 0.2


def test_area_of_the_arrays() -> None:
    area = area_um2(FUSEMAX)
    assert area["mac array-2d"] == 65536 * 1545
    assert area["registers array-1d"] == 256 * 4256
    assert area["sram"] is None


def test_a_schedule_gives_the_cycles() -> None:
    """Epochs of the period, as many more as tiles are in flight, and AV after each block."""
    cascade = one_pass(1, 2, 64, 64, 4 * 256, 8 * 256, 256)
    mapping = fusemax(cascade, FUSEMAX, p1=8)
    steps = {"BQK": 64, "LM": 1, "SLN": 7, "SLD": 1, "SLNV": 64}
    lanes = {"RM": 1, "PRM": 7, "SPD": 1, "RD": 1, "SPNV": 64, "RNV": 64}
    placed, at = [], 0
    for name, count in (steps | lanes).items():
        placed.append(Placed(Task(name, "array-2d" if name in steps else "array-1d", count), at))
        at += count
    edges = (Edge("BQK", "RNV", 1),)
    schedule = Schedule(138, tuple(placed), edges, ("array-2d", "array-1d"), True, 138)
    stated = problem(cascade, mapping.nests[0], FUSEMAX)
    found = epochs(stated, Points.of(stated, mapping.nests), schedule)
    assert found.epochs == 2 * (4 * 8 + schedule.stages - 1) * 138
    cost = evaluate(cascade, mapping, FUSEMAX, schedule=schedule)
    assert cost.compute_s * 940e6 == pytest.approx(found.total)
    assert cost.busy_cycles == {"array-2d": 2 * 4 * 8 * 137, "array-1d": 2 * (4 * 8 * 138 + 8 * 64)}


def test_a_reader_of_a_later_pass_needs_the_whole_fiber() -> None:
    cascade = three_pass(1, 1, 64, 64, 65536, 256)
    nest = attention_nest(cascade, place="buffer")
    with pytest.raises(MappingError, match="sram: holds 33554432 bytes"):
        evaluate(cascade, Mapping((nest,)), FLAT)
    cost = evaluate(cascade, Mapping((attention_nest(cascade, place="dram"),)), FLAT)
    scores = 2 * 65536 * 256
    assert cost.dram_written_bytes["QK"] == cost.dram_read_bytes["QK"] == scores
    with pytest.raises(MappingError, match=r"^m: .* in a later pass"):
        evaluate(cascade, Mapping((attention_nest(cascade, place="array"),)), FLAT)


def attention_nest(cascade, *, place: str) -> Nest:
    names = [einsum.output.tensor for einsum in cascade.einsums]
    return Nest(
        units={name: "array-2d" if name in ("QK", "AV") else "array-1d" for name in names},
        splits={
            "b": Split(),
            "h": Split(),
            "m": Split.of(cascade.extents["m"], spatial=256),
            "p": Split.of(cascade.extents["p"], spatial=256),
            "e": Split(1, 64),
            "f": Split(1, 64),
        },
        rows=("m",),
        cols=("p",),
        dram_order=("p", "m"),
        tile_order=("e", "f"),
        keep={"QK": place, "SN": place, "A": "buffer"},
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"m": Split(1, 1, 256)}, "^m: does not cover its extent 512"),
        ({"m": Split(3, 1, 256)}, "^m: has trips beyond"),
        ({"m": Split(1, 1, 512)}, "^m: more rows than there are .*at most 256"),
        ({"k": Split(1, 1, 256)}, "^k: is spatial, on no axis"),
    ],
)
def test_a_bad_split_is_named(change, says: str) -> None:
    nest = dataclasses.replace(NEST, splits={**NEST.splits, **change})
    with pytest.raises(MappingError, match=says):
        evaluate(CASCADE, Mapping((nest,)), FUSEMAX)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"units": {"Y": "array-2d"}}, "Z: 0 nests run it"),
        ({"splits": {"m": Split(2, 1, 256)}}, "no split"),
        ({"cols": ("k",), "tile_order": ("n",), "buffer_order": ()}, "k: Z is reduced over columns"),
        ({"dram_order": ("m", "m")}, "m: listed twice"),
        ({"dram_order": ("q",)}, "q: no such rank"),
        ({"keep": {"Z": "disk"}}, "Z: kept in 'disk'"),
        ({"single": ("Y",)}, "Y: does not come from or go to DRAM"),
        ({"units": {"Z": "array-3d"}}, "there is no unit 'array-3d'"),
    ],
)
def test_a_bad_nest_is_refused(change, says: str) -> None:
    with pytest.raises(PenstockError, match=says):
        evaluate(CASCADE, Mapping((dataclasses.replace(NEST, **change),)), FUSEMAX)


def test_tiles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MappingError, match="sram: holds 1000 bytes, and the tiles take 1048576"):
        evaluate(CASCADE, Mapping((NEST,)), larger(FUSEMAX, 1000))


def test_state_outlives_no_loop_of_its_own() -> None:
    """Generations outside query tiles would need the running sums of all queries."""
    cascade = one_pass(1, 1, 64, 64, 1024, 1024, 256)
    (nest,) = fusemax(cascade, FUSEMAX, p1=2).nests
    with pytest.raises(MappingError, match=r"^p: its loop over m1 lies outside p's, but RM"):
        evaluate(cascade, Mapping((dataclasses.replace(nest, dram_order=("m1", "p")),)), FUSEMAX)


def test_a_mapping_prints_as_its_loops() -> None:
    assert str(Mapping((NEST,))) == (
        "dram   for m in 2\n"
        "buffer   for n in 2\n"
        "rows       parallel m in 256\n"
        "cols         parallel n in 256\n"
        "steps          for k in 256\n"
        "                 Z on array-2d\n"
    )


def test_the_papers_mapping_prints_as_the_paper_has_it() -> None:
    """§V, mapping 1: b, h / p2 / m1 / p1 / ∥p0 ∥m0."""
    cascade = one_pass(64, 12, 64, 64, 65536, 65536, 256)
    lines = str(fusemax(cascade, FUSEMAX, p1=128)).splitlines()
    assert [line.split(maxsplit=1)[1].strip() for line in lines[:9]] == [
        "for b in 64",
        "for h in 12",
        "for p in 2",
        "for m1 in 256",
        "for p in 128",
        "parallel m0 in 256",
        "parallel p in 256",
        "for e in 64",
        "for f in 64",
    ]


def test_lanes_add_nothing_up() -> None:
    """A reduction over lanes takes turns, and reads the others' values from the buffer."""
    cascade = parse_cascade("M=64 N=512\nY[m,n] = mul(X[m,n], W[n])\nS[n] = sum[m] Y[m,n]\n")
    nest = Nest(
        units={"Y": "array-1d", "S": "array-1d"},
        splits={"m": Split(1, 1, 64), "n": Split(1, 512)},
        cols=("m",),
        tile_order=("n",),
    )
    cost = evaluate(cascade, Mapping((nest,)), FUSEMAX)
    assert cost.einsum_cycles == {"Y": 512, "S": 64 * 512}
    assert problem(cascade, nest, FUSEMAX).place["Y"] == "buffer"
    with pytest.raises(MappingError, match="Y: a lane reads what others hold"):
        evaluate(cascade, Mapping((dataclasses.replace(nest, keep={"Y": "array"}),)), FUSEMAX)


def test_a_convolution_counts_its_halo() -> None:
    cascade = parse_cascade("H=8 R=3\nZ[h] = sum[r] mul(X[h+r], W[r])\n")
    splits = {"h": Split(2, 1, 4), "r": Split(1, 3)}
    nest = Nest(units={"Z": "array-2d"}, splits=splits, rows=("h",), dram_order=("h",), tile_order=("r",))
    cost = evaluate(cascade, Mapping((nest,)), FUSEMAX)
    assert cost.dram_read_bytes == {"X": 2 * 2 * 6, "W": 2 * 3, "Z": 0}
    assert cost.compulsory_bytes == 2 * (10 + 3 + 8)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_buffer_that_holds_no_tile_is_refused(configuration: str) -> None:
    target = larger(FUSEMAX if configuration in ("binding", "architecture") else FLAT, 4096)
    with pytest.raises(MappingError, match="sram: holds 4096 bytes"):
        attention(2, 4, 64, 64, 1024, 1024, target, configuration)
