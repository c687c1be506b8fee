"""A Composition of Experts whose choice of expert nobody sees: images come out of an oblivious map.

Every prompt fetches a whole image, of whatever expert, padded to the largest, into one place and runs the one
program on it: no slots, no copy kept from prompt to prompt, none skipped where the next prompt has the same
expert. Hidden from who sees the images' memory is which expert answers, and whether two prompts have the same
one. Where the tokens are private as well, their rows come out of maps too: the router's of its own table, an
expert's out of one map of all experts' tables.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ir.errors import BundleError, InputError
from ...ir.lookup import KEYS, ObliviousMap, capacity_for
from ...sim.bolt import BoltConfig, Keys, NativeMap, Records
from ...sim.bolt.batches import Answers
from ...sim.bolt.counters import Counters
from .experts import INPUT, ROUTER, SHAPE, Answer, Composition, HostSlots
from .loader import Program, load
from .private_store import Store
from .rows import Map, PlainMap, Rows, made, records


@dataclass
class PrivateCounters:
    """Prompts so far, and seconds spent naming experts, fetching images and running them."""

    requests: int = 0
    router_s: float = 0.0
    fetch_s: float = 0.0
    run_s: float = 0.0


class ExpertTables:
    """One map of the tables of all experts; `expert` says whose rows are meant by a program's keys.

    Args:
        facts: of the program that runs every expert.
        images: arrays by name, an expert each.
        alpha: share of its bins in HBM.
        keys: its secrets; new ones when None.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        images: Sequence[Mapping[str, NDArray]],
        alpha: float,
        keys: Keys | None,
    ) -> None:
        self.expert, self._each = 0, ObliviousMap(**facts["map"]).keys
        count = self._each * len(images)
        if count > KEYS:
            raise InputError(f"{count} rows of experts' tables", accepted=f"{KEYS} at most")
        values = np.concatenate([records(facts, arrays).values for arrays in images])
        config = BoltConfig(capacity_for(count), values.shape[1], alpha)
        initial = Records(np.arange(count, dtype=np.uint32), values)
        self.map = NativeMap(config, keys=keys or Keys.fresh(), initial=initial)
        self.config = config

    @property
    def counters(self) -> Counters:
        """Of the map."""
        return self.map.counters

    def get(self, keys: NDArray) -> Answers:
        """The values of the expert's keys, an access each, in order."""
        return self.map.get(keys + np.uint32(self.expert * self._each))


class PrivateExperts:
    """An opened composition, its experts' images in a map.

    Args:
        path: a bundle of ``zoo:coe`` compiled with a private choice.
        threads: of a run; as many as the process may use when None.
        alpha: share of a map's bins that lie in HBM.
        keys: the secrets of the maps, for tests; new ones for each when None.

    Raises:
        BundleError: the bundle is missing, corrupt, no composition, or its choice is not private.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int | None = None,
        alpha: float = 0.2,
        keys: Keys | None = None,
    ) -> None:
        with Composition(path, 1, threads=threads) as opened:
            self.composition = opened
        if not opened.private:
            told = "a bundle compiled with --private expert"
            raise BundleError("its choice of an expert is not private", where=str(path), accepted=told)
        self.router, self.program = (load(Path(path) / folder) for folder in (ROUTER, SHAPE))
        largest = max(len(image.data) for image in opened.images)
        images = np.stack([np.pad(image.data, (0, largest - len(image.data))) for image in opened.images])
        self.store = Store((opened.count,), largest, images, alpha=alpha, keys=keys)
        self.counters = PrivateCounters()
        self._near = HostSlots(1, largest)
        self.tables: ExpertTables | None = None
        self._rows: Rows | None = None
        self._router_rows: Rows | None = None
        facts = self.program.tables
        if "map" in facts:  # maps of its own, though programs are one for all that open the bundle
            arrays = [image.arrays for image in opened.images]
            self.tables = ExpertTables(facts, arrays, alpha, keys)
            self._rows = Rows(facts, arrays[0], self.tables)
            table, weights = self.router.tables, self.router.weights.arrays
            self._router_rows = Rows(table, weights, made(table, weights, keys))

    @property
    def accesses_of_a_prompt(self) -> dict[str, int]:
        """By map, whoever answers: of images; with private tokens of the router's table and the experts'."""
        found = {"images": self.store.layout.chunks}
        for name, program in (("router", self.router), ("experts", self.program)):
            if "asked" in program.tables:
                found[name] = sum(entry["accesses"] for entry in program.tables["asked"].values())
        return found

    @property
    def maps(self) -> dict[str, Map]:
        """The maps of `accesses_of_a_prompt`."""
        found: dict[str, Map] = {"images": self.store.map}
        if self._router_rows is not None:
            found["router"] = self._router_rows.map
        if self.tables is not None:
            found["experts"] = self.tables.map
        return found

    def route(self, prompts: np.ndarray) -> list[int]:
        """The expert the router names for each prompt [b, s]: for who runs it alone to know.

        Raises:
            InputError: prompts of another length or type.
            FaultError: the map of its table stopped.
        """
        begin = time.perf_counter()
        with _answered_by(self.router, self._router_rows):
            named = self.composition.route(prompts)
        self.counters.router_s += time.perf_counter() - begin
        return named

    def run(self, prompts: np.ndarray, experts: Sequence[int] | None = None) -> list[Answer]:
        """Answer prompts [b, s], one after another, by the router's choice or the experts named.

        Raises:
            InputError: prompts of another length or type, or no such expert.
            FaultError: a map stopped.
        """
        self.composition.check(prompts)
        named = self.route(prompts) if experts is None else list(experts)
        if len(named) != len(prompts):
            raise InputError(f"{len(named)} experts", accepted=f"{len(prompts)}, one for each prompt")
        answers = []
        with _answered_by(self.program, self._rows):
            for prompt, expert in zip(prompts, named, strict=True):
                begin = time.perf_counter()
                self._near.copy(0, self.store.get(np.array([[expert]]))[0])
                fetched = time.perf_counter()
                if self.tables is not None:
                    self.tables.expert = expert
                answers.append(self._answer(prompt, expert, self._near.address(0)))
                self.counters.fetch_s += fetched - begin
                self.counters.run_s += time.perf_counter() - fetched
        self.counters.requests += len(prompts)
        return answers

    def in_the_open(self, prompts: np.ndarray, experts: Sequence[int]) -> list[Answer]:
        """What the experts' own images and tables answer, read where they are: what `run` is held to."""
        answers = []
        for prompt, expert in zip(prompts, experts, strict=True):
            image = self.composition.images[expert]
            facts = self.program.tables
            rows = Rows(facts, image.arrays, PlainMap(facts, image.arrays)) if self._rows else None
            with _answered_by(self.program, rows):
                answers.append(self._answer(prompt, expert, image.address))
        return answers

    def _answer(self, prompt: np.ndarray, expert: int, weights: int) -> Answer:
        (logits,) = self.program.run(
            {INPUT: prompt[None]}, threads=self.composition.threads, weights=weights
        ).values()
        return Answer(expert, logits)


def _answered_by(program: Program, rows: Rows | None) -> AbstractContextManager[None]:
    return nullcontext() if rows is None else program.answered_by(rows)
