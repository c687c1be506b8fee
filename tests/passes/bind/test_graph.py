"""The task graph: steps, latencies, generations and queues, for attention and for others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.ir.errors import PlanError
from penstock.ir.schedule import Edge
from penstock.ir.targets import load
from penstock.passes.bind.form import one_pass_form
from penstock.passes.bind.graph import tile_graph
from penstock.passes.bind.modulo import schedule_tile

from .cases import LINEAR_ATTENTION, MOMENTS, STABLE_ATTENTION, attention, cascade

CLOUD = load("fusemax-cloud")
UNITS = ("array-2d", "array-1d")
CASCADE_3 = """
K=6
init:
  RY[0] = 0.0
  RZ[0] = 0.0
einsums:
  AB[k]   = mul(A[k], B[k])
  RY[k+1] = add(RY[k], AB[k])
  D[k]    = div_left(RZ[k], RY[k])
  SZ[k]   = mul(D[k], RY[k+1])
  YA[k]   = mul(RY[k+1], A[k])
  RZ[k+1] = add(SZ[k], YA[k])
  Z       = RZ[K]
stop: k >= K
"""


def edges_of(embedding: int = 64, side: int = 256, p1: int = 128) -> dict[tuple[str, str, int], Edge]:
    _, edges = tile_graph(attention(embedding, side, p1), CLOUD, rows=side, cols=side, p1=p1)
    return {(edge.producer, edge.consumer, edge.distance): edge for edge in edges}


def test_steps_are_the_papers():
    tasks, _ = tile_graph(attention(64, 256, 128), CLOUD, p1=128)
    steps = {task.name: task.steps for task in tasks}
    assert steps == {
        "BQK": 64, "LM": 1, "SLN": 7, "SLD": 1, "SLNV": 64,
        "RM": 1, "PRM": 7, "SPD": 1, "RD": 1, "SPNV": 64, "RNV": 64,
    }  # fmt: skip


@pytest.mark.parametrize("side", [4, 16, 256])
def test_what_drains_takes_a_cycle_a_row(side):
    edges = edges_of(8, side)
    for drained in (("LM", "RM", 0), ("SLD", "RD", 0), ("SLNV", "RNV", 0)):
        assert edges[drained].latency == side
    assert edges["RM", "SLN", 0].latency == 1
    assert edges["SPD", "RD", 0].latency == 1
    assert edges["BQK", "LM", 0].latency == 1


def test_running_values_come_from_p1_tiles_before():
    edges = edges_of(p1=32)
    for running in (("RM", "RM"), ("RM", "PRM"), ("RD", "SPD"), ("RNV", "SPNV")):
        assert (*running, 32) in edges
        assert edges[(*running, 32)].held == ""  # in a memory
    assert ("PRM", "RM", 32) in edges  # the old maximum is overwritten when the correction has read it


def test_elements_of_the_output_stream_through_queues():
    edges = edges_of()
    streamed = {key: edge.depth for key, edge in edges.items() if edge.streamed}
    assert streamed == {("SLNV", "RNV", 0): 11, ("SPNV", "RNV", 0): 11, ("RNV", "SPNV", 128): None}


def test_results_wait_where_they_arrive():
    edges = edges_of()
    assert edges["BQK", "SLN", 0].held == "array-2d"
    assert edges["LM", "RM", 0].held == "array-1d"
    assert edges["RM", "SLN", 0].held == "array-1d"  # enters at the top of the columns when it is needed
    assert edges["RM", "SLN", 0].until == 0
    assert edges["PRM", "SPNV", 0].until is None


def test_a_register_file_without_room_for_queues_is_refused():
    small = tuple(
        replace(buffer, capacity_bytes=8) if buffer.name == "register-file-1d" else buffer
        for buffer in CLOUD.buffer
    )
    with pytest.raises(PlanError, match="register file of 4 words has no room for 2 queues"):
        tile_graph(attention(8, 4), replace(CLOUD, buffer=small), rows=4, cols=4, p1=4)


def test_without_a_way_back_to_the_array_the_row_runs_it_all():
    """The maximum could not reach the scores: what the array computes, it could not use."""
    paths = tuple(p for p in CLOUD.transfer if (p.source, p.destination) != ("array-1d", "array-2d"))
    tasks, _ = tile_graph(attention(8, 4), replace(CLOUD, transfer=paths), rows=4, cols=4, p1=4)
    assert {task.unit for task in tasks} == {"array-1d"}


@pytest.mark.parametrize(
    ("text", "period"), [(LINEAR_ATTENTION, 3), (CASCADE_3, 6), (MOMENTS, 2), (STABLE_ATTENTION, 138)]
)
def test_any_one_pass_cascade_is_scheduled(text, period):
    tasks, edges = tile_graph(one_pass_form(cascade(text), 256), CLOUD, p1=2)
    found = schedule_tile(tasks, edges, units=UNITS)
    assert (found.period, found.optimal) == (period, True)


def test_names_of_the_cascade_do_not_matter():
    """The paper's cascade, and attention as PyTorch writes it, rewritten: one graph but for its names."""
    _, ours = tile_graph(one_pass_form(cascade(STABLE_ATTENTION), 256), CLOUD, p1=2)
    papers = edges_of(64, 256, 2).values()
    assert sorted((e.latency, e.distance, e.streamed, e.held) for e in ours) == sorted(
        (e.latency, e.distance, e.streamed, e.held) for e in papers
    )
