"""Weights in the host's memory: divided, brought through a window, in time and never over what is read."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import penstock
from penstock.backends.cuda.device import Device
from penstock.backends.cuda.emulate import emulate
from penstock.backends.cuda.far import FAR, LEAST, Streaming, divide, ring, stays
from penstock.backends.cuda.lanes import FETCHES, check, in_lanes
from penstock.backends.cuda.loader import Program
from penstock.backends.cuda.moves import tier_text
from penstock.backends.cuda.plan import EntryPlan, Plan, Span, Step
from penstock.ir.errors import InputError, PlanError

from .fake_driver import FakeDriver

WINDOW, ARENA = 256, 1 << 30
SIZES = {0: 300, 512: 256, 1024: 1000, 2048: 64, 2304: 600}
"""Weights of the host's image."""


def step(number: int, weights: tuple[int, ...], reads: int, writes: int) -> Step:
    """A step that reads weights of the image and a place of the arena, and writes another."""
    places = {f"w{weight}": FAR + weight for weight in weights}
    far = [Span(FAR + weight, FAR + weight + SIZES[weight]) for weight in weights]
    at = Span(ARENA + reads * 8, ARENA + reads * 8 + 8)
    to = Span(ARENA + writes * 8, ARENA + writes * 8 + 8)
    return Step(f"k{number}", "copy", places, 1, reads=(at, *far), writes=(to,))


lists = st.lists(
    st.tuples(
        st.lists(st.sampled_from(sorted(SIZES)), max_size=2, unique=True),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=12,
).map(lambda listed: [step(n, tuple(ws), reads, writes) for n, (ws, reads, writes) in enumerate(listed)])


def plan_of(steps: tuple[Step, ...], window: int) -> Plan:
    sections = {"weights": (0, 0), "window": (WINDOW, window), "arena": (ARENA, 64)}
    entries = {"main": EntryPlan({}, {}, {}, steps)}
    return Plan("sm_80", ARENA + 64, sections, {}, entries, 1 << 20)


def brought(listed: list[Step], window: int) -> tuple[Step, ...] | None:
    """The list with its weights brought through a window, on streams, where they pass."""
    try:
        return in_lanes(Streaming(WINDOW, window, SIZES)(listed))
    except PlanError:
        return None


def before(steps: tuple[Step, ...]) -> list[set[int]]:
    """What each step waits for: the one before it on its lane, and events."""
    last: dict[int, int] = {}
    found = []
    for number, each in enumerate(steps):
        found.append(set(each.after) | ({last[each.lane]} if each.lane in last else set()))
        last[each.lane] = number
    return found


def simulate(steps: tuple[Step, ...], seed: int) -> list[str]:
    """Steps begin and end at random, as streams and events allow; what read other bytes than it should.

    A copy makes its bytes nobody's when it begins, and the weight's when it ends.
    """
    chance, waits = random.Random(seed), before(steps)
    memory: dict[int, tuple[int, int] | None] = {}
    begun, ended, wrong = set[int](), set[int](), list[str]()

    def hold(each: Step) -> None:
        for place, weight in each.far.items():
            at = each.places[place]
            if any(memory.get(at + byte) != (weight, byte) for byte in range(0, SIZES[weight], 32)):
                wrong.append(f"{each.name} reads {place}")

    while len(ended) < len(steps):
        ready = [n for n in range(len(steps)) if n not in begun and waits[n] <= ended]
        number = chance.choice(ready + sorted(begun - ended))
        each, starts = steps[number], number not in begun
        if each.kind == "fetch":
            for byte in range(each.bytes):
                memory[each.places["to"] + byte] = None if starts else (each.places["far"], byte)
        else:
            hold(each)
        (begun if starts else ended).add(number)
    return wrong


@settings(max_examples=60, deadline=None)
@given(lists, st.integers(1, 10), st.integers(0, 1 << 16))
def test_weights_are_there_when_they_are_read_in_whatever_order_streams_run(
    listed: list[Step], units: int, seed: int
) -> None:
    window = units * 256
    found = brought(listed, window)
    if found is None:
        assert ring(stays(listed, SIZES), window, ahead=False) is None
        return
    check(plan_of(found, window))
    assert not simulate(found, seed)
    fetched = [each for each in found if each.kind == "fetch"]
    assert {each.lane for each in fetched} <= {FETCHES}
    assert len(fetched) <= len(stays(listed, SIZES))
    assert tier_text("main", found, (WINDOW, window)).count("tier.copy") == len(fetched)
    for number, each in enumerate(found):
        for event in each.after:
            without = replace(each, after=tuple(other for other in each.after if other != event))
            with pytest.raises(PlanError, match="runs beside step"):
                check(plan_of((*found[:number], without, *found[number + 1 :]), window))


def test_a_missing_event_reads_what_is_not_there() -> None:
    """The simulation sees what the checker forbids: without the event, some order gives other bytes."""
    listed = [step(n, (weight,), 0, n % 2) for n, weight in enumerate((0, 512, 1024, 0, 2304))]
    found = brought(listed, 1536)
    assert found is not None
    for number, each in enumerate(found):
        if each.kind == "fetch" and each.after:
            loose = (*found[:number], replace(each, after=()), *found[number + 1 :])
            assert any(simulate(loose, seed) for seed in range(200))


def test_copies_begin_ahead_of_their_readers() -> None:
    listed = [step(n, (weight,), 0, 1) for n, weight in enumerate((0, 512, 1024, 2304, 0))]
    names = [each.places.get("far", each.name) for each in Streaming(WINDOW, 2304, SIZES)(listed)]
    assert names == [0, 512, 1024, "k0", "k1", 2304, "k2", 0, "k3", "k4"]


def test_a_copy_over_what_is_still_read_is_refused_by_the_verifier_of_maps() -> None:
    listed = [step(n, (weight,), 0, 1) for n, weight in enumerate((0, 512, 1024, 2304))]
    found = Streaming(WINDOW, 2304, SIZES)(listed)
    assert '"tier.wait"(%t2)' in tier_text("main", found, (WINDOW, 2304))
    (late,) = (each for each in found if each.places.get("far") == 2304)
    early = [late, *(each for each in found if each is not late)]
    with pytest.raises(PlanError, match="overlaps"):
        tier_text("main", early, (WINDOW, 2304))


def test_what_a_plan_may_not_do_with_its_window() -> None:
    listed = [step(0, (0,), 0, 1), step(1, (512,), 1, 2)]
    found = brought(listed, 1024)
    assert found is not None
    copy, reader = found[0], next(each for each in found if each.far)
    assert copy.kind == "fetch"
    beyond = Span(WINDOW + 1024, WINDOW + 1024 + copy.bytes)
    for wrong, message in (
        (replace(copy, places={**copy.places, "to": beyond.start}, writes=(beyond,)), "brings bytes 1280 to"),
        (replace(copy, places={**copy.places, "far": 1 << 20}), "brings byte 1048576 of 1048576"),
        (replace(reader, writes=(Span(WINDOW, WINDOW + 1),)), "writes to the window"),
        (replace(reader, far={}), "does not say which weight w0 is"),
        (replace(reader, far={"w0": 512}), "reads w0 in the window, where it is not"),
    ):
        steps = tuple(wrong if each in (copy, reader) and each.kind == wrong.kind else each for each in found)
        ordered = in_lanes(steps)
        with pytest.raises(PlanError, match=message):
            check(plan_of(ordered, 1024))


BIG = {number << 20: (number + 1) * LEAST for number in range(6)}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(BIG)), min_size=1, max_size=14), st.integers(0, 24 * LEAST))
def test_a_division_keeps_to_its_room(order: list[int], room: int) -> None:
    listed = [Step("k", "kernel", {"w": FAR + weight}) for weight in order]
    largest = max(BIG[weight] for weight in order)
    try:
        made = divide([listed], BIG, room, "here")
    except PlanError:
        assert room < largest
        return
    assert sum(BIG[weight] for weight in made.near) + made.window <= room
    far = [stay for stay in stays(listed, BIG, hold=made.hold) if stay.weight not in made.near]
    assert ring(far, made.window, ahead=False) is not None
    if sum(BIG.values()) + LEAST <= room:
        assert set(order) <= made.near
        assert made.brought == 0


class Deep(nn.Module):
    """Layers of 128 KiB each in bf16, the first used again at the end."""

    def __init__(self, depth: int = 5, width: int = 256) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in [*self.layers, self.layers[0]]:
            x = torch.relu(layer(x)) + x
        return x


def small_target(folder: Path, capacity: int) -> str:
    """The H200 with less memory."""
    text = (Path(penstock.__file__).parent / "ir/targets/h200.toml").read_text(encoding="utf-8")
    whole = "capacity_bytes = 150754820096"
    assert text.count(whole) == 1
    path = folder / "small.toml"
    path.write_text(text.replace(whole, f"capacity_bytes = {capacity}").replace('"h200"', '"small"'))
    return str(path)


def loaded(bundle: penstock.Bundle, seed: int) -> tuple[Program, FakeDriver]:
    plan = Plan.from_json(bundle.files.json("cuda/plan.json"), "plan")
    kernels = {
        name: replace(facts.kernel, source=bundle.files.text(f"cuda/{name}.cu"))
        for name, facts in plan.kernels.items()
    }
    driver = FakeDriver(kernels, emulate, seed=seed)
    return Program(bundle.files, Device(driver)), driver


@pytest.mark.slow
def test_a_model_larger_than_its_device_gives_the_same_bits(tmp_path: Path) -> None:
    example: Mapping[str, torch.Tensor] | tuple[torch.Tensor] = (torch.zeros(3, 256),)
    whole = penstock.compile(Deep().eval(), example, target="h200", out=tmp_path / "whole")
    capacity = 450 << 10
    target = small_target(tmp_path, capacity)
    parted = penstock.compile(Deep().eval(), example, target=target, out=tmp_path / "parted")
    plan = Plan.from_json(parted.files.json("cuda/plan.json"), "plan")
    assert plan.bytes <= capacity < 5 * (128 << 10)
    assert plan.far_bytes > 0
    steps = plan.entries["main"].steps
    assert [each.kind for each in steps].count("fetch") >= 3
    ahead = [n for n, each in enumerate(steps) if each.kind == "fetch" and steps[n + 1].kind == "kernel"]
    assert ahead
    said = parted.report()
    assert "in the host's memory: a run brings" in said.text()
    assert said.bundles[0].far is not None
    assert said.bundles[0].far.moved_bytes == sum(each.bytes for each in steps if each.kind == "fetch")
    assert whole.report().bundles[0].far is None
    assert "tier.copy" in parted.files.text("cuda/main.tiers.mlir")
    inputs = {"x": np.random.default_rng(0).standard_normal((3, 256)).astype(np.float32)}
    (wanted,) = loaded(whole, 0)[0].run(inputs).values()
    program, driver = loaded(parted, 1)
    for _ in range(2):
        (got,) = program.run(inputs).values()
        np.testing.assert_array_equal(got, wanted)
    assert driver.launches.count("fetch") == 2 * [each.kind for each in steps].count("fetch")
    with pytest.raises(InputError, match="weights in the host's memory are this model's"):
        program.run(inputs, weights=4096)


def test_a_device_without_room_is_refused(tmp_path: Path) -> None:
    target = small_target(tmp_path, 64 << 10)
    with pytest.raises(PlanError, match=r"small, hbm: \d+ bytes are left for weights, the largest of which"):
        penstock.compile(Deep(1).eval(), (torch.zeros(3, 256),), target=target, out=tmp_path / "b")
    assert not (tmp_path / "b").exists()
