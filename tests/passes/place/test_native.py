"""The C of the game against what it stands for: the fields of its structs, its random numbers, its order."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.passes.place import playouts
from penstock.passes.place.board import Board, Lists, empty
from penstock.passes.place.game import STORED, Game, copied
from penstock.passes.place.native import NATIVE, addresses, library
from penstock.passes.place.rules import State, Tables

from .programs import machine, program

HEADER = re.sub(r"//.*", "", (NATIVE.folder / "tables.h").read_text(encoding="utf-8"))
STRUCTS = {
    "pst_tables": Tables._fields[:-1],
    "pst_state": STORED,
    "pst_lists": Lists._fields[:-1],
    "pst_board": (*Board._fields[:-2], "c_left", "c_begin", "c_order", "c_end"),
}


def fields(struct: str) -> tuple[str, ...]:
    bodies = {name: body for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", HEADER, re.DOTALL)}
    body = bodies[struct].replace("pst_memory m;", bodies["pst_memory"])
    return tuple(re.findall(r"\*(\w+)", body))


@pytest.mark.parametrize("struct", STRUCTS)
def test_structs_have_the_fields_of_their_tuples_in_order(struct: str) -> None:
    assert fields(struct) == STRUCTS[struct]


def test_every_array_is_what_the_header_says() -> None:
    rng = Random(3)
    game = Game(program(rng), machine(rng))
    board = empty(game.tables)
    arrays = {
        "pst_tables": game.tables[:-1],
        "pst_state": game.state[:-1],
        "pst_board": (*board[:-2], *board.scratch),
    }
    kinds = {"int64_t": np.int64, "double": np.float64, "int8_t": np.int8}
    for struct, mine in arrays.items():
        declared = {}
        for kind, names in re.findall(r"(int64_t|double|int8_t) ([^;]*);", HEADER):
            declared |= dict.fromkeys(re.findall(r"\*(\w+)", names), kinds[kind])
        assert [array.dtype for array in mine] == [declared[name] for name in fields(struct)]


def test_arrays_in_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="in parts"):
        addresses([np.zeros((4, 4))[:, 1]])


def test_a_copied_state_lies_elsewhere() -> None:
    rng = Random(5)
    game = Game(program(rng), machine(rng))
    other = copied(game.state)
    assert not set(other.at.tolist()) & set(game.state.at.tolist())
    assert other.at.tolist() == [array.ctypes.data for array in other[:-1]]
    assert isinstance(other, State)


def test_random_games_draw_as_numpys_legacy_generator() -> None:
    """A Mersenne Twister, the lowest bits, drawn again where they are too large."""
    rng = Random(17)
    for seed in range(30):
        problem, where = program(rng, aliases=seed % 2 > 0), machine(rng)
        drawn, mine, theirs = np.random.RandomState(seed), Game(problem, where), Game(problem, where)
        while not mine.done:
            chosen = 0
            for seen, move in enumerate(np.flatnonzero(mine.legal), 1):
                if seen == 1 or drawn.randint(seen) == 0:
                    chosen = int(move)
            mine.step(chosen)
        assert playouts.play_random(theirs.tables, theirs.state, seed) == mine.latency_s
        assert theirs.moves() == mine.moves()


@given(st.lists(st.one_of(st.integers(-2, 6).map(float), st.floats(allow_nan=False)), max_size=300))
def test_sorting_gives_places_in_ascending_order(keys: list[float]) -> None:
    values, order = np.array(keys, np.float64), np.full(len(keys), -1, np.int64)
    sort = library().pst_sort
    sort.argtypes, sort.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64), None
    sort(values.ctypes, order.ctypes, len(keys))
    assert sorted(order.tolist()) == list(range(len(keys)))
    assert values[order].tolist() == sorted(keys)


def test_mapping_needs_no_numba() -> None:
    """It compiled for a minute."""
    check = "import sys, penstock.passes.place.players; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
