"""An element of the FuseMax array and a lane of its row, under random operations and as exponentials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from .fusemax_elements import NAMES_1D, NAMES_2D, NAN, Element, Lane, pattern
from .fusemax_program import OPS_1D, OPS_2D
from .fusemax_streams import words_of

Vectors = NDArray[np.uint32]
RunVectors = Callable[[str, Vectors], Vectors]

pytestmark = pytest.mark.slow

CYCLES = 12_000
STATE_WORDS = 16
MINUS_INFINITY = 0xFF800000


def random_word(random: np.random.Generator) -> int:
    """Mostly ordinary numbers, sometimes an edge of the format, rarely what is not a number."""
    kind = random.random()
    if kind < 0.9:
        return pattern(np.float32(random.standard_normal() * 4))
    if kind < 0.97:
        return int(random.integers(0, 2) << 31 | random.integers(0, 255) << 23 | random.integers(0, 2**23))
    return int(random.choice([0, 0x80000000, 1, 0x7F800000, MINUS_INFINITY, NAN, 0x7F7FFFFF, 0x00800000]))


def test_an_element_does_every_operation_and_passes_words_on(run_fusemax: RunVectors) -> None:
    random = np.random.default_rng(1)
    element = Element()
    stream: list[int] = []
    expected: list[int] = [0]
    for _ in range(CYCLES):
        code = int(random.choice(list(NAMES_2D)))
        rd, ra, first, beyond = (int(random.integers(0, end)) for end in (10, 10, 2, 2))
        h, v, enabled = random_word(random), random_word(random), int(random.random() < 0.9)
        op = code | rd << 4 | ra << 8 | first << 12 | beyond << 13
        stream.append(enabled << 78 | op << 64 | h << 32 | v)
        if enabled:
            with np.errstate(all="ignore"):
                below = element.run(NAMES_2D[code], rd, ra, first, beyond, h, v)
            expected.append(op << 64 | h << 32 | below)
        else:
            expected.append(expected[-1])
    out = run_fusemax("fusemax_elements_harness", words_of(stream))
    wrong = np.flatnonzero((out != words_of(expected[:-1])).any(axis=1))
    assert not len(wrong), f"cycle {wrong[0]} is wrong: {NAMES_2D[stream[wrong[0] - 1] >> 64 & 15]}"


def exponentials(run_fusemax: RunVectors, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """exp(x) by an element: load, six steps, read."""
    minus = (-x).view(np.uint32).astype(object)
    enabled = 1 << 78
    stream: list[int] = []
    for bits in minus:
        # Register 1 is never written: 0 - (-x).
        stream.append(enabled | (OPS_2D["subv"] | 1 << 8) << 64 | int(bits))
        stream += [enabled | OPS_2D[f"exp{k}"] << 64 for k in range(6)]
        stream.append(enabled | OPS_2D["maxd"] << 64 | MINUS_INFINITY)
    out = run_fusemax("fusemax_elements_harness", words_of([*stream, 0]))
    return out[8::8, 0].copy().view(np.float32)


def test_exponentials_are_close_in_every_binade(run_fusemax: RunVectors) -> None:
    """Within 3.5 units in the last place, and 1.25 more for every unit of x, from rounding x·log2(e)."""
    random = np.random.default_rng(2)
    binades = np.repeat(2.0 ** np.arange(-30, 7), 100)
    x = -(binades * random.uniform(1, 2, len(binades))).astype(np.float32)
    x = x[x > -87.3]
    got = exponentials(run_fusemax, x).astype(np.float64)
    exact = np.exp(x.astype(np.float64))
    unit = 2.0 ** (np.floor(np.log2(exact)) - 23)
    error = np.abs(got - exact) / unit
    bound = 3.5 + 1.25 * np.abs(x.astype(np.float64))
    worst = np.argmax(error / bound)
    assert (error <= bound).all(), f"exp({x[worst]!r}) = {got[worst]!r} is {error[worst]:.2f} ulp off"


def test_exponentials_of_edges(run_fusemax: RunVectors) -> None:
    cases = {0.0: 1.0, -np.inf: 0.0, np.nan: np.nan, -88.0: 0.0, -1e4: 0.0, -3e38: 0.0}
    cases |= {-1e-45: 1 - 2.0**-23, np.inf: np.inf, 1e4: np.inf}
    got = exponentials(run_fusemax, np.array(list(cases), np.float32))
    np.testing.assert_array_equal(got, np.array(list(cases.values()), np.float32))
    smallest_normal = exponentials(run_fusemax, np.array([-87.3, -87.33], np.float32))
    assert (smallest_normal > 0).all()


def test_a_lane_does_every_operation_and_keeps_its_state(run_fusemax: RunVectors) -> None:
    random = np.random.default_rng(3)
    lane = Lane(STATE_WORDS)
    stream: list[int] = []
    expected: list[int | None] = []
    waiting: dict[str, int] | None = None  # the operation that runs in this cycle
    down = (0, 0)
    for cycle in range(CYCLES):
        fields = lane_fields(random, cycle)
        enabled = int(random.random() < 0.9)
        word, up = random_word(random), int(random.integers(0, 32))
        next_down = int(random.random() < 0.3), int(random.integers(0, 32))
        if next_down[1] == fields["rd"]:
            next_down = 0, 0  # both would write one register
        announced = (next_down[0] << 5 | next_down[1]) << 33
        stream.append(lane_word(fields) | announced | word << 39 | up << 71 | enabled << 76)
        # What arrives from above is readable at once, but stays only if the lane is not held.
        arrived = word if down[0] and down[1] == up else lane.registers[up]
        expected.append(arrived)
        if enabled:
            if down[0]:
                lane.registers[down[1]] = word
            if waiting is not None:
                run_lane(lane, waiting)
            waiting, down = fields, next_down
    out = run_fusemax("fusemax_elements_harness", words_of([*stream, *([1 << 127] * 20)]))
    wrong = np.flatnonzero(out[:CYCLES, 0] != np.array(expected, np.uint32))
    assert not len(wrong), f"cycle {wrong[0]} is wrong"
    quotients = out[out[:, 1] >> 16 & 1 == 1, 1] & 0xFFFF
    np.testing.assert_array_equal(quotients, lane.quotients)


def lane_fields(random: np.random.Generator, cycle: int) -> dict[str, int]:
    """A random operation; the first ones write the state, which has no defined content."""
    code = int(random.choice(list(NAMES_1D)))
    fields = {name: int(random.integers(0, 32)) for name in ("rd", "a", "b")}
    flags = ("a_state", "rd_state", "b_state", "init", "init_inf")
    fields |= {name: int(random.random() < 0.3) for name in flags}
    fields |= {"op": code, "address": int(random.integers(0, STATE_WORDS))}
    if cycle < STATE_WORDS:
        fields |= {"op": OPS_1D["max"], "a_state": 0, "rd_state": 1, "address": cycle}
    if fields["rd_state"]:
        fields["b_state"] = 0
    return fields


def lane_word(fields: dict[str, int]) -> int:
    """The bits of an operation, its address and the mark of the lane."""
    places = {"op": 0, "rd": 4, "a": 9, "b": 14, "a_state": 19, "rd_state": 20, "b_state": 21}
    places |= {"init_inf": 22, "init": 23, "address": 24}
    return sum(fields[name] << place for name, place in places.items()) | 1 << 127


def run_lane(lane: Lane, fields: dict[str, int]) -> None:
    """Let the reference do an operation."""
    rest = {name: value for name, value in fields.items() if name not in ("op", "address")}
    with np.errstate(all="ignore"):
        lane.run(NAMES_1D[fields["op"]], fields["address"], **rest)
