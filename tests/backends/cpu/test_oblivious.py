"""Look-ups by private indices in CPU programs: as plain ones, bit for bit, and an access for every chunk."""

from __future__ import annotations

import ctypes
import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import penstock
from penstock.backends.cpu.rows import Rows, config_of, records
from penstock.ir.errors import FaultError, InputError
from penstock.sim.bolt import BoltMap, NativeMap, Trace

IDS = torch.randint(0, 50, (2, 6), generator=torch.Generator().manual_seed(0))


class Sum(nn.Module):
    """Two tables: one of rows that take two values of the map, one that is read by public numbers too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(50, 100)
        self.marks = nn.Embedding(9, 30)
        self.mix = nn.Linear(100, 30)
        with torch.no_grad():
            self.words.weight[3, :4] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-42])

    def forward(self, ids: torch.Tensor, kinds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.words(
            ids + 0
        )  # a number of ours: an input that is a row's itself is refused out of range
        return self.mix(rows) + self.marks(ids % 9) + self.marks(kinds), rows


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[penstock.Bundle, penstock.Bundle]:
    """The model with plain look-ups, and with oblivious ones."""
    place, inputs = tmp_path_factory.mktemp("oblivious"), {"ids": IDS, "kinds": IDS % 9}
    with torch.no_grad():
        plain = penstock.compile(Sum(), inputs, out=place / "plain")
        return plain, penstock.compile(Sum(), inputs, out=place / "oblivious", private="ids")


def _inputs(ids: np.ndarray) -> dict[str, np.ndarray]:
    return {"ids": ids, "kinds": np.arange(12).reshape(2, 6) % 9}


@pytest.mark.parametrize("kind", [9, -1, 2**40])
def test_public_rows_that_a_table_does_not_have_are_refused(
    bundles: tuple[penstock.Bundle, penstock.Bundle], kind: int
) -> None:
    kinds = np.zeros((2, 6), np.int64)
    kinds[1, 4] = kind
    for bundle in bundles:
        with pytest.raises(InputError, match=f"input kinds holds {kind}, 0 to 8 are needed"):
            bundle.run({"ids": IDS.numpy(), "kinds": kinds})


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_are_those_of_the_plain_look_up_bit_for_bit(
    bundles: tuple[penstock.Bundle, penstock.Bundle], threads: int
) -> None:
    plain, oblivious = bundles
    random = np.random.default_rng(threads)
    cases = [
        np.full((2, 6), 3),
        np.zeros((2, 6), np.int64),
        np.full((2, 6), 49),
        np.array([[-1, -50, 50, -51, 2**62, -(2**63)], [0, 1, 49, 3, 7, 7]]),
        *random.integers(-80, 80, (8, 2, 6)),
    ]
    for ids in cases:
        wanted = plain.run(_inputs(ids), threads=threads)
        got = oblivious.run(_inputs(ids), threads=threads)
        for name, array in wanted.items():
            assert got[name].tobytes() == array.tobytes()


def test_every_run_makes_as_many_accesses_whatever_it_looks_up(
    bundles: tuple[penstock.Bundle, penstock.Bundle],
) -> None:
    oblivious = bundles[1]
    program = oblivious.program()
    rows = program.rows
    assert rows is not None
    assert [lookup.chunks for lookup in rows.lookups] == [2, 1]
    assert program.tables["asked"] == {"main": {"rows": 24, "accesses": 12 * 2 + 12}}
    for ids in (np.zeros((2, 6), np.int64), np.arange(12).reshape(2, 6), np.full((2, 6), 1000)):
        before = rows.counters()["accesses"]
        oblivious.run(_inputs(ids))
        assert rows.counters()["accesses"] - before == 36
    counted = rows.counters()
    assert counted["host_reads"] == counted["host_writes"] > 0
    assert counted["host_bytes"] == 2 * counted["host_reads"] * 4096


def test_the_plain_model_of_the_map_answers_as_the_native_engine_does(
    bundles: tuple[penstock.Bundle, penstock.Bundle],
) -> None:
    plain, oblivious = bundles
    program = oblivious.program()
    before = program.rows
    assert before is not None
    assert isinstance(before.map, NativeMap)
    facts, arrays = program.tables, program.weights.arrays
    try:
        model = BoltMap(config_of(facts), seed=7, initial=records(facts, arrays))
        program.look_up_by(Rows(facts, arrays, model))
        ids = np.arange(12).reshape(2, 6) * 5
        got, wanted = oblivious.run(_inputs(ids)), plain.run(_inputs(ids))
        assert all(got[name].tobytes() == wanted[name].tobytes() for name in wanted)
    finally:
        program.look_up_by(before)


def test_a_map_that_was_tampered_with_ends_the_run_and_every_later_one(
    bundles: tuple[penstock.Bundle, penstock.Bundle],
) -> None:
    oblivious = bundles[1]
    program = oblivious.program()
    before = program.rows
    assert before is not None
    facts, arrays = program.tables, program.weights.arrays
    config, initial = config_of(facts), records(facts, arrays)
    try:
        made = BoltMap(config, seed=1, initial=initial)
        program.look_up_by(Rows(facts, arrays, made))
        image = made.memory.data
        for page in range(config.host_bins):
            image[config.page_address(config.hbm_bins + page)] ^= 1
        for _ in range(2):
            with pytest.raises(FaultError):
                oblivious.run(_inputs(IDS.numpy()))
    finally:
        program.look_up_by(before)
    oblivious.run(_inputs(IDS.numpy()))


def test_what_the_host_sees_has_one_shape_for_every_input(
    bundles: tuple[penstock.Bundle, penstock.Bundle],
) -> None:
    program = bundles[1].program()
    facts = {**program.tables, "map": {**program.tables["map"], "alpha": 0.0}}
    arrays = program.weights.arrays
    seen = []
    for ids in (np.zeros(12, np.int64), np.arange(12), np.full(12, -99)):
        made = NativeMap(config_of(facts), seed=3, initial=records(facts, arrays))
        made.memory.trace = trace = Trace()
        Rows(facts, arrays, made).fetch(0, ids)
        seen.append(trace.array()[["index", "length", "direction"]])
    assert (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()
    assert len(seen[0]) == 12 * 2 * 4, "without bins in HBM an access reads two pages and writes them"


def test_a_program_with_nobody_to_ask_refuses_to_run(
    bundles: tuple[penstock.Bundle, penstock.Bundle], tmp_path: Path
) -> None:
    oblivious = bundles[1]
    facts = oblivious.manifest["backends"]["cpu"]
    copy = tmp_path / "alone.so"
    copy.write_bytes((oblivious.path / facts["library"]).read_bytes())
    library = ctypes.CDLL(str(copy))
    status = library[facts["entries"]["main"]["run"]](None, None, None, None, 1)
    assert status == errno.ENOTCONN
    header = (oblivious.path / "cpu" / "program.h").read_text()
    assert "penstock_look_up_by" in header
    assert "penstock_look_up_by" not in (bundles[0].path / "cpu" / "program.h").read_text()


def test_the_bundle_says_what_its_map_is(bundles: tuple[penstock.Bundle, penstock.Bundle]) -> None:
    plain, oblivious = (bundle.report() for bundle in bundles)
    assert "Oblivious look-ups: 109 keys of 200 bytes" in oblivious.text()
    assert "Oblivious" not in plain.text()


def test_private_inputs_go_with_a_target_that_has_a_map() -> None:
    with pytest.raises(InputError, match="private inputs on bitmod-small"):
        penstock.compile("zoo:mlp", target="bitmod-small", private=["x"])
