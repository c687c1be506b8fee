"""Partition, loops, charts and the command."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.ir.build import integer, string, strings
from penstock.ir.cascade import FUSED, walk
from penstock.ir.errors import PlanError
from penstock.ir.schedule import Schedule
from penstock.ir.targets import load
from penstock.passes.bind import gantt
from penstock.passes.bind.assign import arrays_of
from penstock.passes.bind.cascades import attention_cascade
from penstock.passes.bind.partition import partition
from penstock.passes.bind.plan import Binding, bind
from penstock.passes.bind.tile import tile_of

from ..modules import IR, run_passes
from .cases import attention

CLOUD = load("fusemax-cloud")

CHART = """\
period 18: a column is 1 cycle; 2 tiles in flight, a the oldest

array-2d, busy 17 of 18: BQK[b] LM[b] SLNV[a] SLN[b] SLD[b]
  BQK   bbbb..............
  LM    ....b.............
  SLNV  .....aaaa.........
  SLN   .........bbbbbbb..
  SLD   ................b.

array-1d, busy 18 of 18: PRM[a] SPD[a] RD[a] SPNV[a] RM[b] RNV[a] PRM[b]
  PRM   aa...........bbbbb
  SPD   ..a...............
  RD    ...a..............
  SPNV  ....aaaa..........
  RM    ........b.........
  RNV   .........aaaa....."""


@pytest.fixture(scope="module")
def small() -> Binding:
    return bind(attention(4, 4), CLOUD, rows=4, cols=4, copies=2)


@pytest.fixture(scope="module")
def papers() -> Binding:
    return bind(attention_cascade(e=64, f=64, m1=256, m0=256, p1=256, p0=256), CLOUD)


@pytest.mark.parametrize(
    ("embedding", "tiles", "p1", "bound"),
    [(64, 4, 4, 251), (64, 256, 128, 251), (64, 4096, 128, 251), (128, 4, 4, 126), (128, 256, 64, 126)],
)
def test_p1_is_the_artifacts(embedding, tiles, p1, bound):
    """The largest divisor of P/256 that a 16 MiB buffer holds: 128 at E = F = 64, 64 at 128."""
    cascade = attention_cascade(e=embedding, f=embedding, m1=4, m0=256, p1=tiles, p0=256)
    found = partition(tile_of(cascade), CLOUD, arrays_of(CLOUD))
    assert (found.p1, found.p2, found.p0, found.bound) == (p1, tiles // p1, 256, bound)
    assert found.stationary_bytes == 256 * 2 * embedding * 2
    assert found.column_bytes == (2 * embedding + 2) * 2


def test_fewer_queries_than_columns_make_one_tile():
    found = partition(tile_of(attention_cascade(e=4, f=4, m1=2, m0=2, p1=1, p0=3)), CLOUD, arrays_of(CLOUD))
    assert (found.p2, found.p1, found.p0) == (1, 1, 3)


def test_a_tile_larger_than_the_buffer_is_refused():
    huge = attention_cascade(e=1 << 20, f=64, m1=2, m0=256, p1=1, p0=256)
    with pytest.raises(PlanError, match="one tile takes"):
        partition(tile_of(huge), CLOUD, arrays_of(CLOUD))


def test_the_loop_nest_is_the_papers_mapping(papers):
    assert papers.loops().splitlines() == [
        "for p2 in 2",
        "  for m1 in 256",
        "    for p1 in 128",
        "      parallel p0 in 256, parallel m0 in 256: BQK, LM, RM, SLN, SLD, SLNV, PRM, SPD, RD, SPNV, RNV",
        "  for p1 in 128",
        "    parallel p0 in 256: AV",
    ]


def test_the_division_is_outside_the_period(papers):
    assert papers.post_cycles == {"array-1d": 64 / 256}
    assert papers.schedule.period == 138


def test_streams_are_shown_taking_turns(papers):
    line = gantt.sequence(papers.schedule, "array-2d")
    assert line.startswith("(BQK[")
    assert " | SLNV[" in line


def test_the_chart_of_the_smallest_array(small):
    assert gantt.text(small.schedule) == CHART


def test_a_wide_epoch_is_scaled_to_the_width(papers):
    lines = gantt.text(papers.schedule, 50).splitlines()
    assert "a column is 3 cycles" in lines[0]
    assert {len(line) for line in lines if line.startswith("  ")} == {2 + 4 + 2 + 46}


def test_bars_cover_every_busy_cycle_once(papers):
    for unit in papers.schedule.units:
        cycles = [
            bar.start + step * bar.stride
            for bar in gantt.bars(papers.schedule)
            if bar.unit == unit
            for step in range(bar.count)
        ]
        assert len(cycles) == len(set(cycles)) == papers.schedule.busy(unit)
        assert max(cycles) < papers.schedule.period


def test_the_picture_is_well_formed_and_complete_in_itself(papers):
    drawn = gantt.svg(papers.schedule, "a < b & c")
    tree = ElementTree.fromstring(drawn)
    titles = {title.text or "" for title in tree.iter("{http://www.w3.org/2000/svg}title")}
    assert {text.partition("[")[0] for text in titles} == {p.task.name for p in papers.schedule.placed}
    assert "href" not in drawn
    assert gantt.page(papers.schedule, "x").startswith("<!doctype html>")


def test_json_gives_the_schedule_back(small):
    data = json.loads(json.dumps(small.to_json(), allow_nan=False))
    assert Schedule.from_json(data["schedule"]) == small.schedule
    assert data["partition"]["p1"] == 4


def test_the_command_binds_a_text(tmp_path: Path, checkout: Path, capsys: pytest.CaptureFixture[str]):
    text = str(checkout / "examples" / "cascades" / "attention3.txt")
    drawing = tmp_path / "epoch.svg"
    shape = "e=8,f=8,m=32,p=16"
    words = ["plan", "bind", text, "--shape", shape, "--rows", "4", "--cols", "4", "-o", str(drawing)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "period 26 cycles a tile, proven optimal" in said
    assert drawing.read_text(encoding="utf-8").startswith("<svg")
    assert main([*words[:-2], "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["bindings"]["attention3"]
    assert data["schedule"]["period"] == 26
    assert data["units"]["QK"] == "array-2d"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target", "dgx-h100"], "does not say how results move"),
        (["--shape", "x=3"], "no rank 'x'"),
        (["--shape", "e"], "RANK=N"),
        (["-o", "chart.pdf"], ".svg or .html"),
    ],
)
def test_the_command_says_what_is_wrong(words, says, checkout: Path, capsys: pytest.CaptureFixture[str]):
    text = str(checkout / "examples" / "cascades" / "attention1.txt")
    assert main(["plan", "bind", text, *words]) == 2
    assert says in capsys.readouterr().err


def test_the_pass_writes_the_epoch_on_the_group():
    """Causal, masked attention of two batches and three heads: these are loops around the array."""
    text = (IR / "fuse" / "attention.mlir").read_text(encoding="utf-8")
    module = run_passes(text, "relabel,simplify,fuse{m_tile=8},bind{target=fusemax-small}")
    group = next(op for op in walk(module.operation) if op.name == FUSED)
    epoch = strings(group, "penstock.epoch")
    assert string(group, "penstock.target") == "fusemax-small"
    assert any(line.startswith("QK on array-2d, 8 steps") for line in epoch)
    assert any(line.startswith("RAV_num on array-1d, 4 steps") for line in epoch)
    assert integer(group, "penstock.period") == 25


@pytest.mark.slow
def test_the_command_binds_the_attention_of_a_model(capsys: pytest.CaptureFixture[str]):
    """Scale, mask and all: two more steps on the array than the paper's cascade."""
    assert main(["plan", "bind", "zoo:bert-base", "--shape", "s=512", "--json"]) == 0
    bindings = json.loads(capsys.readouterr().out)["bindings"]
    assert len(bindings) == 1
    schedule = next(iter(bindings.values()))["schedule"]
    assert schedule["period"] == schedule["lower_bound"] == 139
