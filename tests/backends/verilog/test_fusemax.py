"""An attention head emitted: registers, program words, images, the directory, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import rtl
from penstock.backends.verilog import emit_attention
from penstock.backends.verilog.fusemax import program as lowering
from penstock.backends.verilog.fusemax.images import stream_words
from penstock.backends.verilog.fusemax.program import TASKS, lower
from penstock.backends.verilog.fusemax.registers import Register, Value, allocate
from penstock.ir.errors import BundleError, InputError, PlanError
from penstock.ir.schedule import Schedule
from penstock.sim.cost.spatial.epochs import epoch_cycles
from penstock.sim.cost.spatial.tiling import Tiling
from penstock.sim.rtl.fusemax import AttentionDesign
from penstock.sim.rtl.verilator import lint

Make = Callable[..., Schedule]
HEAD = "encoder.layer.0.attention.self.head.0"
ROWS, COLS, E, F, P1 = 4, 2, 8, 12, 4
TILING = Tiling(ROWS, COLS, E, F, queries=7, keys=11, p1=P1)
PACKAGE = rtl.sources("fusemax")["fusemax_pkg.sv"]


def held(values: list[Value], places: dict[str, Register], period: int, tiles: int = 9) -> None:
    """Replay the writes and reads of many tiles: every read must find its own tile's value."""
    events = []
    for value in values:
        for tile in range(tiles):
            shift = tile * period
            place = places[value.name]
            at = place.address ^ (tile & 1 if place.rotates else 0)
            # In a cycle, reads come before writes.
            events.append((value.read + shift, 0, at, (value.name, tile)))
            events.append((value.written + shift, 1, at, (value.name, tile)))
    registers: dict[int, tuple[str, int]] = {}
    for cycle, writes, at, what in sorted(events):
        if writes:
            registers[at] = what
        else:
            assert registers.get(at) == what, f"cycle {cycle}: {what} is no longer in register {at}"


@pytest.mark.parametrize("seed", range(20))
def test_every_read_finds_its_own_tiles_value(seed: int) -> None:
    random = np.random.default_rng(seed)
    period = int(random.integers(5, 40))
    spans = [(int(random.integers(0, 3 * period)), int(random.integers(1, 2 * period + 1))) for _ in range(9)]
    values = [Value(f"V{n}", begin, begin + length) for n, (begin, length) in enumerate(spans)]
    held(values, allocate(values, 32, period, where="test"), period)


def test_short_lives_share_a_register_and_long_ones_take_a_pair() -> None:
    values = [Value("A", 0, 4), Value("B", 4, 9), Value("LONG", 3, 18)]
    places = allocate(values, 4, 10, where="test")
    assert places["A"].address == places["B"].address
    assert places["LONG"] == Register(0, rotates=True)
    assert {place.address for name, place in places.items() if name != "LONG"} == {2}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([Value("RM", 0, 21)], "RM lives 21 cycles, longer than 2 periods of 10"),
        ([Value("A", 0, 10), Value("B", 3, 8)], "no register is left for B: 2 values live at once"),
        ([Value("LONG", 0, 11)], "no register is left for LONG"),
        ([Value("A", 4, 4)], "A is read before it is written"),
    ],
)
def test_values_that_do_not_fit_are_named(values: list[Value], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        allocate(values, 1, 10, where="registers")


def test_fields_and_operations_are_the_packages() -> None:
    structs = re.split(r"typedef struct packed", PACKAGE)
    for fields, struct in ((lowering.ARRAY_FIELDS, structs[1]), (lowering.ROW_FIELDS, structs[2])):
        found = {
            name: (int(low or high), int(high) - int(low or high) + 1)
            for name, high, low in re.findall(r"(\w+);\s*// \[(\d+)(?::(\d+))?\]", struct)
        }
        assert {name: found[name] for name in fields} == dict(fields)
        assert set(found) - set(fields) == {"unused"}
    for prefix, ops in (("Op2", lowering.ARRAY_OPS), ("Op1", lowering.ROW_OPS)):
        numbers = {name.lower(): int(at) for name, at in re.findall(rf"{prefix}(\w+)\s*= 4'd(\d+)", PACKAGE)}
        assert {name: numbers[name] for name in ops} == ops
        assert set(numbers) - set(ops) <= {"nop", "divisor", "div"}


def test_the_program_does_every_step_once_in_its_cycle(attention_schedule: Make) -> None:
    schedule = attention_schedule(ROWS, E, F, P1, period=44)
    program = lower(schedule, TILING)
    assert len(program.words) == schedule.period
    for unit, shift, fields, ops in (
        ("array-2d", 0, lowering.ARRAY_FIELDS, lowering.ARRAY_OPS),
        ("array-1d", lowering.ROW_SHIFT, lowering.ROW_FIELDS, lowering.ROW_OPS),
    ):
        for cycle, slot in enumerate(schedule.slots(unit)):
            word = program.words[cycle] >> shift & (1 << 32 + 8 * (shift > 0)) - 1
            got = {name: word >> low & (1 << width) - 1 for name, (low, width) in fields.items()}
            if slot is None:
                assert word == 0
                continue
            step = TASKS[slot.task].step(slot.step)
            assert (got["op"], got["stage"]) == (ops[step.op], slot.stage)
            assert all(got[name] == value for name, value in step.fields.items())
    lines = program.listing.splitlines()
    assert len(lines) == 1 + schedule.period
    assert "BQK[0] mac rd=BQK@r" in program.listing


@pytest.mark.parametrize("slack", [0, 5, 9])
@pytest.mark.parametrize("period", [24, 33, 90])
def test_registers_of_any_schedule_hold_what_is_read(
    attention_schedule: Make, period: int, slack: int
) -> None:
    tiling = replace(TILING, f=6, p1=9, queries=18)
    schedule = attention_schedule(ROWS, E, 6, 9, period=period, slack=slack, seed=period + slack)
    program = lower(schedule, tiling)
    array, row = lowering.values(schedule, tiling)
    held(array, dict(program.registers), schedule.period)
    held(row, dict(program.lanes), schedule.period)


def changed(schedule: Schedule, name: str, **to: Any) -> Schedule:
    placed = tuple(replace(p, **to) if p.task.name == name else p for p in schedule.placed)
    return replace(schedule, placed=placed, edges=())


def later(schedule: Schedule, name: str, earliest: int) -> Schedule:
    """The task of one step moved to the first free cycle of its unit from `earliest` on."""
    slots = schedule.slots(schedule.find(name).task.unit)
    free = next(at for at in range(earliest, earliest + len(slots)) if slots[at % len(slots)] is None)
    return changed(schedule, name, first=free)


def test_schedules_the_array_cannot_run_are_refused(attention_schedule: Make) -> None:
    good = attention_schedule(ROWS, E, F, P1, period=90)
    lower(good, TILING)
    task = good.find("SLN").task
    cases = {
        "SLN: 6 steps": changed(good, "SLN", task=replace(task, steps=6)),
        "tasks missing or unknown: SLN, SLX": changed(good, "SLN", task=replace(task, name="SLX")),
        "not on the array's two units": changed(good, "SLN", task=replace(task, unit="array-3d")),
        "LM → RM: step 0 begins": changed(good, "RM", first=good.find("LM").first + ROWS - 1),
        "tiles in flight (accepted: at most 8)": later(good, "RD", 8 * 90),
        "SLD lives": later(good, "RD", 3 * 90),
        "registers of the 1D row": later(good, "RD", 3 * 90),
    }
    for message, schedule in cases.items():
        with pytest.raises(PlanError, match=re.escape(message)):
            lower(schedule, replace(TILING, p1=20, queries=40))
    packed = attention_schedule(ROWS, E, F, P1, period=36)
    assert packed.stages > 1
    with pytest.raises(PlanError, match="keys would be waited for"):
        lower(packed, replace(TILING, p1=1, queries=2))


def test_a_state_that_is_read_before_it_is_back_is_refused(attention_schedule: Make) -> None:
    good = attention_schedule(ROWS, E, F, P1, period=60)
    late = later(good, "RD", good.find("SPD").first + 61)
    two_key_tiles = replace(TILING, p1=1, queries=2, keys=8)
    with pytest.raises(PlanError, match="RD → SPD: step 0 begins in cycle"):
        lower(late, two_key_tiles)
    lower(late, replace(two_key_tiles, keys=4))


def test_more_values_than_registers_are_refused(attention_schedule: Make) -> None:
    """A period later every product of a stream still waits for its sum: 40 pairs of registers."""
    schedule = attention_schedule(ROWS, E, 40, P1, period=160)
    for name in ("RNV", "RD"):
        schedule = changed(schedule, name, first=schedule.find(name).first + schedule.period)
    with pytest.raises(PlanError, match=r"32 entries: no register is left for S[PL]NV\[\d+\]"):
        lower(schedule, replace(TILING, f=40))


def operands() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    shapes = {"q": (7, E), "k": (11, E), "v": (11, F)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def emit(folder: Path, schedule: Schedule, **changes: Any) -> Path:
    given = {**operands(), "rows": ROWS, "cols": COLS, "most_p1": P1, "scale": 0.5, **changes}
    return emit_attention(folder, HEAD, schedule, given.pop("q"), given.pop("k"), given.pop("v"), **given)


def test_the_stream_holds_the_operands() -> None:
    given = {name: each.astype(np.float16) for name, each in operands().items()}
    tiling = replace(TILING, p1=2)  # two blocks
    words = np.array([[word >> 16 * n & 0xFFFF for n in range(4)] for word in stream_words(tiling, **given)])
    halves = words.astype(np.uint16).view(np.float16)
    block = tiling.p1 * E + tiling.m1 * (E + F)
    assert len(halves) == tiling.blocks * block
    for number in range(tiling.blocks):
        part = halves[number * block : (number + 1) * block]
        queries = part[: tiling.p1 * E, :COLS].reshape(tiling.p1, E, COLS).transpose(0, 2, 1).reshape(-1, E)
        mine = given["q"][number * tiling.p1 * COLS :][: len(queries)]
        np.testing.assert_array_equal(queries[: len(mine)], mine)
        assert not queries[len(mine) :].any()
        tiles = part[tiling.p1 * E :, :ROWS].reshape(tiling.m1, E + F, ROWS).transpose(0, 2, 1)
        rows = tiles.reshape(-1, E + F)
        np.testing.assert_array_equal(rows[:11, :E], given["k"])
        np.testing.assert_array_equal(rows[:11, E:], given["v"])
        assert not rows[11:].any()


def test_the_directory_is_complete_and_says_what_it_is(tmp_path: Path, attention_schedule: Make) -> None:
    schedule = attention_schedule(ROWS, E, F, P1, period=44)
    folder = emit(tmp_path / "head", schedule, chart="BQK  aaaa")
    described = json.loads((folder / "design.json").read_text(encoding="utf-8"))
    design = AttentionDesign.load(folder)
    assert design.tiling == TILING
    assert design.schedule == schedule
    assert described["cycles"]["total"] == epoch_cycles(schedule, TILING.epoch_shape).total
    names = [*described["sources"], *described["properties"]]
    names += [described[key] for key in ("driver", "program", "inputs", "listing", "operands", "trace")]
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert present == {*names, "design.json", "README.md"}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert all(text in readme for text in (HEAD, "BQK  aaaa", str(described["cycles"]["total"]), "44 cycles"))
    assert "@{" not in readme
    words = [line for line in (folder / "program.hex").read_text().splitlines() if line[0] != "/"]
    assert [int(word, 16) for word in words] == list(lower(schedule, TILING).words)


def test_the_scale_goes_into_the_queries_before_they_are_rounded(
    tmp_path: Path, attention_schedule: Make
) -> None:
    schedule = attention_schedule(ROWS, E, F, P1, period=44)
    design = AttentionDesign.load(emit(tmp_path / "head", schedule, scale=0.3))
    wanted = (operands()["q"] * np.float32(0.3)).astype(np.float16)
    np.testing.assert_array_equal(design.operands["q"], wanted)


def test_the_same_head_gives_the_same_files(tmp_path: Path, attention_schedule: Make) -> None:
    schedule = attention_schedule(ROWS, E, F, P1, period=44)
    one, other = (emit(tmp_path / name, schedule) for name in ("one", "other"))
    for path in one.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (other / path.relative_to(one)).read_bytes(), path.name


@pytest.mark.parametrize(("rows", "cols"), [(4, 2), (2, 4), (3, 3)])
def test_the_top_is_named_after_the_head_and_lint_clean(
    tmp_path: Path, attention_schedule: Make, rows: int, cols: int
) -> None:
    schedule = attention_schedule(rows, E, F, P1, period=44)
    design = AttentionDesign.load(emit(tmp_path / "head", schedule, rows=rows, cols=cols))
    assert design.top == "encoder_layer_0_attention_self_head_0_top"
    lint(design.sources(traced=False), design.top)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": np.zeros((11, E + 1))}, r"no attention head of Q \[7, 8\], K \[11, 9\], V \[11, 12\]"),
        ({"v": np.zeros((10, F))}, "accepted: Q"),
        ({"q": np.zeros((0, E))}, "no attention head"),
        ({"rows": 17}, "2 to 16"),
        ({"cols": 1}, "2 to 16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    tmp_path: Path, attention_schedule: Make, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        emit(tmp_path / "head", attention_schedule(ROWS, E, F, P1, period=44), **changes)
    assert not list(tmp_path.iterdir())


def test_a_directory_in_use_is_left_alone(tmp_path: Path, attention_schedule: Make) -> None:
    folder = tmp_path / "head"
    folder.mkdir()
    (folder / "mine").write_text("keep", encoding="utf-8")
    with pytest.raises(BundleError, match="new or empty"):
        emit(folder, attention_schedule(ROWS, E, F, P1, period=44))
    assert [path.name for path in tmp_path.rglob("*")] == ["head", "mine"]
