"""BOLT's cryptographic units and command front end: what they compute, when, and what becomes of broken ones.

One model with sleeping mutants serves all of it: no mutant is awake unless a run names one.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import bolt_crypto_bench
import mutate_bolt
import pytest
from bench import Job
from bolt_crypto_units import SIP_VECTORS, product
from mutants import Edit
from mutate import Ready, argued
from mutate_bolt import PARTS
from mutation_command import TARGET
from mutation_report import Verdict, summary
from siphash import siphash

PART = PARTS["crypto"]
PER_MODULE, SEED = 4, 3


@dataclass(frozen=True)
class Model:
    """The bench with mutants in it, by number from 1."""

    ready: Ready
    edits: list[Edit]

    @property
    def jobs(self) -> dict[str, Job]:
        """The scripts."""
        return {job.arguments[0].stem: job for job in self.ready.jobs}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    edits = PART.edits(PER_MODULE, SEED)
    readies, left, _ = mutate_bolt.built(PART, edits, tmp_path_factory.mktemp("bolt_crypto"))
    return Model(readies[0], left)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(bolt_crypto_bench.SCRIPTS))
def test_a_script_finds_nothing_wrong(model: Model, name: str) -> None:
    assert model.jobs[name].fault(model.ready.executable) is None


@pytest.mark.slow
def test_nearly_every_mutant_is_noticed(model: Model) -> None:
    def one(pair: tuple[int, Edit]) -> Verdict:
        return mutate_bolt.judged(PART, pair[0], pair[1], [model.ready])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(one, enumerate(model.edits, 1)))
    verdicts = argued(verdicts, PART.texts(), mutate_bolt.HERE / PART.equivalent)
    left = [str(verdict.edit) for verdict in verdicts if verdict.outcome == "survived"]
    assert summary(verdicts)["killed_of_not_equivalent"] >= TARGET, left


@pytest.mark.parametrize(("size", "hashed"), SIP_VECTORS)
def test_the_hash_the_units_are_compared_with_gives_the_published_values(size: int, hashed: int) -> None:
    assert siphash(bytes(range(16)), bytes(range(size))) == hashed


def test_the_product_the_units_are_compared_with_is_a_fields() -> None:
    one, some, other = 1 << 127, 0x66E94BD4EF8A2C3B884CFA59CA342B2E, 0x0388DACE60B6A392F328C2B971B2FE78
    assert product(one, some) == some
    assert product(some, other) == product(other, some)
    assert product(some, one ^ other) == some ^ product(some, other)
