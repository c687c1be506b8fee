"""Plans as tier operations: taken by the verifier, refused when a wait is gone or late, or tensors meet."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from penstock.frontend.step_profile import profile_zoo
from penstock.ir.errors import PlanError
from penstock.ir.module import parse_module, print_module
from penstock.ir.swap_plan import SwapPlan
from penstock.ir.tier_moves import Room, verify_moves
from penstock.passes.swap.costs import Costs
from penstock.passes.swap.emit import module_text
from penstock.passes.swap.policies import general, uniform
from penstock.sim.cost.swap.machine import Machine

PROFILE = profile_zoo("zoo:llama-tiny,layers=5", 512)
COSTS = Costs(PROFILE, Machine("test", 1, 1e12, 0.5, 1e12, 1 << 40, 1 << 40, 1e9))
ROOMS = {"hbm": Room(1 << 40, 1), "host": Room(1 << 40, 1)}


def _verify(text: str) -> None:
    verify_moves(parse_module(text), ROOMS, "hbm")


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_the_papers_plans_are_taken_and_read_back(alpha: float) -> None:
    text = module_text(COSTS, uniform(COSTS, alpha))
    assert print_module(parse_module(text)) == text
    assert text.count('"tier.copy"') == text.count('"tier.wait"') == 2 * 3 * (3 if alpha == 0 else 15)
    assert text.count("@recompute") == (0 if alpha == 1 else 4), "three layers and the function"


def _general() -> SwapPlan:
    tight = replace(COSTS.machine, host_bytes=int(1.2 * COSTS.buffer_bytes), link_bytes_per_s=3e8)
    plan, _ = general(replace(COSTS, machine=tight), int(1.2 * COSTS.buffer_bytes), seconds=10, seed=0)
    return plan


def test_general_plans_are_taken() -> None:
    actions = {each.action for layer in _general().layers for each in layer.actions}
    assert {"keep", "recompute"} <= actions
    module_text(COSTS, _general())


def test_every_wait_is_needed() -> None:
    lines = module_text(COSTS, uniform(COSTS, 0.5)).splitlines()
    waits = [at for at, line in enumerate(lines) if '"tier.wait"' in line]
    for at in waits[::7]:
        with pytest.raises(PlanError):
            _verify("\n".join(line for number, line in enumerate(lines) if number != at))


def test_a_wait_at_the_later_layers_start_is_too_late_for_the_input_slot() -> None:
    lines = module_text(COSTS, uniform(COSTS, 0.5)).splitlines()
    first = next(at for at, line in enumerate(lines) if '"tier.wait"' in line)
    later = next(at for at in range(first, len(lines)) if re.search(r"call @forward\w*\(", lines[at]))
    wait = lines.pop(first)
    lines.insert(later - 1, wait)
    with pytest.raises(PlanError, match="overlaps"):
        _verify("\n".join(lines))


def test_tensors_that_are_moved_meet_others() -> None:
    text = module_text(COSTS, uniform(COSTS, 0.5))
    place = re.findall(r'offset = (\d+) : i64, tier = "hbm"', text)
    with pytest.raises(PlanError, match="overlaps"):
        _verify(text.replace(f"offset = {place[4]} : i64", f"offset = {place[3]} : i64"))


def test_a_device_that_is_too_small_is_said() -> None:
    small = replace(COSTS, machine=replace(COSTS.machine, device_bytes=1 << 20))
    with pytest.raises(PlanError, match="bytes in hbm"):
        module_text(small, uniform(small, 0.5))
