"""A schedule as the program of the FuseMax array: one word a cycle of the epoch, for both of its units.

Which tensor a task writes decides what its steps do (cascade 5 of the paper, as `TASKS` lists it); when, and
for which of the tiles in flight, is the schedule's choice. Fields and operations are those of
``rtl/fusemax/fusemax_pkg.sv``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ....ir.errors import PlanError
from ....ir.schedule import Schedule
from ....sim.cost.spatial.tiling import Tiling
from .registers import Register, Value, allocate

ARRAY_REGISTERS, LANE_REGISTERS = 10, 32
MOST_STAGES = 8
EXP_STEPS = 7
"""A subtraction and six multiply-accumulates (FuseMax, section V)."""

Fields = Mapping[str, tuple[int, int]]
ARRAY_FIELDS: Fields = {
    "op": (0, 4),
    "stage": (4, 3),
    "rd": (7, 4),
    "rd_rot": (11, 1),
    "ra": (12, 4),
    "ra_rot": (16, 1),
    "first": (17, 1),
    "idx": (18, 7),
    "lane": (25, 5),
    "lane_rot": (30, 1),
}
"""Of a 2D micro-operation: field → lowest bit, width."""
ROW_FIELDS: Fields = {
    "op": (0, 4),
    "stage": (4, 3),
    "rd": (7, 5),
    "rd_rot": (12, 1),
    "a": (13, 5),
    "a_rot": (18, 1),
    "b": (19, 5),
    "b_rot": (24, 1),
    "a_state": (25, 1),
    "rd_state": (26, 1),
    "b_state": (27, 1),
    "idx": (28, 8),
    "init_inf": (36, 1),
}
"""Of a 1D micro-operation."""
ROW_SHIFT = 32
WORD_BITS = 72

ARRAY_OPS = {"mac": 1, "maxd": 2, "subv": 3, "sumd": 4, "macd": 5, **{f"exp{k}": 8 + k for k in range(6)}}
ROW_OPS = {"max": 1, "sub": 2, "mul": 3, "add": 4, **{f"exp{k}": 8 + k for k in range(6)}}
STATE_RM, STATE_RD, STATE_RNV = 0, 1, 2
"""Words of a query tile's state."""


@dataclass(frozen=True)
class Step:
    """One step of a task: its operation, the values in its register fields, and its other fields."""

    op: str
    values: Mapping[str, str]
    fields: Mapping[str, int]


def _step(op: str, fields: Mapping[str, int] | None = None, **values: str) -> Step:
    return Step(op, values, fields or {})


@dataclass(frozen=True)
class Role:
    """What a task is to the array.

    Attributes:
        row: it runs in the 1D row, else in the 2D array.
        steps: how many, from E and F.
        step: what step i does.
    """

    row: bool
    steps: Callable[[Tiling], int]
    step: Callable[[int], Step]


def _old(word: int, **more: int) -> dict[str, int]:
    """Fields of an operation whose first operand is a word of the state."""
    return {"a_state": 1, "idx": word, **more}


def _exp(first: Step, register: str) -> Callable[[int], Step]:
    """A subtraction, then six steps in place."""
    return lambda i: first if i == 0 else _step(f"exp{i - 1}", rd=register)


def _e(tiling: Tiling) -> int:
    return tiling.e


def _f(tiling: Tiling) -> int:
    return tiling.f


def _one(_: Tiling) -> int:
    return 1


def _seven(_: Tiling) -> int:
    return EXP_STEPS


TASKS: Mapping[str, Role] = {
    "BQK": Role(False, _e, lambda i: _step("mac", {"first": int(i == 0), "idx": i}, rd="BQK")),
    "LM": Role(False, _one, lambda i: _step("maxd", ra="BQK", lane="LM")),
    "SLN": Role(False, _seven, _exp(_step("subv", rd="SLN", ra="BQK", lane="RM"), "SLN")),
    "SLD": Role(False, _one, lambda i: _step("sumd", ra="SLN", lane="SLD")),
    "SLNV": Role(False, _f, lambda i: _step("macd", {"idx": i}, ra="SLN", lane=f"SLNV[{i}]")),
    "RM": Role(True, _one, lambda i: _step("max", _old(STATE_RM, init_inf=1), rd="RM", b="LM")),
    "PRM": Role(
        True, _seven, _exp(_step("sub", _old(STATE_RM, init_inf=1, b_state=1), rd="PRM", b="RM"), "PRM")
    ),
    "SPD": Role(True, _one, lambda i: _step("mul", _old(STATE_RD), rd="SPD", b="PRM")),
    "RD": Role(True, _one, lambda i: _step("add", {"rd_state": 1, "idx": STATE_RD}, a="SPD", b="SLD")),
    "SPNV": Role(True, _f, lambda i: _step("mul", _old(STATE_RNV + i), rd=f"SPNV[{i}]", b="PRM")),
    "RNV": Role(
        True,
        _f,
        lambda i: _step("add", {"rd_state": 1, "idx": STATE_RNV + i}, a=f"SPNV[{i}]", b=f"SLNV[{i}]"),
    ),
}
"""Task → role. The 2D array reduces over keys on the way down: what leaves its columns goes to ``lane``."""


@dataclass(frozen=True)
class Program:
    """The words, and what they were made of.

    Attributes:
        words: one a cycle of the period.
        registers: of values in the 2D array, by name.
        lanes: of values in the lanes of the 1D row.
        listing: a line a cycle, for people.
    """

    words: tuple[int, ...]
    registers: Mapping[str, Register]
    lanes: Mapping[str, Register]
    listing: str


def lower(schedule: Schedule, tiling: Tiling) -> Program:
    """The program of a schedule for one head.

    Args:
        schedule: its tasks are those of `TASKS`; any legal one will do.
        tiling: of the head.

    Raises:
        PlanError: other tasks or steps than the array has, a step before what it reads, too many tiles in
            flight, or values that live too long or too many at once for the registers.
    """
    _check_tasks(schedule, tiling)
    _check_order(schedule, tiling)
    array, lanes = values(schedule, tiling)
    registers = allocate(array, ARRAY_REGISTERS, schedule.period, where="registers of the 2D array")
    found = allocate(lanes, LANE_REGISTERS, schedule.period, where="registers of the 1D row")
    words, lines = [], ["cycle  2D array                                  1D row"]
    both = zip(_slots(schedule, row=False), _slots(schedule, row=True), strict=True)
    for cycle, (below, beside) in enumerate(both):
        left, left_text = _encode(below, ARRAY_FIELDS, ARRAY_OPS, registers, found)
        right, right_text = _encode(beside, ROW_FIELDS, ROW_OPS, registers, found)
        words.append(right << ROW_SHIFT | left)
        lines.append(f"{cycle:5d}  {left_text:<40s}  {right_text}".rstrip())
    return Program(tuple(words), registers, found, "\n".join(lines) + "\n")


def _check_tasks(schedule: Schedule, tiling: Tiling) -> None:
    schedule.check()
    placed = {place.task.name: place.task for place in schedule.placed}
    if set(placed) != set(TASKS):
        odd = sorted(set(placed) ^ set(TASKS))
        raise PlanError(f"tasks missing or unknown: {', '.join(odd)}", accepted=", ".join(TASKS))
    units: dict[bool, set[str]] = {False: set(), True: set()}
    for name, role in TASKS.items():
        wanted = role.steps(tiling)
        if placed[name].steps != wanted:
            raise PlanError(f"{placed[name].steps} steps", where=name, accepted=f"{wanted} steps")
        units[role.row].add(placed[name].unit)
    if len(units[False]) != 1 or len(units[True]) != 1 or units[False] == units[True]:
        names = [", ".join(name for name, role in TASKS.items() if role.row is row) for row in (False, True)]
        raise PlanError(
            "tasks are not on the array's two units", accepted=f"{names[0]} on one, {names[1]} on another"
        )
    if schedule.stages > MOST_STAGES:
        raise PlanError(f"{schedule.stages} tiles in flight", accepted=f"at most {MOST_STAGES}")
    if tiling.m1 > 2 and (schedule.stages > tiling.p1 or schedule.period < tiling.rows):
        raise PlanError(
            f"{schedule.stages} tiles in flight over {tiling.p1} query tiles, period {schedule.period}: "
            "keys would be waited for that wait for them",
            accepted=f"at most {tiling.p1} tiles in flight, a period of at least {tiling.rows}",
        )


def _check_order(schedule: Schedule, tiling: Tiling) -> None:
    """Every step comes after what it reads was written, in the array's own latencies."""
    rows, again = tiling.rows, tiling.p1 * schedule.period

    def after(consumer: str, step: int, producer: str, other: int, latency: int, shift: int = 0) -> None:
        begin = schedule.find(consumer).at(step) + shift
        earliest = schedule.find(producer).at(other) + latency
        if begin < earliest:
            raise PlanError(
                f"step {step} begins in cycle {begin}, before {earliest}", where=f"{producer} → {consumer}"
            )

    after("LM", 0, "BQK", tiling.e - 1, 1)
    after("RM", 0, "LM", 0, rows)
    after("SLN", 0, "BQK", tiling.e - 1, 1)
    after("SLN", 0, "RM", 0, 1)
    after("PRM", 0, "RM", 0, 1)
    for consumer in ("SLD", "SLNV"):
        after(consumer, 0, "SLN", EXP_STEPS - 1, 1)
    for consumer in ("SPD", "SPNV"):
        after(consumer, 0, "PRM", EXP_STEPS - 1, 1)
    after("RD", 0, "SPD", 0, 1)
    after("RD", 0, "SLD", 0, rows)
    for f in range(tiling.f):
        after("RNV", f, "SPNV", f, 1)
        after("RNV", f, "SLNV", f, rows)
    if tiling.m1 > 1:  # the state of a query tile comes back with the next key tile
        after("RM", 0, "PRM", 0, 1, again)
        after("SPD", 0, "RD", 0, 1, again)
        for f in range(tiling.f):
            after("SPNV", f, "RNV", f, 1, again)
    for name in ("SLN", "PRM"):  # an exponential has one place for its power and fraction
        place = schedule.find(name)
        if place.at(EXP_STEPS - 1) - place.at(1) >= schedule.period:
            raise PlanError("an exponential overtakes the one before it", where=name)


def values(schedule: Schedule, tiling: Tiling) -> tuple[list[Value], list[Value]]:
    """Values in the registers of the 2D array and of the 1D row."""
    at = schedule.find
    bottom = tiling.rows - 1  # a word needs so long from the top row's cycle to the lane's register
    array = [
        Value("BQK", at("BQK").at(0), max(at("LM").first, at("SLN").first)),
        Value("SLN", at("SLN").at(0), max(at("SLD").first, at("SLNV").last)),
    ]
    lanes = [
        Value("LM", at("LM").first + bottom, at("RM").first),
        Value("RM", at("RM").first, max(at("PRM").first, at("SLN").first)),
        Value("PRM", at("PRM").first, max(at("SPD").first, at("SPNV").last)),
        Value("SLD", at("SLD").first + bottom, at("RD").first),
        Value("SPD", at("SPD").first, at("RD").first),
    ]
    for f in range(tiling.f):
        read = at("RNV").at(f)
        lanes.append(Value(f"SPNV[{f}]", at("SPNV").at(f), read))
        lanes.append(Value(f"SLNV[{f}]", at("SLNV").at(f) + bottom, read))
    return array, lanes


def _slots(schedule: Schedule, *, row: bool) -> Iterator[tuple[str, int, int] | None]:
    """Task, step and stage of every cycle of one of the two units."""
    name = next(name for name, role in TASKS.items() if role.row is row)
    for slot in schedule.slots(schedule.find(name).task.unit):
        yield None if slot is None else (slot.task, slot.step, slot.stage)


def _encode(
    slot: tuple[str, int, int] | None,
    fields: Fields,
    ops: Mapping[str, int],
    registers: Mapping[str, Register],
    lanes: Mapping[str, Register],
) -> tuple[int, str]:
    """A micro-operation's bits, and its text."""
    if slot is None:
        return 0, "·"
    task, index, stage = slot
    step = TASKS[task].step(index)
    given: dict[str, int] = {"op": ops[step.op], "stage": stage, **step.fields}
    shown = []
    for field, value in step.values.items():
        in_lane = TASKS[task].row or field == "lane"
        place = (lanes if in_lane else registers)[value]
        given |= {field: place.address, f"{field}_rot": int(place.rotates)}
        shown.append(f"{field}={value}@{'l' if in_lane else 'r'}{place.address}{'~' * place.rotates}")
    word = 0
    for field, value in given.items():
        low, width = fields[field]
        if value >> width:
            raise PlanError(f"{field} = {value} does not fit {width} bits", where=f"{task}, step {index}")
        word |= value << low
    name = f"{task}[{index}]" if TASKS[task].step(1) != TASKS[task].step(0) else task
    return word, f"{stage}:{name} {step.op} {' '.join(shown)}"
