"""The interleave on a multiprocessor: the scheduler finds the order that the Hopper kernel has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from penstock.ir.errors import PlanError
from penstock.ir.targets import Target, load
from penstock.ir.view import Cascade
from penstock.ir.view_text import parse_cascade
from penstock.passes.bind.form import one_pass_form
from penstock.passes.bind.interleave import TENSOR, VECTOR, Interleave, interleave

EXAMPLES = Path(__file__).parents[3] / "examples" / "cascades"


def attention(size: int, keys: int = 128) -> Cascade:
    text = (EXAMPLES / "attention3.txt").read_text()
    shape = {"e": size, "f": size, "m": 4096, "p": 4096}
    return one_pass_form(parse_cascade(text, where="attention3.txt", shape=shape), keys)


@pytest.fixture(scope="module")
def found() -> Interleave:
    return interleave(attention(128), load("h200"))


def test_costs_are_those_of_the_tensor_and_the_cuda_cores(found: Interleave) -> None:
    assert found.cycles["QK"] == 2 * 64 * 128 * 128 / 4096
    assert found.cycles["LGM"] == 64 * 128 / 64
    assert found.cycles["SN"] == 64 * 128 / 16 + 64 * 128 / 128 + 64 * 128 / 64


def test_the_next_tiles_scores_and_this_tiles_values_are_multiplied_together(found: Interleave) -> None:
    schedule = found.schedule
    schedule.check()
    scores, values = schedule.find("QK"), schedule.find("LAV_num")
    # Back to back on the tensor cores, a later tile's scores before an older one's values, as in the kernel.
    assert scores.first % schedule.period + scores.task.steps == values.first % schedule.period
    assert values.first // schedule.period > scores.first // schedule.period
    # The exponentials lie under the products: one unit is never idle for the other's sake.
    assert schedule.period == max(schedule.busy(TENSOR), schedule.busy(VECTOR))


@pytest.mark.slow
def test_a_faster_exponential_is_never_slower() -> None:
    target = load("h200")
    faster = _with_exponentials(target, 2.0)
    before, after = (interleave(attention(64), each) for each in (target, faster))
    assert after.schedule.period * after.quantum <= before.schedule.period * before.quantum * 1.05


def _with_exponentials(target: Target, times: float) -> Target:
    units = []
    for unit in target.unit:
        rates = {name: dict(table) for name, table in unit.ops_per_cycle.items()}
        if "exp" in rates:
            rates["exp"] = {kind: rate * times for kind, rate in rates["exp"].items()}
        units.append(replace(unit, ops_per_cycle=rates))
    return replace(target, unit=tuple(units))


def test_a_cascade_of_several_passes_is_refused() -> None:
    text = (EXAMPLES / "attention3.txt").read_text()
    cascade = parse_cascade(text, where="attention3.txt", shape={"e": 64, "f": 64, "m": 256, "p": 256})
    with pytest.raises(PlanError, match="generational"):
        interleave(cascade, load("h200"))
