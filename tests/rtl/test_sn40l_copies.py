"""The cost model of the SN40L's copies beside the RTL: shapes that no constant was fitted to."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path

import find_libpython
import pytest

from penstock.sim.cost.sn40l_copy import CopyModel, Tier
from penstock.sim.rtl.cocotb_run import build_for_cocotb, run_module
from penstock.sim.rtl.sn40l_memory import DDR, Descriptor, Op, Segment

HERE = Path(__file__).parent
TOP = "sn40l_memory_harness"
SEGMENTS = [Segment(0, 1 << 20), Segment(DDR, 1 << 19)]
HALF = 1 << 18
OTHER = CopyModel(Tier(2, 2.0, 20), Tier(1, 6.4, 150))
OTHER_FLAGS = (
    *("-GHbmChannels=2", "-GHbmBeats=16384", "-GHbmNum=1", "-GHbmDen=2", "-GHbmLatency=20"),
    *("-GDdrNum=5", "-GDdrDen=32", "-GDdrLatency=150"),
)
MACHINES = {"default": (CopyModel(), ()), "other": (OTHER, OTHER_FLAGS)}


def run_plan(
    files: list[Path], plan: list[list[Descriptor]], folder: Path, flags: tuple[str, ...]
) -> list[int]:
    """Cycles of every batch of descriptors, each at a DMA of its own."""
    model = build_for_cocotb([*files, HERE / "harness" / f"{TOP}.sv"], TOP, flags=flags)
    batches = [[(number, asdict(each)) for number, each in enumerate(batch)] for batch in plan]
    (folder / "plan.json").write_text(json.dumps(batches), encoding="utf-8")
    arguments = ("+verilator+rand+reset+2", f"+plan={folder / 'plan.json'}", f"+out={folder / 'out.json'}")
    process = run_module(model, TOP, "cocotb_sn40l_copies", folder, arguments, module_folder=HERE)
    process.wait()
    assert (folder / "out.json").exists(), (folder / "cocotb.log").read_text(encoding="utf-8")[-4000:]
    return json.loads((folder / "out.json").read_text(encoding="utf-8"))


def unseen(chance: random.Random, op: Op, tiers: tuple[int, int], least: int, most: int) -> Descriptor:
    """A descriptor of at least so many bytes: one row or many, aligned or not, dense or with gaps."""
    while True:
        rows = chance.choice((1, 1, 2, 3, 7, 16, 50, 64, 100))
        length = -(-chance.randrange(least, most) // rows)
        pitches = [length + chance.choice((0, 0, 32, 96, chance.randrange(400))) for _ in range(2)]
        offsets = [chance.choice((0, 0, 32, chance.randrange(600))) for _ in range(2)]
        if max(pitches) * rows < HALF - 600:
            return Descriptor(
                op,
                length,
                rows,
                1,
                *tiers,
                offsets[0],
                HALF + offsets[1],
                (pitches[0], 0),
                (pitches[1], 0),
            )


@pytest.mark.slow
@pytest.mark.skipif(find_libpython.find_libpython() is None, reason="cocotb needs a shared libpython")
@pytest.mark.parametrize("machine", MACHINES)
def test_the_model_predicts_the_rtl(sn40l_files: list[Path], tmp_path: Path, machine: str) -> None:
    model, flags = MACHINES[machine]
    chance = random.Random(20)
    tiers = [(0, 0), (0, 1), (1, 0), (1, 1)]
    large = [unseen(chance, Op.COPY, tiers[n % 4], 1 << 16, 200_000) for n in range(20)]
    large += [
        unseen(chance, op, tiers[n], 1 << 16, 200_000) for op in (Op.LOAD, Op.STORE, Op.FILL) for n in (0, 3)
    ]
    tiny = [Descriptor(Op.COPY, chance.randrange(1, 600), 1, 1, *pair, 7, HALF) for pair in tiers]
    size = 1 << 17
    together = [
        [Descriptor(Op.LOAD, size, source_offset=n * size) for n in range(3)],
        [Descriptor(Op.FILL, size, destination_offset=n * size) for n in range(3)],
        [Descriptor(Op.COPY, size, source=0, destination=n % 2, destination_offset=HALF) for n in range(2)],
    ]
    plan = [[each] for each in (*large, *tiny)] + together
    cycles = run_plan(sn40l_files, plan, tmp_path, flags)
    for each, took in zip(large, cycles, strict=False):
        said = model.cycles(each, SEGMENTS)
        assert abs(said / took - 1) <= 0.02, f"{each}: {took} cycles, the model says {said:.0f}"
    for each, took in zip(tiny, cycles[len(large) :], strict=False):
        said = model.cycles(each, SEGMENTS)
        assert abs(said - took) <= 18 + model.hbm.latency, f"{each}: {took} cycles, {said:.0f}"
    for batch, took in zip(together, cycles[len(plan) - len(together) :], strict=True):
        said = model.together(batch, SEGMENTS)
        assert abs(said / took - 1) <= 0.05, f"{batch}: {took} cycles, the model says {said:.0f}"
